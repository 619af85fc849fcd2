"""Nothing that a provider or a customer's server answers reaches logs, metrics, tasks, histories or the audit."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.utils import timezone

from calls.dialing import placing
from calls.following import polling, status_callbacks
from calls.models import Call, Status
from providers.adapters import http
from providers.models import ProviderAccount
from tenants.models import Organization, WebhookEndpoint
from tests.calls import support
from tests.calls.test_webhooks import deliver, queue
from tests.canaries import (
    NUMBER,
    SECRET,
    SPELLINGS,
    SPOKEN,
    kept,
    lines,
    logged,
)
from tests.conftest import ApiClient, KeyMaker
from tests.receivers import answering, receiving

__all__ = ["lines"]  # fixtures


PROVIDERS = list(support.SANDBOX_KEYS)
TELLTALE = {
    "error": {"message": f"{SPELLINGS[2]} has said {SPOKEN}. Your key {SECRET} is wrong."},
    "message": f"The number {NUMBER} with the key {SECRET}: {SPOKEN}",
    "status": NUMBER,
    "transcript": [{"role": "user", "text": SPOKEN, "phone": NUMBER}],
}
BODIES = [json.dumps(TELLTALE).encode(), f"{SPOKEN} {NUMBER} {SECRET}".encode(), b"\xff" + NUMBER.encode(), b""]


@pytest.mark.parametrize("statuses", [[422], pytest.param([200, 401, 500], marks=pytest.mark.long)])
@pytest.mark.django_db(transaction=True)
def test_what_providers_and_receivers_answer_is_not_told(
    callers: Organization, client_for: KeyMaker, lines: list[str], subtests: pytest.Subtests, statuses: list[int]
) -> None:
    """Placing, reading, checking, transcripts, status callbacks and webhooks, with each kind of answer."""
    with receiving() as server:
        api = client_for(callers)
        numbers = {}
        for provider in PROVIDERS:
            keys = dict.fromkeys(support.SANDBOX_KEYS[provider]["credentials"], SECRET)
            url = f"http://127.0.0.1:{server.port}"
            numbers[provider] = support.reach(callers, url, provider, credentials=keys)
        endpoint = WebhookEndpoint.objects.create(organization=callers, url=server.url)
        for status in statuses:
            for body in BODIES:
                server.act = answering(status, {"X-Api-Key": SECRET, "X-Said": SPOKEN}, body)
                for provider, number in numbers.items():
                    with subtests.test(provider, status=status, body=body):
                        everything(api, number, body, endpoint)
                        assert logged(lines) == set()
        assert kept() == {}
        assert len(server.received) > 50 * len(statuses)


def everything(api: ApiClient, number: Any, body: bytes, endpoint: WebhookEndpoint) -> None:
    """Do with one account all that reaches a provider or a customer's server."""
    ProviderAccount.objects.update(blocked_at=None, blocked_code="", blocked_reason="", place_tokens=9)
    now = timezone.now()
    Call.objects.all().delete()
    support.single(number, NUMBER, metadata={"token": SECRET})
    followed = support.single(
        number, NUMBER, provider_call_id="c1", status=Status.RINGING, dialed_at=now, next_read_at=now
    )
    placing.record_all(asyncio.run(place_all(placing.claim(number.account_id))))
    polling.record_all(asyncio.run(read_all(polling.claim())))
    api.post(f"/api/v1/provider-accounts/{number.account.uuid}/check/")
    api.get(f"/api/v1/calls/{followed.uuid}/transcript/")
    path = f"/hooks/{number.account.provider}/{followed.callback_token}"
    api.post(path, body, content_type="text/plain", headers={"x-signature": SECRET})
    api.post(f"/hooks/{number.account.provider}/{SECRET}", body, content_type="text/plain")
    for pk in status_callbacks.pending():
        status_callbacks.process(pk)
    queue(endpoint)
    deliver()


async def place_all(claims: list[placing.Claim]) -> list[placing.Answer]:
    async with http.Client() as client:
        return [(claim, await placing.send(client, claim)) for claim in claims]


async def read_all(reads: list[polling.DueRead]) -> list[polling.Answer]:
    async with http.Client() as client:
        return [(due, *await polling.read(client, due)) for due in reads]

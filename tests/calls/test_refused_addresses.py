"""What becomes of calls when the guard refuses the address of their provider account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.dialing import placing
from calls.following import polling
from calls.models import Call, Status
from providers.adapters import http
from providers.adapters.errors import NotAllowed
from providers.models import PhoneNumber
from tenants.models import Alert, Organization
from tests.calls import support
from tests.conftest import ApiClient
from tests.receivers import Receiver, receiving
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "leads to a network address that is not public, so nothing was sent"


@pytest.fixture
def inside(settings: Any) -> Iterator[Receiver]:
    """A server inside the installation's network, in production mode."""
    settings.ALLOW_LOOPBACK_URLS = False
    with receiving() as found:
        yield found


def to_the_inside(host: str, port: int, **_: Any) -> Any:
    return [(2, 1, 6, "", ("127.0.0.1", port))]


def by_name(callers: Organization, inside: Receiver) -> PhoneNumber:
    return support.reach(callers, f"https://rebinding.example.org:{inside.port}", "allomia")


def send_all(claims: list[placing.Claim]) -> list[placing.Answer]:
    async def run() -> list[placing.Answer]:
        async with http.Client(lookup=to_the_inside) as client:
            return [(claim, await placing.send(client, claim)) for claim in claims]

    return asyncio.run(run())


def test_a_placing_that_was_refused_was_not_sent_and_the_account_waits_for_staff(
    callers: Organization, inside: Receiver, sign_in: SignIn
) -> None:
    number = by_name(callers, inside)
    calls = [support.single(number, f"+1212555010{digit}") for digit in range(3)]
    answers = send_all(placing.claim(number.account_id))
    assert [type(answer) for _, answer in answers] == [NotAllowed] * 3
    assert placing.record_all(answers) == []
    assert inside.connections == 0
    for call in calls:
        call.refresh_from_db()
        # Nothing of the attempt counts: not for caps, gaps or budgets, and no doubt is left.
        assert (call.status, call.dialed_at, call.lease_until) == (Status.QUEUED, None, None)
        assert WORDS in call.events.get(type="misconfigured").detail
    account = number.account
    account.refresh_from_db()
    assert account.blocked_code == "misconfigured"
    assert WORDS in account.blocked_reason
    Call.objects.update(due_at=timezone.now())
    assert placing.claim(account.pk) == []  # no attempt is burnt until somebody has corrected the address
    assert Alert.objects.filter(message__contains=WORDS).count() == 1
    page = sign_in(callers, "manager").get(reverse("admin:providers_provideraccount_change", args=[account.pk]))
    assert WORDS in page.content.decode()


def test_a_read_that_was_refused_ends_no_call(callers: Organization, inside: Receiver) -> None:
    number = by_name(callers, inside)
    now = timezone.now()
    call = support.single(
        number, "+12125550100", provider_call_id="c1", status=Status.RINGING, dialed_at=now, next_read_at=now
    )

    async def read(due: polling.DueRead) -> polling.Answer:
        async with http.Client(lookup=to_the_inside) as client:
            return due, *await polling.read(client, due)

    [due] = polling.claim()
    assert polling.record_all([asyncio.run(read(due))]) == []
    call.refresh_from_db()
    number.account.refresh_from_db()
    assert (call.status, inside.connections) == (Status.RINGING, 0)
    assert WORDS in number.account.blocked_reason


def test_a_check_of_an_inner_address_says_so_and_connects_nowhere(
    callers: Organization, inside: Receiver, client_for: Any, sign_in: SignIn
) -> None:
    account = support.reach(callers, f"https://127.0.0.1:{inside.port}", "allomia").account
    api: ApiClient = client_for(callers)
    answer = api.post(f"/api/v1/provider-accounts/{account.uuid}/check/").json()
    assert answer["ok"] is False
    assert "does not lead to a public address" in answer["message"]
    path = reverse("admin:providers_provideraccount_step", args=[account.pk, "check"])
    assert WORDS in sign_in(callers, "manager").post(path, follow=True).content.decode()
    assert inside.connections == 0

"""Status callbacks while the account's credentials cannot be read: none is used up for nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from calls.dialing import placing
from calls.following import status_callbacks
from calls.models import Polling, ProviderCallback, Status
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging
from tenants.models import Organization
from tests.calls.test_status_callbacks import ENDED, NUMBER, claimed, envelope, fresh, push, raw_of, signed
from tests.tenants.test_unreadable_secrets import keys_lost


@pytest.mark.parametrize("body", [ENDED, b"nonsense"], ids=["a hint", "nothing readable"])
def test_what_asks_for_a_read_waits_until_one_can_be_sent(callers: Organization, settings: Any, body: Any) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=ENDED["outboundCallId"]))
    later = timezone.now() + timedelta(hours=1)
    Polling.objects.update(next_read_at=later)
    with keys_lost(settings):
        assert push(claim, body) == 200
        row = ProviderCallback.objects.get()
        assert (row.processed_at, row.attempts, fresh(claim).next_read_at) == (None, 0, later)
        assert status_callbacks.pending() == [], "it is tried again and again"
    after(timedelta(minutes=2))
    due = fresh(claim).next_read_at
    assert due is not None
    assert due < later


@pytest.mark.parametrize(
    ("secret", "status"), [("whsec_sandbox", Status.NO_ANSWER), ("another", Status.DIALING)], ids=["right", "wrong"]
)
def test_a_signature_is_checked_once_its_secret_can_be_read(
    callers: Organization, settings: Any, secret: str, status: Status
) -> None:
    """By then the provider may have forgotten the call, so that no read can tell its outcome."""
    claim, body = claimed(callers, "callingbox"), envelope("no_answer", to_number=NUMBER)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=body["data"]["call"]["id"]))
    with keys_lost(settings):
        assert push(claim, body, signed(body, secret)) == 200
    after(timedelta(hours=5))
    assert fresh(claim).status == status
    assert ProviderCallback.objects.get().processed_at is not None


def test_a_signed_outcome_is_recorded_at_once(callers: Organization, settings: Any) -> None:
    """It was found signed while the secret could be read."""
    body = envelope("no_answer", to_number=NUMBER)
    proven = claimed(callers, "callingbox")
    placing.record(proven, MayBeRinging("?"))
    headers = signed(body)
    assert status_callbacks.receive("callingbox", proven.call.callback_token, headers, raw_of(body)) == 200
    with keys_lost(settings):
        for pk in status_callbacks.pending():
            status_callbacks.process(pk)
        assert fresh(proven).status == Status.NO_ANSWER


def test_the_only_record_of_a_call_is_recorded_at_once(callers: Organization, settings: Any) -> None:
    claim = claimed(callers, "plumvoice")
    placing.record(claim, MayBeRinging("?"))
    events = [{"event": "connected", "timestamp": 1778500019}, {"event": "disconnected", "timestamp": 1778500061}]
    with keys_lost(settings):
        push(claim, {"status": "completed", "attempts": "1", "max_attempts": "1", "duration": 42, "events": events})
        assert fresh(claim).status == Status.COMPLETED


def after(wait: timedelta) -> None:
    """Process what is due after this time."""
    with time_machine.travel(timezone.now() + wait, tick=False):
        for pk in status_callbacks.pending():
            status_callbacks.process(pk)

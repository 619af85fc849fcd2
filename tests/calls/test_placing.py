"""Rules of claiming and placing that the deliberate bugs of tests/mutants break."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone

from calls.actions import campaigns, kill_switch, quiescing
from calls.deadlines import SEND_WITHIN
from calls.dialing import enqueueing, intents, placing
from calls.models import Call, CallEvent, Status, WebhookDelivery
from calls.outcomes import recording
from calls.webhooks import outbox
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Recipient
from providers.adapters import exchange
from providers.adapters.base import CallState, Reading, Request
from providers.adapters.errors import MayBeRinging, NotSent
from providers.adapters.http import Client
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.providers.wire import Behaviour, Wire, says
from tests.waiting import PATIENCE

NUMBER = "+12125550150"
NUMBERS = [f"+121255501{ending}" for ending in range(50, 58)]
DIALING = Reading(CallState.DIALING, provider_call_id="x1")
END = Reading(CallState.COMPLETED, provider_call_id="x1", provider_status="completed")

connection = connection  # named in the condition below
side_by_side = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


def running(number: PhoneNumber, numbers: list[str], **fields: Any) -> Campaign:
    """Return a running campaign with a due recipient for each number."""
    made = support.campaign(number, support.people(number.organization, numbers), **fields)
    Campaign.objects.filter(pk=made.pk).update(status=Campaign.Status.RUNNING, launched_at=timezone.now())
    for contact in number.organization.contacts.filter(phone__in=numbers):
        Recipient.objects.create(campaign=made, contact=contact, next_attempt_at=timezone.now())
    made.refresh_from_db()
    return made


def open_the_day_after_tomorrow_only(made: Campaign) -> None:
    day = (timezone.now().astimezone(ZoneInfo("America/New_York")) + timedelta(days=2)).weekday()
    made.windows.update(days=[support.EVERY_DAY[day]])


def in_a_claim(number: PhoneNumber, made: Campaign | None = None) -> placing.Claim:
    if made:
        enqueueing.feed(made.pk)
    else:
        support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    return claim


# The window and do-not-call, at enqueueing and at placing.


def test_a_call_queued_before_the_window_closed_is_not_placed_after(number: PhoneNumber) -> None:
    made = running(number, [NUMBER])
    assert enqueueing.feed(made.pk) == 1
    open_the_day_after_tomorrow_only(made)
    assert placing.claim(number.account_id) == []
    call = made.calls.get()
    assert (call.status, call.status_reason) == (Status.QUEUED, "calling_hours")
    assert call.due_at is not None and call.due_at > timezone.now() + timedelta(hours=20)


def test_a_call_queued_before_the_number_was_listed_is_not_placed_after(number: PhoneNumber) -> None:
    made = running(number, [NUMBER])
    assert enqueueing.feed(made.pk) == 1
    entries.add(number.organization, NUMBER, source="test")
    assert placing.claim(number.account_id) == []
    call = made.calls.get()
    assert (call.status, call.status_reason) == (Status.CANCELED, "do_not_call")


def test_a_claim_is_an_attempt(number: PhoneNumber) -> None:
    made = running(number, [NUMBER])
    in_a_claim(number, made)
    assert made.recipients.get().attempts == 1


def test_a_single_call_is_not_placed_once_its_hours_are_over(number: PhoneNumber, monkeypatch: Any) -> None:
    call = support.single(number, NUMBER)
    Organization.objects.update(single_call_hours=Organization.SingleCallHours.LEGAL)
    night = timezone.now().astimezone(ZoneInfo("America/New_York")).replace(hour=3, minute=0)
    Call.objects.update(due_at=night - timedelta(hours=1), created_at=night - timedelta(hours=1))
    monkeypatch.setattr("calls.dialing.placing.timezone.now", lambda: night)
    assert placing.claim(number.account_id) == []
    call.refresh_from_db()
    assert (call.status, call.status_reason) == (Status.QUEUED, "calling_hours")


def test_nobody_is_queued_outside_the_window(number: PhoneNumber) -> None:
    made = running(number, [NUMBER])
    open_the_day_after_tomorrow_only(made)
    enqueueing.feed(made.pk)
    assert not made.calls.exists()
    recipient = made.recipients.get()
    assert (recipient.status, recipient.reason) == (Recipient.Status.PENDING, "calling_hours")
    assert recipient.next_attempt_at is not None and recipient.next_attempt_at > timezone.now() + timedelta(hours=20)


# Limits within one batch.


def test_one_batch_does_not_spend_the_budget_twice(number: PhoneNumber) -> None:
    number.account.price_per_minute = Decimal("0.10")
    number.account.save()
    made = running(number, NUMBERS, budget=Decimal("0.70"))  # each call reserves 0.30
    enqueueing.feed(made.pk)
    assert made.calls.queued().count() == len(NUMBERS)
    assert len(placing.claim(number.account_id)) == 2
    assert set(made.calls.queued().values_list("status_reason", flat=True)) == {"budget"}
    made.calls.queued().update(due_at=timezone.now())
    assert placing.claim(number.account_id) == []


@pytest.mark.parametrize("whose", ["caller number", "campaign"])
def test_one_batch_keeps_the_limits_of_open_calls(number: PhoneNumber, whose: str) -> None:
    made = running(number, NUMBERS)
    enqueueing.feed(made.pk)
    assert made.calls.queued().count() == len(NUMBERS)
    limited: Any = PhoneNumber if whose == "caller number" else Campaign
    limited.objects.update(max_open_calls=3)
    assert len(placing.claim(number.account_id)) == 3
    made.calls.queued().update(due_at=timezone.now())
    assert placing.claim(number.account_id) == []


# Responses, and what is stored with them.


def test_the_late_success_of_an_earlier_claim_does_not_touch_a_later_one(number: PhoneNumber) -> None:
    first = in_a_claim(number)
    placing.record(first, NotSent("refused"))
    Call.objects.update(due_at=timezone.now())
    (second,) = placing.claim(number.account_id)
    placing.record(first, DIALING)
    call = Call.objects.get()
    assert (call.status, call.provider_call_id, call.placing_attempts) == (Status.PLACING, "", second.fence)
    assert "x1" in call.events.get(type="late_answer").detail


def test_an_end_whose_outbox_row_cannot_be_written_is_not_stored(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = in_a_claim(number)
    Call.objects.update(callback_url="https://example.org/x")
    placing.record(claim, DIALING)

    def fail(_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "add_callbacks", fail)
        with pytest.raises(RuntimeError):
            recording.record(claim.call.pk, END, CallEvent.Source.READ)
    assert Call.objects.get().status == Status.DIALING
    recording.record(claim.call.pk, END, CallEvent.Source.READ)
    assert Call.objects.get().status == Status.COMPLETED
    assert WebhookDelivery.objects.count() == 1


def test_a_placing_tries_to_connect_once() -> None:
    def answer_in_clear(_: Wire, conn: socket.socket) -> bool:
        conn.sendall(b"HTTP/1.1 400 No\r\n\r\n")
        return False

    async def place(url: str) -> None:
        async with Client(deadline=PATIENCE, connect=PATIENCE) as client:
            await client.place(Request("POST", url, json={}))

    with Wire() as wire:
        wire.play(Behaviour("answers TLS with text", answer_in_clear))
        with pytest.raises(NotSent):
            asyncio.run(place(f"https://127.0.0.1:{wire.port}/"))
        assert wire.connections == 1


# Silence.


def test_the_time_a_claim_takes_counts_among_its_seconds(number: PhoneNumber, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for silence counts from the moment stored in the claim, however long its commit takes."""
    support.single(number, NUMBER)
    passed = [1000.0]
    real = intents.commit

    def slow(*args: Any) -> Any:
        passed.append(passed[-1] + 60)
        return real(*args)

    monkeypatch.setattr(placing, "time", SimpleNamespace(monotonic=lambda: passed[-1]))
    monkeypatch.setattr("calls.dialing.placing.commit", slow)
    (claim,) = placing.claim(number.account_id)
    answer = asyncio.run(placing.send(None, claim))  # type: ignore[arg-type]  # no client: nothing may be sent
    assert isinstance(answer, placing.Overslept)


@pytest.mark.parametrize(("begins", "blames"), [(0.1, True), (SEND_WITHIN - 0.1, False)], ids=["at once", "late"])
def test_the_time_to_connect_counts_among_its_seconds(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, begins: float, blames: bool
) -> None:
    """A pause was answered meanwhile. The account is to blame if connecting took most of the time."""
    support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    now = claim.committed + begins
    for module in (placing, exchange):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    real = exchange.Exchange._connected

    async def slowly(*args: Any) -> Any:
        nonlocal now
        connected = await real(*args)
        now = claim.committed + SEND_WITHIN + 0.1
        return connected

    monkeypatch.setattr(exchange.Exchange, "_connected", slowly)

    async def send(url: str) -> Any:
        adapter = SimpleNamespace(place=lambda order: Request("POST", url, json={}), read_placing=lambda answer: answer)
        async with Client(deadline=PATIENCE, connect=PATIENCE) as client:
            return await placing.send(client, replace(claim, adapter=adapter))  # type: ignore[arg-type]

    with Wire() as wire:
        wire.play(says("answers", b"HTTP/1.1 201 OK\r\ncontent-length: 0\r\n\r\n"))
        answer = asyncio.run(send(wire.url))
    assert wire.requests == []
    assert isinstance(answer, NotSent)
    assert isinstance(answer, placing.Overslept) is not blames


@pytest.mark.parametrize("switch", ["pause", "cancel", "kill switch", "do not call", "do not call many"])
def test_what_must_be_silent_waits_for_the_claim_it_met(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    made = running(number, [NUMBER])
    claim = in_a_claim(number, made)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            placing.record(claim, MayBeRinging("?"))

    monkeypatch.setattr("calls.actions.quiescing.time.sleep", wait)
    entry, _ = entries.add(number.organization, NUMBER, source="test")
    act: dict[str, Callable[[], object]] = {
        "pause": lambda: campaigns.pause(made, actor="test"),
        "cancel": lambda: campaigns.cancel(made, actor="test"),
        "kill switch": lambda: kill_switch.stop_all_calls(number.organization, actor="test"),
        "do not call": lambda: quiescing.silence_number(entry),
        "do not call many": lambda: quiescing.silence_numbers(number.organization_id, [NUMBER, "+33612345679"]),
    }
    act[switch]()
    assert len(waits) == 3
    assert Call.objects.get().status == Status.UNCONFIRMED


# Two at once, on PostgreSQL.


@side_by_side
def test_a_pause_that_answers_before_the_claims_locks_is_seen(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = running(number, [NUMBER])
    enqueueing.feed(made.pk)
    with held(monkeypatch, placing, "_lock_contacts", after=False) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE), "it has its candidates, and no locks on campaigns and contacts yet"
        campaigns.pause(made, actor="test")
        go_on.set()
        assert claiming.join() == []
    assert made.calls.get().status == Status.QUEUED


@side_by_side
def test_capacity_is_counted_under_the_accounts_lock(number: PhoneNumber, monkeypatch: pytest.MonkeyPatch) -> None:
    number.account.max_open_calls = 3
    number.account.save()
    for to in NUMBERS:
        support.single(number, to)
    with held(monkeypatch, placing, "_lock_account", after=True) as (reached, go_on):
        first = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE), "it has the lock"
        second = Beside(lambda: placing.claim(number.account_id))
        assert second.waits_for_a_lock(), "the other claim must wait for the lock"
        go_on.set()
        assert (len(first.join()), len(second.join())) == (3, 0)
    assert Call.objects.open().count() == 3

"""Outcomes: fences, frozen ends, staff decisions, and their effects on recipient and account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from calls.actions import campaigns
from calls.dialing import intents, placing
from calls.following import polling, reconciling
from calls.models import Call, CallEvent, Polling, Status, WebhookDelivery
from calls.outcomes import placement_results, recording, staff_decisions
from campaigns.models import Campaign, Recipient
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, Rejected
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

NUMBER = "+12125550150"
END = Reading(CallState.COMPLETED, provider_call_id="x1", provider_status="completed", duration_seconds=60)


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


@pytest.fixture
def recipient(number: PhoneNumber) -> Recipient:
    made = support.campaign(number, support.people(number.organization, [NUMBER]), retries=3)
    made.status = Campaign.Status.RUNNING
    made.save()
    return Recipient.objects.create(
        campaign=made, contact=made.organization.contacts.get(phone=NUMBER), status=Recipient.Status.CALLING
    )


def claimed(number: PhoneNumber, recipient: Recipient | None = None, **fields: Any) -> placing.Claim:
    extra = {"recipient": recipient, "campaign": recipient.campaign} if recipient else {}
    support.single(number, NUMBER, **extra, **fields)
    (found,) = placing.claim(number.account_id)
    return found


def fresh(claim: placing.Claim) -> Call:
    return Call.objects.get(pk=claim.call.pk)


def test_a_claim_commits_the_intent_before_anything_is_sent(number: PhoneNumber) -> None:
    call = fresh(claimed(number))
    assert (call.status, call.placing_attempts) == (Status.PLACING, 1)
    assert call.lease_until is not None
    assert call.decision["decision"] == "allow"
    assert placing.claim(number.account_id) == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Reading(CallState.DIALING, provider_call_id="x1"), Status.DIALING),
        (Reading(CallState.QUEUED, provider_call_id="x1"), Status.PLACED),
        (NotSent("refused"), Status.QUEUED),
        (NotSent("slow down", status=429, retry_after=30), Status.QUEUED),
        (Misconfigured("Invalid or missing API key", status=401), Status.QUEUED),
        (Rejected("phoneNumber too short", status=400), Status.FAILED),
        (MayBeRinging("The provider did not answer in time."), Status.UNCONFIRMED),
    ],
)
def test_every_class_of_answer_meets_its_fate(number: PhoneNumber, answer: Any, status: str) -> None:
    claim = claimed(number)
    placing.record(claim, answer)
    call = fresh(claim)
    assert call.status == status
    assert (call.dialed_at is None) == (status in (Status.QUEUED, Status.FAILED)), (
        "only a call that may ring counts as dialled"
    )


def test_an_answer_of_an_earlier_claim_does_not_touch_a_later_one(number: PhoneNumber) -> None:
    first = claimed(number)
    placing.record(first, NotSent("refused"))
    Call.objects.update(due_at=timezone.now())
    (second,) = placing.claim(number.account_id)
    for late in (NotSent("refused"), Rejected("no"), MayBeRinging("?"), Misconfigured("key")):
        placing.record(first, late)
        assert fresh(second).status == Status.PLACING
    assert fresh(second).events.filter(type="late_answer").count() == 4


def test_the_reaper_makes_a_silent_claim_a_doubt_and_the_slow_answer_still_counts(
    number: PhoneNumber, recipient: Recipient
) -> None:
    claim = claimed(number, recipient)
    later = timezone.now() + intents.LEASE + timedelta(seconds=1)
    assert placement_results.reap(timezone.now()) == 0
    assert placement_results.reap(later) == 1
    assert fresh(claim).status == Status.UNCONFIRMED
    recipient.refresh_from_db()
    assert recipient.status == Recipient.Status.REVIEW
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    assert fresh(claim).status == Status.DIALING
    recipient.refresh_from_db()
    assert recipient.status == Recipient.Status.CALLING


@pytest.mark.parametrize("ending", ["an answer", "silence"])
def test_a_campaign_waits_for_a_worker_that_may_still_learn_that_nothing_was_sent(
    number: PhoneNumber, recipient: Recipient, time_machine: Any, ending: str
) -> None:
    """Else its last call would be queued again in a finished campaign, and the person never called."""
    claim, campaign = claimed(number, recipient), recipient.campaign
    Campaign.objects.update(launched_at=timezone.now())
    time_machine.move_to(timezone.now() + intents.LEASE + timedelta(seconds=1), tick=False)
    assert placement_results.reap(timezone.now()) == 1
    time_machine.shift(intents.LEASE - timedelta(seconds=5))
    assert campaigns.finish_where_done() == 0
    placing.record(claim, placing.Overslept("held up"))
    Call.objects.update(due_at=timezone.now())
    assert campaigns.finish_where_done() == 0
    [again] = placing.claim(number.account_id)
    if ending == "an answer":  # it left a doubt, and no other answer comes
        placing.record(again, MayBeRinging("?"))
    else:
        time_machine.shift(intents.LEASE + timedelta(seconds=1))
        placement_results.reap(timezone.now())
        assert campaigns.finish_where_done() == 0
        time_machine.shift(intents.LEASE + timedelta(seconds=1))
    assert campaigns.finish_where_done() == 1
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.FINISHED


def test_a_process_held_up_after_its_claim_sends_nothing(number: PhoneNumber, monkeypatch: Any) -> None:
    import asyncio
    from dataclasses import replace

    claim = replace(claimed(number), committed=-1000.0)
    answer = asyncio.run(placing.send(None, claim))  # type: ignore[arg-type]  # no client: nothing may be sent
    assert isinstance(answer, placing.Overslept)
    placing.record(claim, answer)
    assert fresh(claim).status == Status.QUEUED
    number.account.refresh_from_db()
    assert number.account.failures_in_a_row == 0


def test_what_never_left_counts_neither_as_an_attempt_nor_for_the_gap(
    number: PhoneNumber, recipient: Recipient
) -> None:
    claim = claimed(number, recipient)
    recipient.refresh_from_db()
    assert recipient.attempts == 1
    placing.record(claim, NotSent("refused"))
    recipient.refresh_from_db()
    assert recipient.attempts == 0
    assert fresh(claim).dialed_at is None


def test_requests_that_never_leave_block_the_account_for_a_while(number: PhoneNumber) -> None:
    for _ in range(5):
        Call.objects.all().delete()
        placing.record(claimed(number), NotSent("No connection to the provider could be made; nothing was sent."))
    number.account.refresh_from_db()
    assert number.account.blocked_code == "unreachable"
    assert number.account.blocked_until is not None
    assert placing.claim(number.account_id) == []


def test_more_doubts_than_the_account_allows_block_it_until_they_are_settled(number: PhoneNumber) -> None:
    number.account.max_unconfirmed = 0
    number.account.save()
    claim = claimed(number)
    placing.record(claim, MayBeRinging("?"))
    number.account.refresh_from_db()
    assert number.account.blocked_code == "unconfirmed"
    staff_decisions.release(claim.call.pk, actor="staff", reason="The provider's log has no such call.")
    number.account.refresh_from_db()
    assert number.account.blocked_at is None


def test_an_end_moves_the_recipient_settles_the_cost_and_fills_the_outbox(
    number: PhoneNumber, recipient: Recipient
) -> None:
    number.account.price_per_minute = "0.30"
    number.account.save()
    claim = claimed(number, recipient, callback_url="https://example.org/x")
    assert fresh(claim).cost_reserved > 0
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    for _ in range(2):
        recording.record(claim.call.pk, END, CallEvent.Source.READ)
    call = fresh(claim)
    assert (call.status, call.cost) == (Status.COMPLETED, support.usd("0.30"))
    assert not call.cost_reserved
    recipient.refresh_from_db()
    assert (recipient.status, recipient.outcome) == (Recipient.Status.DONE, "completed")
    assert WebhookDelivery.objects.filter(call=call).count() == 1


def test_no_answer_with_a_rule_waits_for_another_call_and_without_one_is_done(
    number: PhoneNumber, recipient: Recipient
) -> None:
    for attempt, expected in ((1, "waiting"), (2, "waiting"), (3, "done")):
        claim = claimed(number, recipient)
        placing.record(claim, Reading(CallState.DIALING, provider_call_id=f"x{attempt}"))
        recording.record(claim.call.pk, Reading(CallState.NO_ANSWER), CallEvent.Source.READ)
        recipient.refresh_from_db()
        assert (recipient.status, recipient.attempts) == (expected, attempt)


def test_a_late_different_end_is_kept_as_an_event_and_changes_nothing(number: PhoneNumber) -> None:
    claim = claimed(number)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    recording.record(claim.call.pk, END, CallEvent.Source.READ)
    recording.record(claim.call.pk, Reading(CallState.FAILED, provider_call_id="x1"), CallEvent.Source.CALLBACK)
    call = fresh(claim)
    assert call.status == Status.COMPLETED
    assert call.events.filter(type="conflict").count() == 1


def test_an_unheard_of_word_is_kept_once_and_ends_nothing(number: PhoneNumber) -> None:
    claim = claimed(number)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    for _ in range(3):
        seen = Reading(CallState.UNRECOGNISED, provider_status="transmogrified")
        recording.record(claim.call.pk, seen, CallEvent.Source.READ)
    assert fresh(claim).status == Status.DIALING
    assert fresh(claim).events.filter(type="unrecognised").count() == 1


# The database itself.


def test_the_database_refuses_to_change_an_end(number: PhoneNumber) -> None:
    claim = claimed(number)
    placing.record(claim, Rejected("no"))
    for status in (Status.QUEUED, Status.COMPLETED, Status.UNKNOWN):
        with pytest.raises(DatabaseError, match="the end of a call does not change"), transaction.atomic():
            Call.objects.filter(pk=claim.call.pk).update(status=status, due_at=timezone.now())
    assert fresh(claim).status == Status.FAILED


@pytest.mark.parametrize("lost", [Status.EXPIRED, Status.UNKNOWN])
def test_an_end_for_want_of_evidence_gives_way_to_a_real_one_once(number: PhoneNumber, lost: Status) -> None:
    claim = claimed(number)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    recording.give_up(claim.call.pk, lost, "forgotten")
    with pytest.raises(DatabaseError), transaction.atomic():
        Call.objects.update(status=Status.QUEUED, due_at=timezone.now())
    recording.record(claim.call.pk, END, CallEvent.Source.CALLBACK)
    assert fresh(claim).status == Status.COMPLETED
    with pytest.raises(DatabaseError), transaction.atomic():
        Call.objects.update(status=lost)


def test_the_database_allows_one_open_call_to_a_number(number: PhoneNumber) -> None:
    claim = claimed(number)
    other = support.single(number, NUMBER)
    assert placing.claim(number.account_id) == []
    other.refresh_from_db()
    assert (other.status, other.status_reason) == (Status.QUEUED, "open_call")
    with pytest.raises(DatabaseError, match=r"one_open_call_per_number|UNIQUE"), transaction.atomic():
        Call.objects.filter(pk=other.pk).update(status=Status.PLACING, lease_until=timezone.now())
    assert fresh(claim).status == Status.PLACING


@pytest.mark.parametrize(
    "stuck",
    [
        {"status": Status.QUEUED, "due_at": None},
        {"status": Status.PLACING, "lease_until": None},
        {"status": Status.UNCONFIRMED, "polling": None},
        {"status": Status.RINGING, "polling": None},
    ],
)
def test_the_database_allows_no_live_call_that_nobody_will_look_at(number: PhoneNumber, stuck: dict[str, Any]) -> None:
    call = support.single(number, NUMBER)
    with pytest.raises(DatabaseError, match=r"somebody_looks_again|CHECK"), transaction.atomic():
        Call.objects.filter(pk=call.pk).update(**stuck)


def test_the_trigger_is_there_after_migrate(transactional_db: None) -> None:
    catalogue = {
        "postgresql": "SELECT count(*) FROM pg_trigger WHERE tgname = 'calls_freeze_end'",
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = 'calls_freeze_end'",
    }
    with connection.cursor() as cursor:
        cursor.execute(catalogue[connection.vendor])
        assert cursor.fetchone() == (1,)


# Staff decisions.


def test_staff_release_ends_the_call_and_gives_the_recipient_back(number: PhoneNumber, recipient: Recipient) -> None:
    claim = claimed(number, recipient)
    placing.record(claim, MayBeRinging("?"))
    with pytest.raises(staff_decisions.DecisionRefused, match="how you know"):
        staff_decisions.release(claim.call.pk, actor="staff", reason=" ")
    staff_decisions.release(claim.call.pk, actor="staff", reason="Not in the provider's log.")
    call = fresh(claim)
    assert (call.status, call.ended_reason, call.dialed_at) == (Status.CANCELED, "released_by_staff", None)
    recipient.refresh_from_db()
    assert (recipient.status, recipient.attempts) == (Recipient.Status.WAITING, 0)


def test_evidence_after_a_release_is_kept_and_does_not_reopen_it(number: PhoneNumber) -> None:
    claim = claimed(number)
    placing.record(claim, MayBeRinging("?"))
    staff_decisions.release(claim.call.pk, actor="staff", reason="Not in the log.")
    recording.record(claim.call.pk, END, CallEvent.Source.CALLBACK)
    call = fresh(claim)
    assert call.status == Status.CANCELED
    assert call.events.filter(type="conflict").exists()


@pytest.mark.parametrize("unknown", [False, True])
def test_staff_can_name_the_providers_id_of_a_doubtful_call(number: PhoneNumber, unknown: bool) -> None:
    claim = claimed(number)
    placing.record(claim, MayBeRinging("?"))
    if unknown:
        recording.give_up(claim.call.pk, Status.UNKNOWN, "26 hours")
    with pytest.raises(staff_decisions.DecisionRefused):
        staff_decisions.confirm_placed(claim.call.pk, "", actor="staff", reason="")
    support.single(number, "+12125550151", provider_call_id="Call-4f2a")
    for taken in ("Call-4f2a", "CALL-4F2A", "{call-4f2a}"):
        with pytest.raises(staff_decisions.DecisionRefused, match="Another call"):
            staff_decisions.confirm_placed(claim.call.pk, taken, actor="staff", reason="")
    staff_decisions.confirm_placed(claim.call.pk, "x1", actor="staff", reason="Seen in the dashboard.")
    call = fresh(claim)
    assert (call.status, call.provider_call_id) == (Status.PLACED, "x1")
    recording.record(claim.call.pk, END, CallEvent.Source.READ)
    assert fresh(claim).status == Status.COMPLETED


# Following.


def read(call: Call) -> polling.DueRead:
    Polling.objects.filter(calls=call).update(next_read_at=timezone.now())
    (found,) = polling.claim()
    return found


def placed(number: PhoneNumber, **fields: Any) -> Call:
    claim = claimed(number)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    Call.objects.filter(pk=claim.call.pk).update(**fields)
    return fresh(claim)


def test_a_read_is_counted_and_leased_before_its_answer_is_parsed(number: PhoneNumber) -> None:
    call = placed(number)
    read(call)
    call.refresh_from_db()
    assert call.polling and call.polling.reads == 1
    assert call.next_read_at is not None
    assert call.next_read_at > timezone.now() + timedelta(seconds=60)
    assert polling.claim() == []


def test_a_failed_read_keeps_the_status_and_looks_again_later(number: PhoneNumber) -> None:
    call = placed(number)
    polling.record(read(call), MayBeRinging("502"), b"<html>")
    call.refresh_from_db()
    assert call.polling and (call.status, call.polling.read_errors) == (Status.DIALING, 1)
    assert call.next_read_at is not None


@pytest.mark.parametrize(
    ("provider", "age", "status"),
    [
        ("polyai", timedelta(seconds=30), Status.DIALING),  # not visible yet
        ("polyai", timedelta(hours=2, minutes=5), Status.EXPIRED),
        ("allomia", timedelta(hours=3), Status.DIALING),  # perhaps a wrong key: keep polling
        ("allomia", timedelta(hours=25), Status.UNKNOWN),
    ],
)
def test_a_call_the_provider_does_not_know_is_never_a_failed_one(
    callers: Organization, provider: str, age: timedelta, status: str
) -> None:
    call = placed(support.reach(callers, "http://127.0.0.1:9", provider), placed_at=timezone.now() - age)
    polling.record(read(call), NotFound("Outbound call not found", status=404), b"")
    call.refresh_from_db()
    assert call.status == status


def test_a_read_that_comes_after_the_end_does_not_keep_the_call_waiting(number: PhoneNumber) -> None:
    call = placed(number)
    reading = read(call)
    recording.record(call.pk, END, CallEvent.Source.CALLBACK)
    polling.record(reading, MayBeRinging("?"), b"")
    call.refresh_from_db()
    assert (call.status, call.next_read_at) == (Status.COMPLETED, None)


def test_a_result_that_is_still_awaited_is_asked_for_after_the_end(callers: Organization) -> None:
    call = placed(support.reach(callers, "http://127.0.0.1:9", "callingbox"))
    waiting = Reading(CallState.COMPLETED, provider_call_id="x1", result_status="pending", settled=False)
    recording.record(call.pk, waiting, CallEvent.Source.READ)
    call.refresh_from_db()
    assert call.status == Status.COMPLETED
    assert call.next_read_at is not None
    done = Reading(CallState.COMPLETED, provider_call_id="x1", result_status="completed", result={"confirmed": True})
    polling.record(read(call), done, b"")
    call.refresh_from_db()
    assert (call.result, call.result_status) == ({"confirmed": True}, "completed")
    assert call.next_read_at is None


def test_a_doubt_without_any_way_to_look_ends_as_unknown_after_26_hours(number: PhoneNumber) -> None:
    claim = claimed(number)
    placing.record(claim, MayBeRinging("?"))
    assert reconciling.claim() == {}
    assert fresh(claim).status == Status.UNCONFIRMED
    Call.objects.update(dialed_at=timezone.now() - timedelta(hours=27))
    Polling.objects.update(next_read_at=timezone.now())
    reconciling.claim()
    assert fresh(claim).status == Status.UNKNOWN


def test_a_late_report_of_the_way_does_not_end_the_wait_for_a_result(callers: Organization) -> None:
    call = placed(support.reach(callers, "http://127.0.0.1:9", "callingbox"))
    waiting = Reading(CallState.COMPLETED, provider_call_id="x1", result_status="pending", settled=False)
    recording.record(call.pk, waiting, CallEvent.Source.READ)
    recording.record(call.pk, Reading(CallState.RINGING, provider_call_id="x1"), CallEvent.Source.CALLBACK)
    call.refresh_from_db()
    assert call.next_read_at is not None


@pytest.mark.time_machine(datetime(2027, 6, 7, 15, 0, tzinfo=UTC), tick=False)  # a Monday, 11 in New York
def test_a_retry_at_another_time_of_day_keeps_the_windows_of_the_person(
    number: PhoneNumber, recipient: Recipient, time_machine: Any
) -> None:
    campaign = recipient.campaign
    campaign.windows.update(opens=9 * 60, closes=18 * 60)
    campaign.retry_rules.update(wait_minutes=15, multiplier=2, max_wait_minutes=20, other_time_of_day=True)
    claim = claimed(number, recipient)
    placing.record(claim, Reading(CallState.BUSY, provider_call_id="x1"))
    recipient.refresh_from_db()
    noon = datetime(2027, 6, 7, 16, 0, tzinfo=UTC)
    assert recipient.next_attempt_at is not None
    assert noon <= recipient.next_attempt_at < noon + timedelta(hours=1)

    # Called in the afternoon, with no evening or morning left before the end: the wait alone counts.
    time_machine.move_to(noon + timedelta(hours=2), tick=False)
    Campaign.objects.update(ends_at=noon + timedelta(hours=4))
    recipient.campaign.refresh_from_db()
    claim = claimed(number, recipient)
    placing.record(claim, Reading(CallState.BUSY, provider_call_id="x2"))
    recipient.refresh_from_db()
    assert recipient.next_attempt_at == noon + timedelta(hours=2, minutes=20)


@pytest.mark.parametrize("state", [CallState.QUEUED, CallState.IN_PROGRESS, CallState.COMPLETED, CallState.NO_ANSWER])
def test_a_released_call_that_was_placed_after_all_is_not_followed_by_another_at_once(
    callers: Organization, state: CallState
) -> None:
    """A team member was mistaken: the provider has the call. Its contact is on the phone, or was a moment ago."""
    line = support.reach(callers, "http://127.0.0.1:9", "callingbox", longest_call_minutes=90)
    contacts = support.people(callers, ["+12125550101"])
    made = support.campaign(line, contacts, retries=3, status="running")
    made.retry_rules.filter(outcome="no_answer").update(wait_minutes=120)
    contact = callers.contacts.get()
    recipient = Recipient.objects.create(campaign=made, contact=contact, status="calling")
    call = support.single(line, contact.phone, contact=contact, campaign=made, recipient=recipient, priority=0)
    (claim,) = placing.claim(line.account_id)
    placing.record(claim, MayBeRinging("?"))
    staff_decisions.release(call.pk, actor="ann", reason="Not in the log.")
    found, begun = Reading(state, provider_call_id="x9", reference=call.reference), timezone.now()
    for _ in range(2):  # telling it again changes nothing
        recording.record(call.pk, found, CallEvent.Source.CALLBACK)
        call.refresh_from_db()
        recipient.refresh_from_db()
        assert (call.status, recipient.attempts) == (Status.CANCELED, 1)
        assert call.dialed_at is not None and call.dialed_at >= begun, "it counts for gaps and caps"
        assert call.events.filter(type="placed_after_all").count() == 1
        if state is CallState.COMPLETED:
            assert (recipient.status, recipient.outcome) == ("done", "completed")
        else:
            wait = timedelta(minutes=120 if state is CallState.NO_ANSWER else 90)
            assert recipient.status == "waiting" and recipient.next_attempt_at is not None
            assert wait <= recipient.next_attempt_at - begun < wait + timedelta(minutes=15)

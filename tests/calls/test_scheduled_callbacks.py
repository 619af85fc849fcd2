"""Scheduled callbacks: kept in time, or reported as missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from calls.actions import campaigns, scheduled_callbacks
from calls.dialing import enqueueing, intents, placing
from calls.gate.checks import CheckName
from calls.gate.decision import Decision
from calls.models import Call, CallBack, Status
from calls.outcomes import recording
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, Rejected
from providers.models import PhoneNumber
from tenants.models import Alert, AuditEntry, Organization
from tests.calls import support
from tests.conftest import ApiClient
from tests.waiting import eventually

NUMBER = "+12125550150"
R, B = Recipient.Status, CallBack.Status
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def promised(recipient: Recipient, ago: timedelta = MINUTE, **fields: Any) -> CallBack:
    """Return a scheduled callback that became due `ago`."""
    found = scheduled_callbacks.schedule(recipient, timezone.now() + HOUR, actor="ada", **fields)
    CallBack.objects.filter(pk=found.pk).update(
        due_at=timezone.now() - ago, latest_at=timezone.now() - ago + (found.latest_at - found.due_at)
    )
    found.refresh_from_db()
    return found


def expire(found: CallBack) -> None:
    now = timezone.now()
    CallBack.objects.filter(pk=found.pk).update(due_at=now - 2 * HOUR, latest_at=now - HOUR)
    Call.objects.queued().update(not_after=now - HOUR)


def kept_or_missed(found: CallBack) -> tuple[str, str]:
    scheduled_callbacks.settle(timezone.now())
    found.refresh_from_db()
    return found.status, found.reason


# The promise.


def test_a_promise_sets_the_recipient_aside(program: ApiClient, recipient: Recipient) -> None:
    when = timezone.now().replace(microsecond=0) + HOUR
    body = {"at": when.isoformat(), "note": "After work", "tolerance_minutes": 10}
    answer = program.post(support.address_of(recipient, "call-back"), body)
    assert answer.status_code == 201, answer.content
    found = answer.json()
    expected = {"status": "due", "note": "After work", "phone": NUMBER, "call": None, "reason": "", "ended_at": None}
    assert found | expected == found
    assert datetime.fromisoformat(found["latest_at"]) == when + 10 * MINUTE
    assert enqueueing.feed(recipient.campaign_id) == 0, "no call before the promised time"
    assert campaigns.finish_where_done() == 0
    second = program.post(support.address_of(recipient, "call-back"), body)
    assert second.status_code == 409 and "cancel that one first" in second.json()["error"]
    [listed] = program.get("/api/v1/call-backs/?status=due").json()["results"]
    assert listed == found == program.get(f"/api/v1/call-backs/{found['id']}/").json()
    for query in (f"contact={recipient.contact.uuid}", f"campaign={recipient.campaign.uuid}"):
        assert len(program.get(f"/api/v1/call-backs/?{query}").json()["results"]) == 1
    for moment, count in ((when, 0), (when + MINUTE, 1)):
        path = f"/api/v1/call-backs/?due_before={moment.isoformat().replace('+00:00', 'Z')}"
        assert len(program.get(path).json()["results"]) == count
    assert AuditEntry.objects.get(action="call_back.promise").subject == found["id"]


def test_a_canceled_promise_gives_the_retry_back_its_time(program: ApiClient, recipient: Recipient) -> None:
    retry = timezone.now() + timedelta(hours=5)
    Recipient.objects.update(status=R.WAITING, attempts=1, next_attempt_at=retry)
    program.post(support.address_of(recipient, "call-back"), {"at": (timezone.now() + HOUR).isoformat()})
    assert program.post(support.address_of(recipient, "cancel-call-back")).json()["status"] == "canceled"
    recipient.refresh_from_db()
    assert (recipient.status, recipient.next_attempt_at) == (R.WAITING, retry)
    assert program.post(support.address_of(recipient, "cancel-call-back")).status_code == 409


def test_who_was_called_already_can_be_called_back(recipient: Recipient, number: PhoneNumber) -> None:
    Recipient.objects.update(status=R.DONE, attempts=1, outcome="completed", next_attempt_at=None)
    recipient.refresh_from_db()
    found = promised(recipient)
    assert campaigns.finish_where_done() == 0
    assert scheduled_callbacks.step(timezone.now()) == 1
    [claim] = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.RINGING, provider_call_id="x1"))
    assert kept_or_missed(found) == (B.KEPT, "")
    recording.record(claim.call.pk, Reading(CallState.COMPLETED), "read")
    assert campaigns.finish_where_done() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"at": "soon"}, 400),
        ({"at": "2099-01-01T00:00:00"}, 400),
        ({"at": "2099-01-01T00:00:00Z", "tolerance_minutes": 0}, 400),
        ({"at": "2099-01-01T00:00:00Z", "x": 1}, 400),
        ({"at": "2020-01-01T00:00:00Z"}, 422),
    ],
)
def test_a_wrong_promise_is_refused(
    program: ApiClient, recipient: Recipient, body: dict[str, Any], status: int
) -> None:
    assert program.post(support.address_of(recipient, "call-back"), body).status_code == status
    assert not CallBack.objects.exists()


def test_a_promise_no_rule_lets_be_kept_is_refused(program: ApiClient, recipient: Recipient) -> None:
    def codes(moment: datetime) -> list[str]:
        answer = program.post(support.address_of(recipient, "call-back"), {"at": moment.isoformat()})
        assert answer.status_code == 422, answer.content
        return [f"{fault['field']}:{fault['code']}" for fault in answer.json()["details"]]

    soon = timezone.now() + HOUR
    night = datetime.now(ZoneInfo("America/New_York")).replace(hour=3, minute=0) + timedelta(days=1)
    Campaign.objects.update(legal_override="")
    answer = program.post(support.address_of(recipient, "call-back"), {"at": night.isoformat()})
    assert (answer.status_code, answer.json()["details"][0]["code"]) == (422, "calling_hours")
    assert "; next allowed " in answer.json()["details"][0]["message"]
    Campaign.objects.update(legal_override="test", ends_at=soon)
    assert codes(soon + MINUTE) == ["at:too_late"]
    Campaign.objects.update(ends_at=None)
    Contact.objects.update(on_hold=True)
    assert codes(soon) == ["at:hold"]
    Contact.objects.update(on_hold=False)
    entries.add(recipient.campaign.organization, NUMBER, source="test")
    assert codes(soon) == ["at:do_not_call"]


@pytest.mark.parametrize("status", ["draft", "scheduled", "finished", "canceled"])
def test_a_campaign_that_does_not_run_promises_nothing(program: ApiClient, recipient: Recipient, status: str) -> None:
    Campaign.objects.update(status=status)
    body = {"at": (timezone.now() + HOUR).isoformat()}
    assert program.post(support.address_of(recipient, "call-back"), body).status_code == 409


# Kept.


def test_when_its_time_comes_it_goes_before_the_bulk_and_is_kept(recipient: Recipient, number: PhoneNumber) -> None:
    found = promised(recipient)
    assert [scheduled_callbacks.step(timezone.now()) for _ in range(2)] == [1, 0]
    call = Call.objects.get()
    found.refresh_from_db()
    assert (call.priority, call.asked_for, found.call) == (Call.PRIORITY_SCHEDULED_CALLBACK, True, call)
    assert (call.not_before, call.not_after) == (found.due_at, found.latest_at)
    assert (call.recipient, call.campaign, call.attempt) == (recipient, recipient.campaign, 1)
    [claim] = placing.claim(number.account_id)
    assert kept_or_missed(found)[0] == B.DUE, "the request is on its way"
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    assert kept_or_missed(found) == (B.KEPT, "")
    assert not Alert.objects.exists()


def test_who_waits_for_a_call_back_is_explained(program: ApiClient, recipient: Recipient) -> None:
    when = timezone.now().replace(microsecond=0) + HOUR
    program.post(support.address_of(recipient, "call-back"), {"at": when.isoformat()})
    found = program.get(support.address_of(recipient, "explain")).json()
    text = when.isoformat().replace("+00:00", "Z")
    assert (found["decision"], found["until"]) == ("defer", text)
    told = found["checks"][0]["detail"]
    assert told.startswith("A callback is scheduled for ")
    assert told.endswith(f"{when.astimezone(ZoneInfo('America/New_York')):%H:%M} America/New_York.")
    [idle] = program.get(f"/api/v1/campaigns/{recipient.campaign.uuid}/progress/").json()["idle_reasons"]
    assert (idle["code"], idle["count"], idle["until"]) == ("call_back", 1, text)


def test_it_is_not_called_before_its_time(recipient: Recipient) -> None:
    scheduled_callbacks.schedule(recipient, timezone.now() + HOUR, actor="ada")
    assert scheduled_callbacks.step(timezone.now()) == 0
    assert not Call.objects.exists()


def test_it_waits_for_the_call_under_way_and_then_takes_the_place_of_the_retry(
    recipient: Recipient, number: PhoneNumber
) -> None:
    enqueueing.feed(recipient.campaign_id)
    [claim] = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.RINGING, provider_call_id="x1"))
    recipient.refresh_from_db()
    found = promised(recipient)
    assert scheduled_callbacks.step(timezone.now()) == 0
    recording.record(claim.call.pk, Reading(CallState.BUSY), "read")
    recipient.refresh_from_db()
    assert recipient.status == R.WAITING and recipient.next_attempt_at
    assert scheduled_callbacks.step(timezone.now()) == 1
    found.refresh_from_db()
    assert found.call and found.call.attempt == 2
    assert enqueueing.feed(recipient.campaign_id) == 0


def test_a_queued_call_gives_way_to_the_promise(program: ApiClient, recipient: Recipient) -> None:
    enqueueing.feed(recipient.campaign_id)
    program.post(support.address_of(recipient, "call-back"), {"at": (timezone.now() + HOUR).isoformat()})
    assert Call.objects.get().ended_reason == "call_back"
    recipient.refresh_from_db()
    assert (recipient.status, recipient.next_attempt_at) == (R.WAITING, None)
    program.post(support.address_of(recipient, "cancel-call-back"))
    recipient.refresh_from_db()
    assert recipient.status == R.PENDING and recipient.next_attempt_at


# Missed.


def test_a_missed_one_is_told_once_and_the_campaign_goes_on_with_the_person(recipient: Recipient) -> None:
    found = promised(recipient)
    campaigns.pause(recipient.campaign, actor="ada")
    assert scheduled_callbacks.step(timezone.now()) == 0, "a paused campaign places no scheduled callbacks"
    expire(found)
    assert kept_or_missed(found) == (B.MISSED, "The campaign was paused.")
    kept_or_missed(found)
    alert = Alert.objects.get()
    assert (alert.key, alert.subject) == (f"call_back.missed:{found.uuid}", str(found.uuid))
    assert NUMBER in alert.message and "The campaign was paused." in alert.message
    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == (R.PENDING, "") and recipient.next_attempt_at


def test_a_missed_one_says_what_the_gate_said(recipient: Recipient, number: PhoneNumber) -> None:
    found = promised(recipient)
    scheduled_callbacks.step(timezone.now())
    call = Call.objects.get()
    open_call = CheckName.OPEN_CALL
    intents.defer([(call, Decision("defer", open_call, open_call.words, timezone.now() + HOUR))])
    expire(found)
    assert kept_or_missed(found) == (B.MISSED, "Another call to this number is open.")
    call.refresh_from_db()
    assert (call.status, call.ended_reason) == (Status.CANCELED, "too_late")
    recipient.refresh_from_db()
    assert recipient.status == R.PENDING


def test_a_number_listed_since_is_missed_with_the_reason(recipient: Recipient, number: PhoneNumber) -> None:
    found = promised(recipient)
    scheduled_callbacks.step(timezone.now())
    entries.add(number.organization, NUMBER, source="test")
    assert placing.claim(number.account_id) == []
    status, reason = kept_or_missed(found)
    assert status == B.MISSED and "do-not-call list" in reason


def test_one_the_provider_refused_is_missed(recipient: Recipient, number: PhoneNumber) -> None:
    found = promised(recipient)
    scheduled_callbacks.step(timezone.now())
    [claim] = placing.claim(number.account_id)
    placing.record(claim, Rejected("The number is not in service"))
    status, reason = kept_or_missed(found)
    assert status == B.MISSED and "not in service" in reason


def test_one_that_may_have_been_placed_is_not_called_kept(recipient: Recipient, number: PhoneNumber) -> None:
    found = promised(recipient)
    scheduled_callbacks.step(timezone.now())
    [claim] = placing.claim(number.account_id)
    placing.record(claim, MayBeRinging("?"))
    assert kept_or_missed(found)[0] == B.DUE
    expire(found)
    status, reason = kept_or_missed(found)
    assert status == B.MISSED and "unconfirmed" in reason


def test_canceling_its_call_cancels_it(recipient: Recipient, program: ApiClient) -> None:
    found = promised(recipient)
    scheduled_callbacks.step(timezone.now())
    assert program.post(f"/api/v1/calls/{Call.objects.get().uuid}/cancel/").status_code == 200
    assert kept_or_missed(found)[0] == B.CANCELED
    assert not Alert.objects.exists()


def test_a_canceled_campaign_calls_nobody_back(recipient: Recipient) -> None:
    found = promised(recipient)
    campaigns.cancel(recipient.campaign, actor="ada")
    assert kept_or_missed(found) == (B.CANCELED, "The campaign was canceled.")
    assert not Alert.objects.exists()


@pytest.mark.parametrize("queued", [True, False])
def test_one_can_be_canceled_until_the_person_is_called(
    recipient: Recipient, program: ApiClient, number: PhoneNumber, queued: bool
) -> None:
    promised(recipient)
    scheduled_callbacks.step(timezone.now())
    if queued:
        assert program.post(support.address_of(recipient, "cancel-call-back")).json()["status"] == "canceled"
        assert Call.objects.get().status == Status.CANCELED
        recipient.refresh_from_db()
        assert recipient.status == R.PENDING
    else:
        placing.claim(number.account_id)
        assert program.post(support.address_of(recipient, "cancel-call-back")).status_code == 409


def test_the_engine_keeps_a_promise_by_itself(callers: Organization, sandbox: Any) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    made = support.campaign(number, support.people(callers, [NUMBER]))
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    found = scheduled_callbacks.schedule(made.recipients.get(), timezone.now() + timedelta(seconds=2), actor="ada")
    with support.engine():
        eventually(lambda: CallBack.objects.filter(pk=found.pk, status=B.KEPT).exists())
        eventually(lambda: support.no_call_is_open(made))
    [dial] = sandbox.journal()
    assert dial["to_number"] == NUMBER
    call = Call.objects.get()
    assert call.asked_for and call.dialed_at and call.dialed_at >= found.due_at

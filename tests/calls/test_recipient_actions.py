"""Withdraw and hold: after the response no call to the contact is placed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from calls.actions import campaigns, recipients
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.models import Call, CallBack, Status
from calls.outcomes import recording
from campaigns.models import Contact, Recipient
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import NotSent
from providers.models import PhoneNumber
from tenants.models import AuditEntry
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.conftest import ApiClient
from tests.waiting import PATIENCE

connection = connection  # named in conditions below
NUMBER = "+12125550150"
R = Recipient.Status
only_side_by_side = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")


def test_a_withdrawn_person_is_not_called_any_more(program: ApiClient, recipient: Recipient) -> None:
    enqueueing.feed(recipient.campaign_id)
    queued = Call.objects.get()
    for _ in range(2):
        answer = program.post(support.address_of(recipient, "withdraw"))
        assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn"), answer.content
    queued.refresh_from_db()
    assert (queued.status, queued.ended_reason) == (Status.CANCELED, "withdrawn")
    recipient.refresh_from_db()
    assert recipient.status == R.WITHDRAWN
    assert enqueueing.feed(recipient.campaign_id) == 0
    assert campaigns.finish_where_done() == 1
    entry = AuditEntry.objects.get(action="recipient.withdraw")
    assert (entry.subject, entry.actor[:4]) == (str(recipient.uuid), "key ")


def test_an_open_call_of_who_is_withdrawn_is_followed_to_its_end(
    program: ApiClient, recipient: Recipient, number: PhoneNumber
) -> None:
    enqueueing.feed(recipient.campaign_id)
    [claim] = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.RINGING, provider_call_id="x1"))
    assert program.post(support.address_of(recipient, "withdraw")).status_code == 200
    recording.record(claim.call.pk, Reading(CallState.NO_ANSWER), "read")
    assert Call.objects.get().status == Status.NO_ANSWER
    recipient.refresh_from_db()
    assert (recipient.status, recipient.next_attempt_at) == (R.WITHDRAWN, None)


def test_a_request_that_was_not_sent_is_not_sent_after_the_withdrawal(
    program: ApiClient, recipient: Recipient, number: PhoneNumber
) -> None:
    """The response arrives so late that the withdrawal no longer waits for it."""
    enqueueing.feed(recipient.campaign_id)
    [claim] = placing.claim(number.account_id)
    Call.objects.update(dialed_at=timezone.now() - timedelta(seconds=20))
    assert program.post(support.address_of(recipient, "withdraw")).status_code == 200
    placing.record(claim, NotSent("No connection"))
    Call.objects.queued().update(due_at=timezone.now())
    assert placing.claim(number.account_id) == []
    assert Call.objects.get().status == Status.CANCELED
    assert enqueueing.feed(recipient.campaign_id) == 0


@pytest.mark.parametrize("status", [R.DONE, R.SKIPPED])
def test_who_is_done_cannot_be_withdrawn(program: ApiClient, recipient: Recipient, status: str) -> None:
    Recipient.objects.update(status=status)
    answer = program.post(support.address_of(recipient, "withdraw"))
    assert (answer.status_code, set(answer.json())) == (409, {"error"})


def test_a_call_back_of_who_is_withdrawn_is_canceled(program: ApiClient, recipient: Recipient) -> None:
    when = (timezone.now() + timedelta(hours=1)).isoformat()
    assert program.post(support.address_of(recipient, "call-back"), {"at": when}).status_code == 201
    program.post(support.address_of(recipient, "withdraw"))
    assert CallBack.objects.get().status == CallBack.Status.CANCELED
    recipient.refresh_from_db()
    assert recipient.status == R.WITHDRAWN


@only_side_by_side
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("action", ["withdraw", "hold"])
@pytest.mark.parametrize("after", [False, True])
def test_it_answers_only_when_the_claim_it_met_is_answered(
    recipient: Recipient, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, after: bool, action: str
) -> None:
    enqueueing.feed(recipient.campaign_id)

    def act() -> None:
        if action == "withdraw":
            recipients.withdraw(recipient, actor="ada")
        else:
            recipients.hold(recipient.contact, actor="ada")

    with held(monkeypatch, fact_sheet, "read", after=after) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        acting = Beside(act)
        assert acting.waits_for_a_lock(), "it must wait for the contact's lock"
        go_on.set()
        (claim,) = claiming.join()
        assert not acting.done.wait(0.5), "a claim that may still be sent is not silence"
        placing.record(claim, NotSent("No connection"))
        acting.join()
    Call.objects.queued().update(due_at=timezone.now())
    if action == "withdraw":
        assert placing.claim(number.account_id) == []


@only_side_by_side
def test_a_feeding_that_met_the_withdrawal_leaves_no_call_behind(
    recipient: Recipient, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        fed = Beside(lambda: enqueueing.feed(recipient.campaign_id))
        assert reached.wait(PATIENCE)
        withdrawing = Beside(lambda: recipients.withdraw(recipient, actor="ada"))
        assert withdrawing.waits_for_a_lock(), "it must wait for the recipient that is being enqueued"
        go_on.set()
        fed.join()
        withdrawing.join()
    assert placing.claim(number.account_id) == []
    assert Recipient.objects.get().status == R.WITHDRAWN


# Hold.


def test_a_hold_is_of_the_person_and_its_end_lets_them_be_called_at_once(
    program: ApiClient, recipient: Recipient
) -> None:
    until = timezone.now() + timedelta(days=2)
    answer = program.post(support.address_of(recipient, "hold"), {"until": until.isoformat(), "reason": "A complaint"})
    assert answer.status_code == 200, answer.content
    contact = f"/api/v1/contacts/{recipient.contact.uuid}/"
    found = program.get(contact).json()
    assert (found["on_hold"], found["hold_reason"]) == (True, "A complaint")
    assert found["hold_until"] == until.isoformat().replace("+00:00", "Z")
    recipient.contact.refresh_from_db()
    assert recipient.contact.held(timezone.now()) and not recipient.contact.held(until)
    assert program.post(f"{contact}hold/").json()["hold_until"] is None
    assert program.post(f"{contact}unhold/").json()["on_hold"] is False
    actions = AuditEntry.objects.filter(subject=str(recipient.contact.uuid)).values_list("action", flat=True)
    assert set(actions) == {"contact.hold", "contact.unhold"}


def test_nobody_calls_a_person_on_hold(recipient: Recipient, number: PhoneNumber) -> None:
    recipients.hold(recipient.contact, actor="ada")
    enqueueing.feed(recipient.campaign_id)
    support.single(number, NUMBER)
    assert placing.claim(number.account_id) == []


@pytest.mark.parametrize("until", [None, timedelta(hours=5)])
def test_who_waited_for_the_hold_alone_is_due_when_it_is_lifted(
    recipient: Recipient, number: PhoneNumber, until: timedelta | None
) -> None:
    now = timezone.now()
    recipients.hold(recipient.contact, actor="ada", until=now + until if until else None)
    enqueueing.feed(recipient.campaign_id)
    single = support.single(number, NUMBER)
    placing.claim(number.account_id)
    recipient.refresh_from_db()
    single.refresh_from_db()
    assert recipient.next_attempt_at and recipient.next_attempt_at > timezone.now()
    assert single.due_at and single.due_at > timezone.now()
    recipients.unhold(recipient.contact, actor="ada")
    support.look()
    recipient.refresh_from_db()
    single.refresh_from_db()
    assert recipient.next_attempt_at <= timezone.now()
    assert single.due_at <= timezone.now()


@pytest.mark.parametrize(
    "body", [{"until": "2020-01-01T00:00:00Z"}, {"until": "soon"}, {"reason": "x" * 201}, {"reason": 5}, {"x": 1}]
)
def test_a_wrong_hold_is_named(program: ApiClient, recipient: Recipient, body: dict[str, Any]) -> None:
    answer = program.post(support.address_of(recipient, "hold"), body)
    assert [fault["field"] for fault in answer.json()["details"]] == list(body)
    assert not Contact.objects.filter(on_hold=True).exists()

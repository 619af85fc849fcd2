"""One provider ID for two calls: a person is told, nobody is dialled twice, no outcome goes to the wrong call."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.db import connection

from calls.dialing import placing
from calls.models import Call, Status
from calls.outcomes import recording, reused_ids
from campaigns.models import Recipient
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tenants.models import Alert, Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.waiting import PATIENCE

FIRST, SECOND = "+12125550150", "+12125550151"
postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
connection = connection  # named in the condition above
PLACED = Reading(CallState.QUEUED, provider_call_id="x1")
END = Reading(CallState.NO_ANSWER, provider_call_id="x1", provider_status="no_answer")


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "callingbox")


def claimed(number: PhoneNumber, to: str, **fields: object) -> placing.Claim:
    support.single(number, to, **fields)
    (found,) = placing.claim(number.account_id)
    return found


def fresh(call: Call) -> Call:
    return Call.objects.get(pk=call.pk)


def both(number: PhoneNumber, second: str = SECOND, said: str = "x1") -> tuple[Call, Call]:
    """Return two calls, the second of which got the ID of the first."""
    one = claimed(number, FIRST)
    placing.record(one, PLACED)
    if second == FIRST:
        recording.record(one.call.pk, END, "read")
    other = claimed(number, second)
    placing.record(other, replace(PLACED, provider_call_id=said))
    return fresh(one.call), fresh(other.call)


@pytest.mark.parametrize("said", ["x1", "X1"])
def test_a_placing_with_an_id_that_is_taken_is_unconfirmed_at_once(number: PhoneNumber, said: str) -> None:
    made = support.campaign(number, support.people(number.organization, [SECOND]), status="running")
    one = claimed(number, FIRST)
    placing.record(one, PLACED)
    contact = number.organization.contacts.get(phone=SECOND)
    recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
    other = claimed(number, SECOND, campaign=made, recipient=recipient)
    placing.record(other, replace(PLACED, provider_call_id=said))
    first, second = fresh(one.call), fresh(other.call)
    assert (first.status, first.provider_call_id) == (Status.PLACED, "x1")
    assert (second.status, second.provider_call_id) == (Status.UNCONFIRMED, "")
    assert second.next_read_at is not None
    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == (Recipient.Status.REVIEW, "unconfirmed")
    [of_first], [of_second] = (call.events.filter(type=reused_ids.EVENT) for call in (first, second))
    assert str(second.uuid) in of_first.detail
    assert str(first.uuid) in of_second.detail
    assert said in of_second.detail
    alert = Alert.objects.get(key=f"account.reused_id:{second.uuid}")
    assert str(first.uuid) in alert.message
    assert str(second.uuid) in alert.message


def test_nothing_read_under_the_id_is_believed_of_either_call_while_nothing_proves_which(number: PhoneNumber) -> None:
    first, second = both(number)
    for call in (first, second):
        for _ in range(3):
            recording.record(call.pk, END, "read")
    assert [fresh(first).status, fresh(second).status] == [Status.PLACED, Status.UNCONFIRMED]
    assert first.events.filter(type=reused_ids.EVENT).count() == 1
    assert Alert.objects.count() == 1


@pytest.mark.parametrize("proof", ["reference", "number"])
def test_what_proves_which_call_it_is_about_counts_for_this_one_alone(number: PhoneNumber, proof: str) -> None:
    first, second = both(number)

    def about(call: Call) -> Reading:
        return (
            replace(END, reference=call.reference) if proof == "reference" else replace(END, to_number=call.to_number)
        )

    recording.record(first.pk, about(second), "read")
    assert fresh(first).status == Status.PLACED
    recording.record(second.pk, about(first), "listing")
    assert fresh(second).status == Status.UNCONFIRMED
    recording.record(second.pk, about(second), "listing")
    assert (fresh(second).status, fresh(second).provider_call_id) == (Status.NO_ANSWER, "")
    recording.record(first.pk, replace(about(first), state=CallState.BUSY), "read")
    assert fresh(first).status == Status.BUSY


def test_the_number_proves_nothing_where_both_calls_are_to_it(number: PhoneNumber) -> None:
    first, second = both(number, second=FIRST)
    assert (first.status, second.status) == (Status.NO_ANSWER, Status.UNCONFIRMED)
    recording.record(second.pk, replace(END, to_number=FIRST), "listing")
    assert fresh(second).status == Status.UNCONFIRMED
    recording.record(second.pk, replace(END, reference=second.reference), "listing")
    assert fresh(second).status == Status.NO_ANSWER


def test_a_third_call_with_the_id_is_told_too(number: PhoneNumber) -> None:
    both(number)
    third = claimed(number, "+12125550152")
    placing.record(third, PLACED)
    assert fresh(third.call).status == Status.UNCONFIRMED
    assert Alert.objects.count() == 2


def test_another_account_may_have_the_same_id(number: PhoneNumber, callers: Organization) -> None:
    placing.record(claimed(number, FIRST), PLACED)
    elsewhere = claimed(support.reach(callers, "http://127.0.0.1:9", "polyai"), SECOND)
    placing.record(elsewhere, PLACED)
    assert fresh(elsewhere.call).status == Status.PLACED


def test_an_opt_out_under_a_shared_id_lists_in_doubt(number: PhoneNumber) -> None:
    number.account.assistants.update(opt_out_rules=[{"field": "result.opt_out", "equals": "true"}])
    first, second = both(number)
    recording.record(first.pk, replace(END, result={"opt_out": True}), "read")
    listed = set(number.organization.do_not_call.values_list("phone", flat=True))
    assert listed == {first.to_number, second.to_number}
    assert fresh(first).status == Status.PLACED


def test_events_of_a_shared_id_are_json_and_name_no_number(number: PhoneNumber) -> None:
    first, second = both(number)
    told = [event.detail for call in (first, second) for event in call.events.filter(type=reused_ids.EVENT)]
    assert FIRST not in json.dumps(told)
    assert SECOND not in json.dumps(told)


@postgresql
def test_two_placings_at_once_with_one_id_are_both_stored(number: PhoneNumber, monkeypatch: pytest.MonkeyPatch) -> None:
    for to in (FIRST, SECOND):
        support.single(number, to)
    one, other = placing.claim(number.account_id)
    with held(monkeypatch, recording, "_take", after=True) as (reached, go_on):
        first = Beside(lambda: support.answer_placing(one.call, one.fence, PLACED))
        assert reached.wait(PATIENCE), "the first has written the ID and not committed"
        second = Beside(lambda: support.answer_placing(other.call, other.fence, PLACED))
        assert second.waits_for_a_lock(), "the index makes the second wait for the first"
        go_on.set()
        first.join()
        second.join()
    assert fresh(one.call).status == Status.PLACED
    assert fresh(other.call).status == Status.UNCONFIRMED
    assert Alert.objects.count() == 1

"""Overdue calls: their end is not reported in time. They hold no line, and nobody else calls their contact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from calls.actions import overdue_watch
from calls.dialing import enqueueing, placing
from calls.models import Call, CallEvent, Status
from calls.outcomes import poll_schedule, recording, staff_decisions
from calls.reports.explain import explain
from campaigns.models import Campaign, Recipient
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Alert, AuditEntry, Organization
from tests.calls import support
from tests.conftest import KeyMaker

NOW = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # a Wednesday, noon in New York
pytestmark = [pytest.mark.django_db, pytest.mark.time_machine(NOW, tick=False)]
LATER = NOW + timedelta(days=2)
TICK = timedelta(microseconds=1)


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    """A caller number of an account with two lines, whose calls last two hours at most."""
    organization.allowed_countries = ["US"]
    organization.save()
    return support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=2)


PEOPLE = count(1000)


def a_call(line: PhoneNumber, status: Status, age: timedelta | None, **fields: Any) -> Call:
    """Return a call that was dialled so long ago."""
    dialed_at = None if age is None else NOW - age
    looked_at = {"due_at": NOW, "lease_until": LATER, "next_read_at": LATER}
    named = {"provider_call_id": f"call-{next(PEOPLE)}"} if "provider_call_id" not in fields else {}
    number = f"+1212555{next(PEOPLE):04d}"
    return support.single(line, number, status=status, dialed_at=dialed_at, **{**looked_at, **named, **fields})


def test_a_call_is_overdue_from_the_longest_call_of_its_account_on(line: PhoneNumber, subtests: Any) -> None:
    """Rows and objects give one answer, whatever the status, the age and the account's longest call."""
    followed = {"unconfirmed", "placed", "dialing", "ringing", "in_progress"}
    calls = {status: a_call(line, status, None).pk for status in Status}
    every = Call.objects.filter(pk__in=calls.values())
    for longest in (1, 120, 1440):
        ProviderAccount.objects.update(longest_call_minutes=longest)
        limit = timedelta(minutes=longest)
        for age in (timedelta(0), limit - TICK, limit, limit + TICK, 3 * limit, None):
            every.update(dialed_at=None if age is None else NOW - age)
            with subtests.test(longest=longest, age=age):
                expected = followed if age is not None and age >= limit else set()
                assert {call.status for call in every.overdue(NOW)} == expected
                assert {call.status for call in every.holding_a_line(NOW)} == followed - expected | {"placing"}
                assert {call.status for call in every.select_related("account") if call.is_overdue(NOW)} == expected
                assert {call.status for call in every.open()} == followed | {"placing"}


# Lines.


def waiting(line: PhoneNumber, **fields: Any) -> Recipient:
    """Return a due recipient of a running campaign."""
    people = support.people(line.organization, ["+12125550999"])
    made = support.campaign(line, people, status=Campaign.Status.RUNNING, **fields)
    return Recipient.objects.create(campaign=made, contact=people.contacts.get(), next_attempt_at=NOW)


def dialed(line: PhoneNumber) -> int:
    enqueueing.feed_all(line.organization_id)
    return len(placing.claim(line.account_id))


@pytest.mark.parametrize("status", [Status.RINGING, Status.UNCONFIRMED])
@pytest.mark.parametrize("limit", ["account", "number", "campaign"])
def test_overdue_calls_hold_no_line_of_anything(line: PhoneNumber, limit: str, status: Status) -> None:
    limits: dict[str, Any] = {"number": (PhoneNumber, 1), "campaign": (Campaign, 1), "account": (ProviderAccount, 1)}
    recipient = waiting(line)
    model, most = limits[limit]
    model.objects.update(max_open_calls=most)
    call = a_call(line, status, timedelta(minutes=119), campaign=recipient.campaign)
    assert dialed(line) == 0
    Call.objects.filter(pk=call.pk).update(dialed_at=NOW - timedelta(minutes=120))
    Recipient.objects.update(next_attempt_at=NOW)
    assert dialed(line) == 1


@pytest.mark.parametrize("number", ["+12125550999", "+12125550998"], ids=["that number", "another number"])
def test_the_contact_of_an_overdue_call_is_not_called(line: PhoneNumber, number: str) -> None:
    recipient = waiting(line)
    call = support.single(line, number, status=Status.RINGING, next_read_at=LATER, contact=recipient.contact)
    Call.objects.filter(pk=call.pk).update(dialed_at=NOW - timedelta(hours=20))
    assert dialed(line) == 0
    recipient.refresh_from_db()
    assert recipient.reason == "open_call"


# Reads.


def test_an_overdue_call_is_read_less_often_but_before_the_provider_forgets_it(line: PhoneNumber) -> None:
    young = a_call(line, Status.RINGING, timedelta(minutes=119))
    old = a_call(line, Status.RINGING, timedelta(minutes=121))
    over = a_call(line, Status.UNKNOWN, timedelta(minutes=5))
    soon = NOW + timedelta(seconds=3)
    minutes = timedelta(minutes=1)
    assert poll_schedule.less_often(young, soon, NOW, None) == soon
    for call in (old, over):
        assert 16 * minutes <= poll_schedule.less_often(call, soon, NOW, None) - NOW <= 24 * minutes
        assert poll_schedule.less_often(call, soon, NOW, NOW + 30 * minutes) == NOW + 10 * minutes


# Events and alerts.


def test_an_overdue_call_has_one_event_and_its_account_one_alert_that_ends(line: PhoneNumber) -> None:
    calls = [a_call(line, Status.RINGING, timedelta(hours=3)) for _ in range(2)]
    a_call(line, Status.RINGING, timedelta(minutes=5))
    for _ in range(3):
        overdue_watch.watch(NOW)
    assert [call.events.filter(type="overdue").count() for call in calls] == [1, 1]
    assert CallEvent.objects.filter(type="overdue").count() == 2
    alert = Alert.objects.get()
    assert "2 calls are overdue" in alert.message and alert.ended_at is None
    support.change([Call.objects.get(pk=calls[0].pk)], status=Status.COMPLETED, next_read_at=None)
    overdue_watch.watch(NOW)
    alert.refresh_from_db()
    assert "1 call is overdue" in alert.message
    ProviderAccount.objects.update(longest_call_minutes=600)
    overdue_watch.watch(NOW)
    alert.refresh_from_db()
    assert alert.ended_at is not None
    ProviderAccount.objects.update(longest_call_minutes=60)
    overdue_watch.watch(NOW)
    assert calls[1].events.filter(type="overdue").count() == 1


# A team member ends a call.


def ended(call: Call) -> Call:
    assert staff_decisions.end(call.pk, actor="ada", reason="The dashboard shows it as ended.")
    call.refresh_from_db()
    return call


def test_only_a_call_that_may_be_under_way_can_be_ended(line: PhoneNumber, subtests: Any) -> None:
    for status in Status:
        call = a_call(line, status, None if status == "queued" else timedelta(minutes=1), cost_reserved=1)
        with subtests.test(status=status):
            if status in {"queued", "placing"}:
                with pytest.raises(staff_decisions.DecisionRefused):
                    staff_decisions.end(call.pk, actor="ada", reason="x")
            elif status in {"unconfirmed", "placed", "dialing", "ringing", "in_progress"}:
                found = ended(call)
                assert (found.status, found.ended_reason) == ("unknown", "ended_by_staff") and not found.cost_reserved
                assert found.terminal_at == NOW and found.decisions.get().reason.startswith("The dashboard")
                assert not staff_decisions.end(call.pk, actor="ada", reason="again")
                assert found.events.filter(type="ended").count() == 1
            else:
                assert not staff_decisions.end(call.pk, actor="ada", reason="x")
            call.refresh_from_db()
        Call.objects.filter(pk=call.pk).delete() if status in {"queued", "placing"} else None
    with pytest.raises(staff_decisions.DecisionRefused):
        staff_decisions.end(a_call(line, Status.RINGING, timedelta()).pk, actor="ada", reason=" ")


def of(recipient: Recipient, line: PhoneNumber, status: Status, age: timedelta, **fields: Any) -> Call:
    """Return the recipient's call."""
    Recipient.objects.filter(pk=recipient.pk).update(status=Recipient.Status.CALLING, attempts=1, next_attempt_at=None)
    named = {"campaign": recipient.campaign, "recipient": recipient, "contact": recipient.contact}
    moments = {"dialed_at": NOW - age, "next_read_at": LATER, "provider_call_id": "theirs"}
    return support.single(line, recipient.number, status=status, **named | moments | fields)


def test_the_gap_counts_from_the_moment_at_which_a_team_member_ended_the_call(line: PhoneNumber) -> None:
    recipient = waiting(line, min_gap_minutes=60)
    call = of(recipient, line, Status.RINGING, timedelta(hours=3))
    ended(call)
    recipient.refresh_from_db()
    assert (recipient.status, recipient.outcome, recipient.next_attempt_at) == ("done", "unknown", None)
    # Another campaign to the same contact may call again an hour from now, and not at once.
    again = waiting_again(recipient, line, min_gap_minutes=60)
    found = explain(again, NOW)
    assert {check.name.value: check.until for check in found.checks if check.result == "defer"} == {
        "minimum_gap": NOW + timedelta(hours=1)
    }
    # A real end takes its place: then the gap counts from the dial again.
    recording.record(call.pk, Reading(CallState.NO_ANSWER, "theirs"), "callback")
    call.refresh_from_db()
    assert call.status == "no_answer"
    assert explain(again, NOW).decision == "allow"


def waiting_again(recipient: Recipient, line: PhoneNumber, **fields: Any) -> Recipient:
    made = support.campaign(
        line, recipient.campaign.contact_lists.get(), status=Campaign.Status.RUNNING, name="2", **fields
    )
    return Recipient.objects.create(campaign=made, contact=recipient.contact, next_attempt_at=NOW)


def test_late_evidence_replaces_the_end_once_and_opens_nothing(line: PhoneNumber) -> None:
    recipient = waiting(line, retries=3)
    call = ended(of(recipient, line, Status.IN_PROGRESS, timedelta(hours=3)))
    recording.record(call.pk, Reading(CallState.IN_PROGRESS, "theirs"), "read")
    call.refresh_from_db()
    assert call.status == "unknown"
    recording.record(call.pk, Reading(CallState.COMPLETED, "theirs", settled=True), "read")
    recording.record(call.pk, Reading(CallState.NO_ANSWER, "theirs", settled=True), "callback")
    call.refresh_from_db()
    recipient.refresh_from_db()
    assert (call.status, recipient.status, recipient.outcome) == ("completed", "done", "completed")


def test_the_real_end_of_a_call_that_a_team_member_ended_is_still_asked_for(line: PhoneNumber) -> None:
    """By its ID, or in the provider's list where none is known, until it is given up."""
    known = ended(a_call(line, Status.RINGING, timedelta(hours=3)))
    unknown = ended(a_call(line, Status.UNCONFIRMED, timedelta(hours=3), provider_call_id=""))
    assert Call.objects.due_for_read(NOW).get() == known
    assert Call.objects.due_for_reconciling(NOW).get() == unknown
    for call in (known, unknown):
        recording.give_up(call.pk, Status.UNKNOWN, "No evidence came.")
    assert not Call.objects.filter(polling__isnull=False).exists()


def test_late_evidence_about_an_earlier_call_moves_nobody(line: PhoneNumber) -> None:
    """The recipient was called again meanwhile, and talked: the earlier "no answer" must not ring it a third time."""
    recipient = waiting(line, retries=5)
    call = ended(of(recipient, line, Status.RINGING, timedelta(hours=3)))
    of(recipient, line, Status.COMPLETED, timedelta(minutes=5), provider_call_id="second", next_read_at=None)
    Recipient.objects.filter(pk=recipient.pk).update(status="done", outcome="completed", attempts=2)
    recording.record(call.pk, Reading(CallState.NO_ANSWER, "theirs", settled=True), "callback")
    call.refresh_from_db()
    recipient.refresh_from_db()
    assert (call.status, recipient.status, recipient.outcome) == ("no_answer", "done", "completed")


def test_over_the_api(line: PhoneNumber, client_for: KeyMaker) -> None:
    api = client_for(line.organization, "call")
    call, other = a_call(line, Status.RINGING, timedelta(hours=2)), a_call(line, Status.RINGING, timedelta(hours=1))
    url = f"/api/v1/calls/{call.uuid}/"
    assert api.get(url).json()["overdue"] is True
    for value, found in (("true", call), ("false", other)):
        rows = api.get(f"/api/v1/calls/?overdue={value}").json()["results"]
        assert [row["id"] for row in rows] == [str(found.uuid)]
    assert api.get("/api/v1/calls/?overdue=perhaps").status_code == 400
    account = api.get(f"/api/v1/provider-accounts/{line.account.uuid}/").json()
    assert (account["open_calls"], account["overdue_calls"], account["longest_call_minutes"]) == (2, 1, 120)
    assert api.post(f"{url}end/", {}).status_code == 400
    answers = [api.post(f"{url}end/", {"reason": "It hung up."}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["status"] for answer in answers} == {"unknown"}
    assert answers[0].json()["overdue"] is False and answers[0].json()["ended_reason"] == "ended_by_staff"
    assert AuditEntry.objects.filter(action="call.end").count() == 1
    queued = a_call(line, Status.QUEUED, None)
    assert api.post(f"/api/v1/calls/{queued.uuid}/end/", {"reason": "x"}).status_code == 409


def test_the_pages_show_overdue_calls_and_end_them(line: PhoneNumber, admin_client: Any) -> None:
    call, other = a_call(line, Status.RINGING, timedelta(hours=2)), a_call(line, Status.RINGING, timedelta(hours=1))
    listed = admin_client.get("/admin/calls/call/?overdue=yes").content.decode()
    assert f"/call/{call.pk}/" in listed and f"/call/{other.pk}/" not in listed
    page = admin_client.get(f"/admin/calls/call/{call.pk}/change/").content.decode()
    assert "This call is over" in page and "The call holds no line" in page
    assert "The call holds no line" not in admin_client.get(f"/admin/calls/call/{other.pk}/change/").content.decode()
    account = admin_client.get(f"/admin/providers/provideraccount/{line.account_id}/change/").content.decode()
    assert "1 of 2 at most" in account and "120 minutes" in account
    answer = admin_client.post(f"/admin/calls/call/{call.pk}/do/end/", {"reason": "The dashboard says so."})
    call.refresh_from_db()
    assert (answer.status_code, call.status) == (302, "unknown")
    ended = admin_client.get(f"/admin/calls/call/{call.pk}/change/").content.decode()
    assert "A team member ended the call: the provider reported no end." in ended

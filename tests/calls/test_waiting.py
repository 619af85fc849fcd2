"""Waiting is not ending: closures, switched-off numbers and assistants, and rules that change while recipients wait."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calls.actions import campaigns, scheduled_callbacks
from calls.dialing import enqueueing, placing
from calls.gate.checks import CheckName
from calls.gate.decision import decide
from calls.gate.facts import load
from calls.gate.selection import Choices
from calls.models import Call, CallBack, Status, WebhookDelivery
from campaigns import launching
from campaigns.models import CallingWindow, Campaign, Recipient
from campaigns.rules.windows import Hours, Window, is_open, next_opening
from providers.models import Assistant, PhoneNumber
from tenants.models import Alert, Organization
from tests.calls import support
from tests.tables import cases

S = Recipient.Status
NOON = datetime(2026, 12, 7, 12, tzinfo=UTC)  # a Monday
PARIS = "+33612345678"


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    return support.reach(organization, "http://127.0.0.1:9", "allomia")


def launched(line: PhoneNumber, **fields: object) -> Campaign:
    made = support.campaign(line, support.people(line.organization, [PARIS]), retries=3, status="running", **fields)
    assert launching.step(made.pk)
    return made


def verdict(made: Campaign, now: datetime) -> tuple[str, str]:
    """What the gate decides for the campaign's only recipient."""
    made = Campaign.objects.prefetch_related("windows").get(pk=made.pk)
    call = Choices(made, now).call_for(made.recipients.select_related("contact").get())
    assert call is not None
    decision = decide(load([call], now)[0], now)
    return decision.verdict, decision.reason


# Closures of every length: a wait and then a call, never a skip.


@pytest.mark.parametrize("days", [1, 2, 14, 15, 16, 20, 30, 60, 120, 364, 390])
def test_a_closure_of_any_length_ends_with_an_opening(days: int) -> None:
    closed = frozenset(NOON.date() + timedelta(days=n) for n in range(days))
    hours = Hours((Window(frozenset(range(7)), 9 * 60, 20 * 60),), closed)
    expected = datetime.combine(NOON.date() + timedelta(days=days), time(9), tzinfo=UTC)
    assert next_opening([hours], ["UTC"], NOON) == expected


@cases("weekday", range(7))
@cases("weeks", [1, 2, 3, 4, 26, 52])
def test_a_weekly_window_opens_after_any_number_of_closed_weeks(weekday: int, weeks: int) -> None:
    days = [NOON.date() + timedelta(days=n) for n in range(7 * weeks + 8)]
    mine = [day for day in days if day.weekday() == weekday]
    closed = frozenset(mine[:weeks])
    hours = Hours((Window(frozenset({weekday}), 13 * 60, 14 * 60),), closed)
    expected = datetime.combine(mine[weeks], time(13), tzinfo=UTC)
    assert next_opening([hours], ["UTC"], NOON) == expected
    assert is_open([hours], ["UTC"], expected)


def test_fridays_with_christmas_and_new_year_off_are_waited_for() -> None:
    """In 2026 both are Fridays: the campaign of the report skipped everybody within seconds."""
    holidays = frozenset({date(2026, 12, 25), date(2027, 1, 1)})
    hours = Hours((Window(frozenset({4}), 9 * 60, 12 * 60),), holidays)
    assert next_opening([hours], ["UTC"], datetime(2026, 12, 18, 12, tzinfo=UTC)) == datetime(2027, 1, 8, 9, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("days", [20, 100, 380])
def test_recipients_wait_for_the_end_of_a_closure(line: PhoneNumber, days: int) -> None:
    closed = [(NOON.date() + timedelta(days=n)).isoformat() for n in range(-1, days)]
    made = launched(line, holidays=closed, timezone="UTC")
    with time_machine.travel(NOON, tick=False):
        Recipient.objects.update(next_attempt_at=NOON)
        assert enqueueing.feed(made.pk) == 0
    row = made.recipients.get()
    assert (row.status, row.reason) == (S.PENDING, CheckName.CALLING_HOURS)
    assert row.next_attempt_at is not None
    local = datetime.combine(NOON.date() + timedelta(days=days), time(), tzinfo=UTC)
    assert abs(row.next_attempt_at - local) <= timedelta(hours=2)  # midnight in Paris
    with time_machine.travel(row.next_attempt_at, tick=False):
        assert enqueueing.feed(made.pk) == 1


@pytest.mark.django_db
def test_recipients_without_any_opening_wait_with_a_reason(line: PhoneNumber) -> None:
    made = launched(line)
    made.windows.all().delete()
    CallingWindow.objects.create(campaign=made, days=["mon"], opens=540, closes=600)
    Campaign.objects.update(
        holidays=[(NOON.date() + timedelta(days=7 * n)).isoformat() for n in range(60)], timezone="UTC"
    )
    later = NOON + timedelta(days=1)
    assert verdict(made, later) == ("defer", CheckName.NO_OPENING)
    with time_machine.travel(later, tick=False):
        Recipient.objects.update(next_attempt_at=later)
        assert enqueueing.feed(made.pk) == 0
        row = made.recipients.get()
    assert (row.status, row.reason, row.next_attempt_at) == (S.PENDING, "no_opening", later + timedelta(days=1))
    Campaign.objects.update(holidays=[])
    assert verdict(made, later) == ("defer", CheckName.CALLING_HOURS)


@pytest.mark.django_db
def test_recipients_whose_campaign_ends_before_any_opening_are_done(line: PhoneNumber) -> None:
    made = launched(line, ends_at=NOON + timedelta(hours=20), timezone="UTC")
    Campaign.objects.update(holidays=[(NOON.date() + timedelta(days=n)).isoformat() for n in range(-1, 410)])
    assert verdict(made, NOON) == ("skip", CheckName.NO_OPEN_WINDOW)


# A caller number or an assistant that is switched off while calls wait.


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["number", "assistant"])
def test_a_queued_call_goes_out_another_way(line: PhoneNumber, what: str) -> None:
    made = launched(line)
    second = PhoneNumber.objects.create(
        organization=line.organization, account=line.account, e164="+16465550101", external_id="x"
    )
    assert enqueueing.feed(made.pk) == 1
    if what == "number":
        made.phone_numbers.add(second)
        PhoneNumber.objects.filter(pk=made.calls.get().phone_number_id).update(is_active=False)
    else:
        spare = Assistant.objects.create(organization=line.organization, account=line.account, name="Spare")
        made.variants.create(assistant=spare, weight=0)
        Assistant.objects.exclude(pk=spare.pk).update(is_active=False)
    assert placing.claim(line.account_id) == []
    assert made.calls.get().status == Status.QUEUED, "a switched-off number or assistant ends nothing"
    assert enqueueing.reroute(timezone.now()) == 1
    assert enqueueing.feed(made.pk) == 1
    [claim] = placing.claim(line.account_id)
    if what == "number":
        assert claim.call.phone_number.is_active
    else:
        assert claim.call.assistant.name == "Spare"
    assert made.recipients.get().attempts == 1


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["number", "assistant"])
def test_without_another_way_a_queued_call_waits_and_goes_on(line: PhoneNumber, what: str) -> None:
    made = launched(line)
    assert enqueueing.feed(made.pk) == 1
    off = PhoneNumber.objects.all() if what == "number" else Assistant.objects.all()
    off.update(is_active=False)
    assert placing.claim(line.account_id) == []
    assert enqueueing.reroute(timezone.now()) == 0
    call, row = made.calls.get(), made.recipients.get()
    assert (call.status, row.status) == (Status.QUEUED, S.CALLING)
    off.update(is_active=True)
    Call.objects.update(due_at=timezone.now())
    assert len(placing.claim(line.account_id)) == 1


@pytest.mark.django_db
def test_a_scheduled_callback_goes_out_another_way(line: PhoneNumber) -> None:
    made = launched(line)
    row, now = made.recipients.get(), timezone.now()
    callback = CallBack.objects.create(
        organization=line.organization,
        contact=row.contact,
        recipient=row,
        due_at=now - timedelta(minutes=1),
        latest_at=now + timedelta(minutes=29),
    )
    assert scheduled_callbacks.queue_due(now) == 1
    first = Call.objects.get(call_back=callback)
    second = PhoneNumber.objects.create(
        organization=line.organization, account=line.account, e164="+16465550101", external_id="x"
    )
    made.phone_numbers.add(second)
    PhoneNumber.objects.filter(pk=line.pk).update(is_active=False)
    assert scheduled_callbacks.step(now) == 1
    callback.refresh_from_db()
    assert callback.status == CallBack.Status.DUE and callback.call is not None
    assert callback.call != first and callback.call.phone_number == second
    first.refresh_from_db()
    assert (first.status, first.status_reason) == (Status.CANCELED, "rerouted")
    [claim] = placing.claim(line.account_id)
    assert claim.call == callback.call


@pytest.mark.django_db
def test_a_callback_that_goes_another_way_is_reported_once(line: PhoneNumber) -> None:
    """The call that was taken back has no delivery of its own; the one that replaces it has."""
    made = launched(line, callback_url="https://example.org/hook")
    row, now = made.recipients.get(), timezone.now()
    CallBack.objects.create(
        organization=line.organization,
        contact=row.contact,
        recipient=row,
        due_at=now - timedelta(minutes=1),
        latest_at=now + timedelta(minutes=29),
    )
    assert scheduled_callbacks.queue_due(now) == 1
    second = PhoneNumber.objects.create(
        organization=line.organization, account=line.account, e164="+16465550101", external_id="x"
    )
    made.phone_numbers.add(second)
    PhoneNumber.objects.filter(pk=line.pk).update(is_active=False)
    assert scheduled_callbacks.step(now) == 1
    assert not WebhookDelivery.objects.exists()
    assert [call.callback_url for call in made.calls.order_by("pk")] == ["", "https://example.org/hook"]


@pytest.mark.django_db
def test_the_rules_of_a_campaign_are_read_once_for_a_batch(
    line: PhoneNumber, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    numbers = [f"+121255512{n:02d}" for n in range(40)]
    made = support.campaign(line, support.people(line.organization, numbers), retries=3, status="running")
    assert launching.step(made.pk)
    made.recipients.update(status=S.WAITING, attempts=1)
    made = Campaign.objects.prefetch_related("windows").get(pk=made.pk)
    choices = Choices(made, NOON)
    made_calls = [choices.call_for(row) for row in made.recipients.select_related("contact")]
    batch = [call for call in made_calls if call is not None]
    assert len(batch) == 40
    with django_assert_max_num_queries(10):
        load(batch, NOON)


# Retry rules hold when a call is placed, not only when the wait was planned.


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("outcome", "voicemail", "change", "expected"),
    [
        ("no_answer", False, "", ("allow", "")),
        ("no_answer", False, "removed", ("skip", "attempts")),
        ("no_answer", False, "tightened", ("skip", "attempts")),
        ("no_answer", False, "widened", ("allow", "")),
        ("no_answer", False, "other removed", ("allow", "")),
        ("no_answer", True, "voicemail tightened", ("skip", "attempts")),
        ("busy", False, "removed", ("skip", "attempts")),
        ("failed", False, "removed", ("skip", "attempts")),
    ],
)
def test_a_rule_that_changed_holds_for_those_who_wait(
    line: PhoneNumber, outcome: str, voicemail: bool, change: str, expected: tuple[str, str]
) -> None:
    made = launched(line)
    row, long_ago = made.recipients.get(), timezone.now() - timedelta(days=2)
    made.calls.create(
        organization=line.organization,
        recipient=row,
        contact=row.contact,
        account=line.account,
        assistant=line.account.assistants.get(),
        phone_number=line,
        to_number=PARIS,
        from_number=line.e164,
        status=outcome,
        answered_by="machine" if voicemail else "",
        dialed_at=long_ago,
        terminal_at=long_ago,
    )
    Recipient.objects.update(status=S.WAITING, attempts=1, outcome=outcome, reason="calling_hours")
    mine = made.retry_rules.filter(outcome=outcome)
    match change:
        case "removed":
            mine.delete()
        case "tightened":
            mine.update(max_attempts=1)
        case "widened":
            mine.update(max_attempts=9)
        case "other removed":
            made.retry_rules.exclude(outcome=outcome).delete()
        case "voicemail tightened":
            made.retry_rules.create(outcome="voicemail", wait_minutes=0, max_attempts=1)
    assert verdict(made, timezone.now()) == expected


@pytest.mark.django_db
def test_a_campaign_that_ended_before_it_could_call_tells_so(line: PhoneNumber) -> None:
    """The engine was down from the start to the end, or no window opened in between."""
    made = launched(line, ends_at=NOON + timedelta(hours=2))
    with time_machine.travel(NOON + timedelta(hours=3), tick=False):
        made.recipients.update(next_attempt_at=NOON)
        assert enqueueing.feed(made.pk) == 0
        assert campaigns.finish_where_done() == 1
        assert campaigns.finish_where_done() == 0
    alert = Alert.objects.get(organization=line.organization)
    assert (alert.subject, "ended before it could call 1 recipient." in alert.message) == (str(made.uuid), True)

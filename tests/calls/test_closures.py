"""Closures of every length: a wait and then a call, never a skip, in a new campaign and in a running one.

Through the gate and the engine's steps. The expected opening is counted by hand: days on a calendar.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from calls.actions import campaign_edits, campaigns
from calls.dialing import enqueueing, placing
from campaigns import launching
from campaigns.models import CallingWindow, Campaign, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.simulation.engine import Steps

S = Recipient.Status
MONDAY = date(2026, 12, 7)
NOON = datetime.combine(MONDAY, time(12), tzinfo=UTC)
DAY = timedelta(days=1)
KOLKATA = "+919876543210"  # half past five ahead of UTC, without summer time
NINE_THERE = time(3, 30, tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSURES = [1, 2, 5, 6, 7, 8, 13, 14, 15, 16, 17, 20, 29, 30, 31, 45, 60, 90, 100, 120, 180, 200, 250, 300, 330]
CLOSURES += [360, 364, 365, 366, 380, 390, 397, 398, 399, 400]
WEEKS = [1, 2, 3, 10, 52, 56]


def some(found: list[int], offset: int = 0) -> list[Any]:
    """Return all; `make test` takes every third, and the proof the others."""
    return [
        pytest.param(each, marks=[] if place % 3 == offset else pytest.mark.proof) for place, each in enumerate(found)
    ]


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    Organization.objects.update(allowed_countries=["IN"])
    organization.refresh_from_db()
    with time_machine.travel(NOON, tick=False):  # a bucket that was filled later grants nothing before
        return support.reach(organization, "http://127.0.0.1:9", "allomia")


def prepared(line: PhoneNumber, days: list[str], closed: list[date]) -> Campaign:
    """Return a launched campaign from 9 to 12 on these days, with these holidays."""
    made = support.campaign(line, support.people(line.organization, [KOLKATA]), legal_override="")
    made.windows.all().delete()
    CallingWindow.objects.create(campaign=made, days=days, opens=540, closes=720)
    Campaign.objects.filter(pk=made.pk).update(
        status=Campaign.Status.RUNNING, holidays=[day.isoformat() for day in closed]
    )
    with time_machine.travel(NOON, tick=False):
        assert launching.step(made.pk)
        made.recipients.update(next_attempt_at=NOON)
    made.refresh_from_db()
    return made


def opens_on(day: date) -> datetime:
    return datetime.combine(day, NINE_THERE)


def waits_and_is_called(made: Campaign, opening: datetime) -> None:
    """Follow the only recipient: it waits, however often the engine looks, and its call is placed at the opening."""
    now, looks = NOON, 0
    while now < opening:
        with time_machine.travel(now, tick=False):
            Steps().look()
            assert enqueueing.feed(made.pk) == 0, now
            campaigns.finish_where_done()
            row = made.recipients.get()
        assert row.status == S.PENDING and row.next_attempt_at is not None, (now, row.status, row.reason)
        assert now < row.next_attempt_at <= opening, (now, row.next_attempt_at)
        now, looks = row.next_attempt_at, looks + 1
    assert now == opening
    assert looks <= 40, "it is looked at now and then, not all the time"
    with time_machine.travel(opening, tick=False):
        assert enqueueing.feed(made.pk) == 1
        assert len(placing.claim(made.phone_numbers.get().account_id)) == 1
    made.refresh_from_db()
    assert made.status == Campaign.Status.RUNNING


@pytest.mark.django_db
@pytest.mark.parametrize("days", some(CLOSURES))
def test_a_new_campaign_waits_for_the_end_of_a_closure(line: PhoneNumber, days: int) -> None:
    made = prepared(line, list(DAYS), [MONDAY + n * DAY for n in range(days)])
    waits_and_is_called(made, opens_on(MONDAY + days * DAY))


@pytest.mark.django_db
@pytest.mark.parametrize("days", some(CLOSURES[::3], 1))
def test_a_running_campaign_that_closes_waits_for_the_end(line: PhoneNumber, days: int) -> None:
    made = prepared(line, list(DAYS), [])
    with time_machine.travel(NOON, tick=False):
        assert enqueueing.feed(made.pk) == 0, "it is past twelve there"
        assert made.recipients.get().next_attempt_at == opens_on(MONDAY + DAY)
        with campaign_edits.edit(made, actor="test") as held:
            held.holidays = [(MONDAY + n * DAY).isoformat() for n in range(1, days + 1)]
            held.save()
    waits_and_is_called(made, opens_on(MONDAY + (days + 1) * DAY))


@pytest.mark.django_db
@pytest.mark.parametrize("weekday", range(7))
@pytest.mark.parametrize("weeks", some(WEEKS, 1))
def test_a_weekly_window_waits_for_the_first_week_without_a_holiday(
    line: PhoneNumber, weeks: int, weekday: int
) -> None:
    """The first such day is tomorrow at the earliest; on a Monday it is over already."""
    first = MONDAY + (weekday or 7) * DAY
    made = prepared(line, [DAYS[weekday]], [first + 7 * n * DAY for n in range(weeks)])
    waits_and_is_called(made, opens_on(first + 7 * weeks * DAY))


@pytest.mark.django_db
def test_fridays_with_christmas_and_new_year_off_are_waited_for(line: PhoneNumber) -> None:
    """In 2026 both are Fridays; so is the eleventh of December, the first to come."""
    made = prepared(line, ["fri"], [date(2026, 12, 11), date(2026, 12, 18), date(2026, 12, 25), date(2027, 1, 1)])
    waits_and_is_called(made, opens_on(date(2027, 1, 8)))


@pytest.mark.django_db
def test_a_closure_beyond_thirteen_months_is_waited_for_day_by_day(line: PhoneNumber) -> None:
    made = prepared(line, list(DAYS), [MONDAY + n * DAY for n in range(403)])
    waits_and_is_called(made, opens_on(MONDAY + 403 * DAY))

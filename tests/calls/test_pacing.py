"""Calls per minute, spread evenly: in any ten seconds within one call of the rate, and no burst after a pause."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.actions import campaigns
from calls.dialing import enqueueing, placing
from calls.gate import pacing
from calls.models import Call, CallEvent
from calls.outcomes import recording
from calls.reports.idle_reasons import idle_reasons
from campaigns import launching
from campaigns.models import Campaign
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.conftest import a_number

START = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)


def play(clock: Any, line: PhoneNumber, seconds: int, every: float = 0.2) -> None:
    """Enqueue and claim as the engine does, five times a second in simulated time.

    A longer `every` is enough where the test counts calls and does not look at their moments.
    """
    for tick in range(round(seconds / every)):
        if tick % 2 == 0:
            enqueueing.feed_all(line.organization_id)
        placing.claim(line.account_id)
        clock.shift(every)


@given(st.integers(1, 240), st.lists(st.floats(0.005, 0.05), min_size=20, max_size=200))
def test_any_ten_seconds_hold_the_set_rate_within_one(per_minute: int, looks: list[float]) -> None:
    """The pace holds at irregular engine times: it wakes for the next due call, a little late each time."""
    campaign = Campaign(calls_per_minute=per_minute)
    now, allowed_from, placed, n = START, None, [], 0
    while now < START + timedelta(seconds=60):
        late = timedelta(seconds=looks[n % len(looks)])
        now, n = max(now, allowed_from or now) + late, n + 1
        while allowed_from is None or allowed_from <= now:
            allowed_from = pacing.next_moment(campaign, allowed_from, now)
            placed.append(now)
    ten = timedelta(seconds=10)
    for first in placed:
        assert sum(first <= moment < first + ten for moment in placed) <= math.ceil(per_minute / 6) + 1
        if first + ten <= now:
            assert sum(first <= moment < first + ten for moment in placed) >= math.floor(per_minute / 6) - 1


def test_what_was_missed_while_nobody_looked_is_not_made_up_for() -> None:
    campaign = Campaign(calls_per_minute=60)
    later = START + timedelta(hours=1)
    after = pacing.next_moment(campaign, START, later)
    assert after == later  # at most one turn that was just missed
    assert pacing.next_moment(campaign, after, later) == later + timedelta(seconds=1)


@pytest.mark.django_db
def test_the_engines_own_steps_keep_the_pace(organization: Organization) -> None:
    """Enqueue and claim, five times a second in simulated time."""
    with time_machine.travel(START, tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia")
        people = support.people(organization, [f"+16465555{n:03d}" for n in range(60)])
        made = support.campaign(line, people, calls_per_minute=90, status=Campaign.Status.RUNNING)
        launching.step(made.pk)
        play(clock, line, 20)
    dials = [moment for moment in Call.objects.order_by("dialed_at").values_list("dialed_at", flat=True) if moment]
    assert len(dials) == pytest.approx(30, abs=1)
    ten = timedelta(seconds=10)
    for first in dials:
        if first + ten <= START + timedelta(seconds=20):
            assert abs(sum(first <= moment < first + ten for moment in dials) - 15) <= 1


@pytest.mark.django_db
def test_three_campaigns_of_an_account_get_their_shares(organization: Organization) -> None:
    made = []
    with time_machine.travel(START, tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=10_000, calls_per_second=5)
        for n, priority in enumerate((1, 2, 5)):
            people = support.people(organization, [f"+1646555{n}{m:03d}" for m in range(150)])
            made.append(support.campaign(line, people, priority=priority, status=Campaign.Status.RUNNING))
            launching.step(made[-1].pk)
        play(clock, line, 30, every=0.8)
    placed = [campaign.calls.filter(dialed_at__isnull=False).count() for campaign in made]
    assert sum(placed) > 100
    for found, priority in zip(placed, (1, 2, 5), strict=True):
        assert found / sum(placed) == pytest.approx(priority / 8, abs=0.05)


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [{"calls_per_minute": 2}, {"max_open_calls": 1}, {"max_calls_per_day": 1}])
def test_a_campaign_that_its_own_limit_holds_back_takes_no_turns_of_others(
    organization: Organization, limit: dict[str, int]
) -> None:
    """One call a second for two campaigns of an account: the fast one gets what the slow one cannot use."""
    made = []
    with time_machine.travel(START, tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=10_000, calls_per_second=1)
        capped = "max_calls_per_day" in limit
        other = a_number(line.account, e164="+16465550101", **(limit if capped else {}))
        for n, (number, own) in enumerate(((other, {} if capped else limit), (line, {}))):
            people = support.people(organization, [f"+1646555{n}{m:03d}" for m in range(100)])
            made.append(support.campaign(number, people, priority=9 - 8 * n, status=Campaign.Status.RUNNING, **own))
            launching.step(made[-1].pk)
        play(clock, line, 30, every=1)
    slow, quick = (campaign.calls.filter(dialed_at__isnull=False).count() for campaign in made)
    assert slow in (1, 2)
    assert slow + quick == pytest.approx(30, abs=2)


@pytest.mark.django_db
def test_nobody_is_queued_behind_a_caller_number_whose_lines_are_taken(organization: Organization) -> None:
    """Each call takes three seconds. Recipients that wait for the number's capacity of one stay out of the queue."""
    with time_machine.travel(START, tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia", calls_per_second=5)
        PhoneNumber.objects.update(max_open_calls=1)
        people = support.people(organization, [f"+16465551{m:03d}" for m in range(100)])
        made = support.campaign(line, people, status=Campaign.Status.RUNNING)
        launching.step(made.pk)
        for _ in range(42):
            enqueueing.feed_all(organization.pk)
            placing.claim(line.account_id)
            for call in made.calls.open().filter(dialed_at__lte=timezone.now() - timedelta(seconds=3)):
                recording.record(call.pk, Reading(CallState.COMPLETED), CallEvent.Source.READ)
            clock.shift(0.75)
        told = {reason["code"] for reason in idle_reasons(made)}
    assert made.calls.filter(dialed_at__isnull=False).count() == pytest.approx(9, abs=1.5)
    assert made.calls.queued().count() <= 1
    assert told == {"caller_number_capacity"}


@pytest.mark.django_db
def test_what_a_paused_campaign_has_queued_keeps_nobody_else_waiting(organization: Organization) -> None:
    line = support.reach(organization, "http://127.0.0.1:9", "allomia", calls_per_second=1)
    PhoneNumber.objects.update(max_calls_per_day=3)
    made = []
    for n in range(2):
        people = support.people(organization, [f"+1646555{n}{m:03d}" for m in range(9)])
        made.append(support.campaign(line, people, status=Campaign.Status.RUNNING))
    launching.step(made[0].pk)
    queued = enqueueing.feed_all(organization.pk)
    assert queued == 3 and enqueueing.feed_all(organization.pk) == 0, "as many as are placed in two seconds"
    campaigns.pause(made[0], actor="test")
    launching.step(made[1].pk)
    assert enqueueing.feed_all(organization.pk) == 3
    assert made[1].calls.queued().count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [{"calls_per_minute": 12}, {"max_open_calls": 1}])
def test_a_queued_call_that_is_put_off_keeps_nobody_waiting(organization: Organization, limit: dict[str, int]) -> None:
    """The first recipient's hours closed between queue and claim. The others are called until they open."""
    line = support.reach(organization, "http://127.0.0.1:9", "allomia")
    people = support.people(organization, ["+16465555001", "+16465555002"])
    made = support.campaign(line, people, status=Campaign.Status.RUNNING, **limit)
    launching.step(made.pk)
    assert enqueueing.feed(made.pk, at_most=1) == 1
    Call.objects.update(due_at=timezone.now() + timedelta(hours=10), status_reason="calling_hours")
    assert enqueueing.feed(made.pk) == 1

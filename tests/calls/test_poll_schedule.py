"""When a call is polled next: always later, never too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.outcomes import poll_schedule

NOW = datetime(2026, 5, 11, 13, 5, tzinfo=UTC)
STEPS = (  # as designed; other tests shorten the module's values
    (timedelta(minutes=2), timedelta(seconds=3)),
    (timedelta(minutes=15), timedelta(seconds=15)),
    (timedelta(hours=1), timedelta(seconds=60)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (timedelta(hours=24), timedelta(minutes=20)),
)
DESIGNED = poll_schedule.STEPS  # the values at import, before any test
spans = st.timedeltas(timedelta(0), timedelta(hours=40))


@pytest.fixture(autouse=True)
def _unhurried(_impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_schedule, "STEPS", DESIGNED)


def unconfirmed(since: datetime, *, listed: bool) -> Any:
    account = SimpleNamespace(adapter=SimpleNamespace(can_find_by_reference=listed))
    return SimpleNamespace(dialed_at=since, created_at=since - timedelta(minutes=5), account=account)


def test_the_steps_are_those_of_the_design() -> None:
    assert poll_schedule.STEPS == STEPS


@given(spans)
def test_a_call_is_read_again_by_its_age_with_a_fifth_of_jitter(age: timedelta) -> None:
    wait = poll_schedule.next_read(NOW - age, NOW) - NOW
    interval = next((step for limit, step in STEPS if age < limit), STEPS[-1][1])
    assert interval * 0.8 <= wait <= interval * 1.2


@given(st.integers(0, 10_000))
def test_errors_put_a_read_off_by_full_jitter_of_at_most_five_minutes(errors: int) -> None:
    wait = (poll_schedule.after_error(NOW, errors, None) - NOW).total_seconds()
    assert 1 <= wait <= 1 + min(300, 2 * 2 ** min(errors, 10))


@given(st.integers(0, 50), st.timedeltas(timedelta(hours=-3), timedelta(hours=3)))
def test_an_error_never_waits_until_the_provider_may_have_forgotten(errors: int, left: timedelta) -> None:
    at = poll_schedule.after_error(NOW, errors, NOW + left)
    assert at > NOW
    last = NOW + left - timedelta(minutes=20)
    assert at <= last or last <= NOW


@given(spans, st.booleans())
def test_a_doubt_is_looked_at_later_and_at_the_latest_when_it_ends(age: timedelta, listed: bool) -> None:
    since = NOW - age
    at = poll_schedule.next_search(unconfirmed(since, listed=listed), NOW)
    assert NOW < at <= max(since + timedelta(hours=26), NOW + timedelta(seconds=1))
    if listed:
        assert at <= NOW + timedelta(hours=1)

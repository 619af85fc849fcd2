"""Properties of every number and every retry, for any input and configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from campaigns.phones import E164, NotCallable, normalise
from campaigns.rules.retries import (
    LONGEST,
    MACHINES,
    RETRYABLE,
    SEARCH_HORIZON,
    Rule,
    at_another_time_of_day,
    next_attempt,
    part_of_day,
)
from campaigns.rules.windows import Hours, Window, is_open, next_opening
from tests.conftest import examples

COUNTRIES = {"FR", "GB", "US", "CA", "DE", "IT"}
WRITTEN = ("+33123456789", "01 23 45 67 89", "(514) 555-1234", "030/123456", "+442079460018")
END = datetime(2026, 6, 1, 12, tzinfo=UTC)

outcomes = st.sampled_from(("no_answer", "busy", "failed", "voicemail", "completed", "canceled", "unknown", "expired"))
waits = st.timedeltas(timedelta(0), timedelta(days=60))
rules = st.lists(st.builds(Rule, outcomes, waits, st.integers(1, 50)), max_size=6, unique_by=lambda rule: rule.outcome)


@given(
    st.sampled_from(WRITTEN),
    st.sampled_from(("ext", "ext.", "x", "#", ",", "poste", "Durchwahl ", "int ", ";", ";ext=", ";ani=")),
    st.integers(0, 99_999),
    st.sampled_from(("FR", "US", "DE")),
)
def test_no_extension_or_parameter_slips_into_a_number(number: str, mark: str, digits: int, region: str) -> None:
    try:
        found = normalise(f"{number}{mark}{digits}", region, COUNTRIES)
    except NotCallable:
        return
    raise AssertionError(f"taken for {found}")


@given(st.sampled_from(WRITTEN), st.text(" \u00a0.-()\u202a\u200b", max_size=4), st.sampled_from(("FR", "CA", "DE")))
def test_a_number_however_decorated_stays_one_e164_number(number: str, around: str, region: str) -> None:
    try:
        found = normalise(f"{around}{number}{around}", region, COUNTRIES)
    except NotCallable:
        return
    assert E164.fullmatch(found)
    assert normalise(found, "US", COUNTRIES) == found


@given(rules, outcomes, st.booleans(), st.integers(0, 60), st.integers(1, 50), waits)
def test_a_retry_keeps_the_wait_the_gap_and_both_limits(
    given_rules: list[Rule], outcome: str, voicemail: bool, attempts: int, most: int, gap: timedelta
) -> None:
    again = next_attempt(given_rules, outcome, voicemail, attempts, most, END, gap)
    if again is None:
        return
    assert attempts < most
    assert outcome in RETRYABLE | MACHINES
    by_outcome = {rule.outcome: rule for rule in given_rules}
    rule = by_outcome.get("voicemail") if voicemail and outcome in MACHINES else None
    rule = rule or by_outcome[outcome]
    assert attempts < rule.max_attempts
    assert again == END + max(rule.wait, gap)


multipliers = st.decimals(1, 10, places=2)
caps = st.none() | waits
growing = st.builds(Rule, st.just("busy"), waits, st.just(50), multipliers, caps)


@given(growing, st.integers(1, 49), waits)
def test_waits_grow_with_every_call_and_never_pass_their_cap(rule: Rule, attempts: int, gap: timedelta) -> None:
    again, later = (next_attempt([rule], "busy", False, made, 50, END, gap) for made in (attempts, attempts + 1))
    assert again is not None
    cap = min(LONGEST, rule.max_wait if rule.max_wait is not None else LONGEST)
    assert again >= END + gap
    assert again >= END + min(rule.wait, cap)
    assert again <= END + max(gap, cap)
    assert later is None or later >= again


ZONES = ("Europe/Paris", "America/New_York", "America/Havana", "Asia/Beirut", "Asia/Kolkata", "Australia/Lord_Howe")
windows = st.builds(
    Window, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1440)
).filter(lambda window: window.opens != window.closes)
some_hours = st.lists(st.builds(Hours, st.lists(windows, max_size=4).map(tuple)), min_size=1, max_size=2)
# These days include the clock changes of Europe and America.
minutes = st.integers(0, 40 * 1440).map(lambda minute: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute))
autumn = minutes.map(lambda moment: moment + timedelta(days=225))


@examples(100)
@given(
    some_hours,
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=3),
    minutes | autumn,
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=12)),
    st.integers(0, 10**9),
)
def test_another_time_of_day_is_never_too_early_nor_closed_nor_after_the_end(
    hours: list[Hours], zones: list[str], last: datetime, wait: timedelta, left: timedelta | None, seed: int
) -> None:
    earliest = last + wait
    ends = None if left is None else earliest + left
    found = at_another_time_of_day(earliest, last, hours, zones, ends, seed)
    opening = next_opening(hours, zones, earliest)
    assert found >= earliest
    assert found == at_another_time_of_day(earliest, last, hours, zones, ends, seed)
    if opening is None or (ends and opening >= ends):
        assert found == earliest
        return
    assert is_open(hours, zones, found)
    assert ends is None or found < ends
    zone = ZoneInfo(zones[0])
    if part_of_day(zone, found) != part_of_day(zone, last):
        return
    # It did not move: then no other part of the day opens in time. Every quarter of an hour is checked.
    assert found == opening
    moment, until = earliest, min(ends or earliest + SEARCH_HORIZON, earliest + SEARCH_HORIZON)
    while moment < until:
        if is_open(hours, zones, moment):
            assert part_of_day(zone, moment) == part_of_day(zone, last), moment
        moment += timedelta(minutes=15)

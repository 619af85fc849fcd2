from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.windows import (
    Hours,
    Window,
    clock,
    is_open,
    next_opening,
    parse_clock,
    parse_day_names,
)
from tests.conftest import examples
from tests.oracle import minutes, zones
from tests.tables import cases

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)
EVERY_DAY = frozenset(range(7))
ZONES = [
    *("Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Havana", "America/Los_Angeles"),
    *("America/Mexico_City", "America/New_York", "America/Nuuk", "America/Santiago", "America/St_Johns"),
    *("Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Kolkata"),
    *("Atlantic/Azores", "Australia/Lord_Howe", "Australia/Sydney", "Europe/Chisinau", "Europe/Dublin"),
    *("Europe/London", "Europe/Paris", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter"),
]
HOURS = (
    Hours((Window(EVERY_DAY, 9 * 60, 20 * 60),)),
    Hours((Window(EVERY_DAY, 2 * 60 + 30, 3 * 60 + 15), Window(EVERY_DAY, 0, 45))),
    Hours((Window(frozenset({4, 5, 6}), 22 * 60, 2 * 60 + 15), Window(frozenset({0}), 90, 24 * 60))),
    Hours((Window(EVERY_DAY, 30, 100), Window(EVERY_DAY, 23 * 60 + 30, 24 * 60))),
)


def plain(hours: Hours) -> minutes.Hours:
    """Return the same windows and holidays as the oracle's plain values."""
    openings = (minutes.Opening(tuple(window.days), window.opens, window.closes) for window in hours.windows)
    return minutes.Hours(tuple(openings), hours.holidays)


def open_there(hours: Sequence[Hours], names: Sequence[str], moment: datetime) -> bool:
    return all(plain(each).open_at(zones.wall(name, moment)) for name in names for each in hours)


def clock_changes(name: str) -> list[datetime]:
    """Return a moment before each jump of the clock."""
    return [moment - 12 * HOUR for moment, _ in zones.changes(name)[1:] if moment.year < 2029]


@cases("name", ZONES)
def test_every_minute_around_every_clock_change_agrees_with_the_table(name: str) -> None:
    for start in clock_changes(name):
        for hours in HOURS:
            table = plain(hours)
            for number in range(-180, 1440 + 180, 3):
                moment = start + number * MINUTE
                expected = table.open_at(zones.wall(name, moment))
                assert is_open([hours], [name], moment) == expected, (name, moment, hours)


@cases("name", ZONES)
def test_the_next_opening_around_every_clock_change_is_the_first_of_the_table(name: str) -> None:
    for start in clock_changes(name):
        for hours in HOURS:
            table = plain(hours)
            each = [start + number * MINUTE for number in range(-300, 1800)]
            opened = [table.open_at(zones.wall(name, minute)) for minute in each]
            for index in range(0, 1200, 149):
                expected = next((each[at] for at in range(index, len(each)) if opened[at]), None)
                found = next_opening([hours], [name], each[index])
                if expected is None:
                    assert found is None or found > each[-1]
                else:
                    assert found == expected, (name, hours, each[index])


windows = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    opens=st.integers(0, 1439),
    closes=st.integers(0, 1440),
).filter(lambda window: window.opens != window.closes)
some_hours = st.builds(
    Hours,
    windows=st.lists(windows, max_size=3).map(tuple),
    holidays=st.frozensets(st.dates(date(2026, 3, 20), date(2026, 4, 10)), max_size=4),
)
moments = st.integers(0, 14 * 1440).map(lambda minutes: datetime(2026, 3, 24, tzinfo=UTC) + minutes * MINUTE)
some_zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3)


@examples(35)
@given(st.lists(some_hours, max_size=3), some_zones, moments)
def test_it_is_never_open_when_any_zone_or_any_hours_are_closed(
    hours: list[Hours], names: list[str], moment: datetime
) -> None:
    assert is_open(hours, names, moment) == open_there(hours, names, moment)


@examples(25)
@given(st.lists(some_hours, min_size=1, max_size=2), some_zones, moments)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    hours: list[Hours], names: list[str], moment: datetime
) -> None:
    found = next_opening(hours, names, moment, horizon_days=4)
    end = moment + 4 * DAY if found is None else found
    if found is not None:
        assert open_there(hours, names, found)
    while moment < end:
        assert not open_there(hours, names, moment), moment
        moment += 7 * MINUTE


@examples(25)
@given(
    window=windows,
    closures=st.lists(st.tuples(st.integers(0, 390), st.integers(1, 400)), min_size=1, max_size=3),
    names=some_zones,
    moment=moments,
)
def test_the_next_opening_after_any_closures_is_the_first_open_minute(
    window: Window, closures: list[tuple[int, int]], names: list[str], moment: datetime
) -> None:
    """A weekly window and closures of 1 to 400 days: each minute of thirteen months is looked at by itself."""
    first = moment.date()
    closed = frozenset(first + (start + day) * DAY for start, lasts in closures for day in range(lasts))
    hours = Hours((window,), closed)
    calendar = minutes.Calendar(moment - moment.minute % 15 * MINUTE, moment + 398 * DAY)
    table = calendar.all_open(tuple(names), (plain(hours),))
    at = table.find(1, calendar.minute(moment))
    found = next_opening([hours], names, moment)
    if at >= 0:
        assert found == calendar.at(at)
    else:
        assert found is None or found >= moment + 398 * DAY


def test_a_nonexistent_opening_opens_when_the_clock_jumps() -> None:
    hours = Hours((Window(EVERY_DAY, 150, 300),))  # 02:30 does not exist that night
    night = datetime(2026, 3, 8, 6, 0, tzinfo=UTC)
    assert next_opening([hours], ["America/New_York"], night) == datetime(2026, 3, 8, 7, 0, tzinfo=UTC)


def test_an_hour_that_comes_twice_opens_twice() -> None:
    hours = Hours((Window(EVERY_DAY, 60, 90),))  # 01:00 to 01:30
    first = datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    assert next_opening([hours], ["America/New_York"], first) == first
    assert next_opening([hours], ["America/New_York"], first + 30 * MINUTE) == first + 60 * MINUTE


def test_a_holiday_closes_its_own_minutes_and_the_night_it_begins() -> None:
    night = Hours((Window(EVERY_DAY, 22 * 60, 120),), frozenset({date(2026, 12, 25)}))
    assert is_open([night], ["UTC"], datetime(2026, 12, 24, 23, 0, tzinfo=UTC))
    assert not is_open([night], ["UTC"], datetime(2026, 12, 25, 1, 0, tzinfo=UTC))
    assert not is_open([night], ["UTC"], datetime(2026, 12, 25, 23, 0, tzinfo=UTC))
    assert not is_open([night], ["UTC"], datetime(2026, 12, 26, 1, 0, tzinfo=UTC))
    assert is_open([night], ["UTC"], datetime(2026, 12, 26, 22, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "ahead"), [("Pacific/Auckland", 12), ("Asia/Kolkata", 5.5), ("Pacific/Honolulu", -10)]
)
def test_a_holiday_is_a_day_of_the_place(name: str, ahead: float) -> None:
    """In June: its 24 hours begin `ahead` of midnight UTC, and nothing else is closed."""
    always = Hours((Window(EVERY_DAY, 0, 1440),), frozenset({date(2026, 6, 10)}))
    first = datetime(2026, 6, 10, tzinfo=UTC) - ahead * HOUR
    for hour, expected in ((-0.5, True), (0, False), (12, False), (23.5, False), (24, True)):
        assert is_open([always], [name], first + hour * HOUR) is expected, hour


@pytest.mark.parametrize(
    "zones", [(), ("Nowhere/Land",), ("Europe/Paris", "Nowhere/Land"), ("",), ("Europe",), ("../x",)]
)
def test_an_unknown_zone_is_never_open(zones: tuple[str, ...]) -> None:
    always = Hours((Window(EVERY_DAY, 0, 1440),))
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert not is_open([always], zones, now)
    assert next_opening([always], zones, now) is None


def test_hours_without_windows_never_open() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert not is_open([Hours(())], ["UTC"], now)
    assert next_opening([Hours(())], ["UTC"], now) is None


def test_a_moment_without_a_zone_is_an_error_and_not_a_guess() -> None:
    naive = datetime(2026, 6, 1, 12)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        is_open([Hours(())], ["UTC"], naive)
    with pytest.raises(ValueError, match="time zone"):
        next_opening([Hours(())], ["UTC"], naive)


def test_an_opening_beyond_the_horizon_is_none() -> None:
    mondays = Hours((Window(frozenset({0}), 540, 600),))
    tuesday = datetime(2026, 6, 2, tzinfo=UTC)
    assert next_opening([mondays], ["UTC"], tuesday, horizon_days=5) is None
    assert next_opening([mondays], ["UTC"], tuesday) == datetime(2026, 6, 8, 9, tzinfo=UTC)


def test_an_opening_found_before_holds_until_it_comes_and_not_after() -> None:
    """The product remembers openings. Each question is asked in this order, and the answers are counted by hand."""
    hours = [Hours((Window(EVERY_DAY, 540, 600),))]
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    for hour, opens in ((8, 9), (8.5, 9), (9, 9), (9.5, 9.5), (10, 33), (7, 9), (34, 57), (11, 33), (2, 9), (60, 81)):
        assert next_opening(hours, ["UTC"], monday + hour * HOUR) == monday + opens * HOUR, hour


def test_windows_that_never_meet_never_open() -> None:
    morning, evening = Hours((Window(EVERY_DAY, 480, 540),)), Hours((Window(EVERY_DAY, 1200, 1260),))
    assert next_opening([morning, evening], ["UTC"], datetime(2026, 6, 1, tzinfo=UTC)) is None


def test_a_question_asked_again_costs_a_few_calls_of_functions() -> None:
    """Asked for each of 100,000 recipients: the zone and its rules are looked up once."""
    hours = [Hours((Window(EVERY_DAY, 540, 1200),)), Hours((Window(EVERY_DAY, 480, 1260),))]
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    is_open(hours, ("Europe/Paris",), now)
    work: list[str] = []
    sys.setprofile(lambda frame, event, _: work.append(frame.f_code.co_name) if event == "call" else None)
    try:
        is_open(hours, ("Europe/Paris",), now)
    finally:
        sys.setprofile(None)
    assert 0 < len(work) <= 20, work


@pytest.mark.parametrize("days", [None, [], "mon", {"mon": 1}, ["monday"], ["Mon"], [0], [["mon"]], ["mon", None]])
def test_what_is_not_a_list_of_days_is_refused(days: object) -> None:
    with pytest.raises(ValidationError):
        parse_day_names(days)


def test_days_become_numbers_from_monday() -> None:
    assert parse_day_names(["sun", "mon", "mon"]) == frozenset({0, 6})


@pytest.mark.parametrize(
    ("text", "minutes"), [("00:00", 0), ("9:05", 545), ("09:00", 540), ("23:59", 1439), ("24:00", 1440)]
)
def test_a_clock_time_becomes_minutes(text: str, minutes: int) -> None:
    assert parse_clock(text) == minutes
    assert parse_clock(clock(minutes)) == minutes


@cases(
    "text",
    ["", "9", "24:01", "25:00", "09:60", "-1:00", "09:00 ", "09:00\n", "٠٩:٠٠", None, 9, "9am"],  # noqa: RUF001
)
def test_what_is_not_a_clock_time_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        parse_clock(text)


def test_a_window_shows_its_hours() -> None:
    assert Window(EVERY_DAY, 540, 1440).text == "09:00-24:00"

"""The oracle by itself: it shares nothing with the product, and both tables of the tz database agree with it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.oracle import laws, numbers, zones
from tests.oracle.minutes import Calendar, Hours, opening

ROOT = Path(__file__).resolve().parents[2]
# What a judge may know: its own modules, and the standard library. Not the product, and not what the product asks.
FOREIGN = {"calls", "campaigns", "config", "providers", "tenants", "phonenumbers", "tzlocal", "django"}
DRIVERS = {"__main__", "run", "world", "deeds", "engine"}  # they run the product; all else plans or judges
JUDGES = [
    path
    for folder, drivers in (("tests/oracle", frozenset[str]()), ("tests/simulation", DRIVERS))
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.stem not in drivers and not path.name.startswith("test_")
]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the whole name of the module"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(paths: Iterable[Path]) -> dict[str, str]:
    """Return every module that these files import, directly or through files of `tests`, and a file that does."""
    found: dict[str, str] = {}
    ahead = list(paths)
    while ahead:
        path = ahead.pop()
        for name in imported(path):
            if name not in found:
                found[name] = str(path.relative_to(ROOT))
                parts = name.split(".")
                ahead += [
                    file
                    for length in range(1, len(parts) + 1)
                    if parts[0] == "tests" and (file := ROOT.joinpath(*parts[:length]).with_suffix(".py")).is_file()
                ]
    return found


def test_the_judges_share_nothing_with_the_product() -> None:
    assert {"oracle", "left_behind", "minutes", "plan"} <= {path.stem for path in JUDGES}
    found = reached(JUDGES)
    assert "tests.oracle.minutes.Hours" in found
    assert {name: path for name, path in found.items() if name.partition(".")[0] in FOREIGN} == {}


def test_an_import_of_the_product_is_found() -> None:
    assert "campaigns.rules.windows.is_open" in reached([ROOT / "tests/campaigns/test_windows.py"])
    assert "calls.actions.campaigns" in reached([ROOT / "tests/simulation/test_judge.py"]), "through another file"


def test_both_tables_of_the_tz_database_give_a_country_the_same_clocks() -> None:
    wrong = []
    for country in {row.country for row in numbers.PREFIXES}:
        one = {zones.changes(zone) for zone in zones.by_country()[country]}
        other = {zones.changes(row[2]) for row in zones.rows("zone.tab") if row[0] == country}
        wrong += [country] if one != other else []
    assert wrong == []


def test_the_zones_of_a_prefix_are_zones_of_its_country() -> None:
    for row in numbers.PREFIXES:
        country = {zones.changes(zone) for zone in zones.by_country()[row.country]}
        assert {zones.changes(zone) for zone in row.zones} <= country, row
        assert not row.nowhere or not row.zones


@pytest.mark.parametrize(
    ("phone", "own", "expected"),
    [
        ("+12125550140", "", ("America/New_York",)),
        ("+14235550140", "", ("America/New_York", "America/Chicago")),
        ("+14235550140", "America/Chicago", ("America/Chicago",)),
        ("+12125550140", "America/Detroit", ("America/Detroit",)),
        ("+12125550140", "Asia/Tokyo", ("Asia/Tokyo", "America/New_York")),
        ("+12125550140", "EST", ("America/New_York",)),
        ("+12125550140", "Etc/GMT-5", ("America/New_York",)),
        ("+18005550140", "", ("Asia/Kolkata",)),
        ("+18005550140", "Asia/Tokyo", ("Asia/Tokyo",)),
        ("+972541234567", "Europe/Athens", ("Europe/Athens", "Asia/Jerusalem")),  # two days a year apart
    ],
)
def test_where_a_contact_may_be(phone: str, own: str, expected: tuple[str, ...]) -> None:
    assert numbers.zones_for(phone, own, "Asia/Kolkata") == expected


def test_a_number_that_no_row_knows_is_an_error() -> None:
    with pytest.raises(LookupError):
        numbers.prefix_of("+2348012345678")


def test_a_clock_jumps_when_the_law_says_so() -> None:
    """2026: the United States on 8 March and 1 November at two, the Union on 29 March and 25 October at one UTC."""
    new_york = [moment for moment, _ in zones.changes("America/New_York") if moment.year == 2026]
    paris = [moment for moment, _ in zones.changes("Europe/Paris") if moment.year == 2026]
    assert new_york == [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)]
    assert paris == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    assert len(zones.changes("Asia/Kolkata")) == 1


def test_the_minutes_know_holidays_midnight_and_jumping_clocks() -> None:
    begin = datetime(2026, 3, 6, tzinfo=UTC)
    calendar = Calendar(begin, begin + timedelta(days=4))
    nights = (opening([5], 22, 4),)  # Saturday the 7th into Sunday, when two becomes three
    for closed, hours in ((None, 5), (date(2026, 3, 7), 0), (date(2026, 3, 8), 2)):
        table = calendar.open_in("America/New_York", Hours(nights, frozenset({closed} if closed else ())))
        assert sum(table) == hours * 60
        assert len(table) == calendar.minutes


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    table = Calendar(begin, begin + timedelta(days=1)).open_in("America/New_York", Hours((opening(range(7), 1, 2),)))
    assert sum(table) == 120


def test_all_zones_and_all_hours_must_be_open() -> None:
    begin = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday without summer time
    calendar, day = Calendar(begin, begin + timedelta(days=1)), (Hours((opening(range(7), 9, 20),)),)
    assert sum(calendar.all_open(("Europe/Kaliningrad", "Asia/Kamchatka"), day)) == 60, "one hour a day"
    assert sum(calendar.all_open(("Europe/Kaliningrad", "Asia/Kamchatka"), (*day, laws.law("DE")))) == 60
    assert sum(calendar.all_open(("Europe/Kaliningrad",), (*day, laws.law("FR")))) == 9 * 60


def test_a_quarter_of_an_hour_is_its_minutes() -> None:
    hours = Hours((opening(range(7), 22, 2.1), opening([1], 9.05, 12)), frozenset({date(2026, 3, 10)}))
    first = datetime(2026, 3, 8)  # noqa: DTZ001
    for number in range(4 * 96):
        local = first + number * timedelta(minutes=15)
        one_by_one = [hours.open_at(local + minute * timedelta(minutes=1)) for minute in range(15)]
        assert list(hours.quarter(local)) == one_by_one, local

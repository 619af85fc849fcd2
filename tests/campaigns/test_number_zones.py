"""Where a number may be, judged by the tz database's own tables and by arithmetic of this file alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
import tzdata
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.rules import number_zones as module
from campaigns.rules.number_zones import HIDDEN, area_zones, clock_of, country_zones, number_zones
from tests.campaigns.calling_zones import FIXED, number_of
from tests.oracle import zones
from tests.tables import cases
from tests.tzfile import jumps_of

TABLES = Path(tzdata.__file__).parent / "zoneinfo"
NO_COUNTRY_OF_TZ = {"AC": "SH", "TA": "SH", "XK": "RS"}
MOBILES_WITH_AREA_CODES = {1, 52, 54, 55}
MOMENTS = [datetime(2027, month, 15, hour, 15, tzinfo=UTC) for month in (1, 7) for hour in range(24)]


def zones_of_country(country: str) -> set[str]:
    """Read off `zone.tab`: one country and one zone a row."""
    code = NO_COUNTRY_OF_TZ.get(country, country)
    rows = [line.split("\t") for line in (TABLES / "zone.tab").read_text().splitlines() if line[:1] != "#"]
    return {row[2] for row in rows if row[0] == code}


def wall_clock(zone: str, moment: datetime) -> int:
    local = moment.astimezone(ZoneInfo(zone))
    return local.hour * 60 + local.minute


def examples() -> Iterator[tuple[str, str, int]]:
    """A number of each region and kind: the region, the number, its kind."""
    kinds = phonenumbers.PhoneNumberType
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (kinds.MOBILE, kinds.FIXED_LINE, kinds.VOIP):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None and phonenumbers.region_code_for_number(number) == region:
                yield region, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), kind


def test_a_mobile_number_is_wherever_its_country_is() -> None:
    wrong = []
    for region, e164, _ in examples():
        number = phonenumbers.parse(e164)
        if phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE:
            continue
        if number.country_code in MOBILES_WITH_AREA_CODES:
            continue
        for moment in MOMENTS:
            ours = {wall_clock(zone, moment) for zone in number_zones(e164)}
            theirs = {wall_clock(zone, moment) for zone in zones_of_country(region)}
            if not theirs <= ours:
                wrong.append((region, e164, moment, theirs - ours))
    assert wrong == []


def test_every_number_keeps_clocks_of_its_own_country_alone() -> None:
    wrong = []
    for region, e164, _ in examples():
        found = number_zones(e164)
        allowed = {wall_clock(zone, MOMENTS[0]) for zone in zones_of_country(region)}
        if not found or not {wall_clock(zone, MOMENTS[0]) for zone in found} <= allowed:
            wrong.append((region, e164, found))
    assert wrong == []


@cases(
    ("number", "clocks"),
    [
        ("+18765551234", {"America/Jamaica"}),
        ("+12425551234", {"America/Nassau"}),
        ("+74951234567", {"Europe/Moscow"}),
        ("+61291234567", {"Australia/Sydney"}),
        ("+61889123456", {"Australia/Darwin", "Australia/Adelaide", "Australia/Perth"}),  # Jabiru
        ("+869912345678", {"Asia/Shanghai", "Asia/Urumqi"}),
        ("+68940912345", {"Pacific/Tahiti", "Pacific/Marquesas", "Pacific/Gambier"}),  # Nuku Hiva
        ("+68940412345", {"Pacific/Tahiti"}),
        ("+861012345678", {"Asia/Shanghai"}),
        ("+78452123456", {"Europe/Moscow", "Europe/Saratov"}),
        ("+56221234567", {"America/Santiago", "America/Coyhaique", "Pacific/Easter"}),  # it may be a mobile number
        ("+5511987654321", {"America/Sao_Paulo"}),  # a mobile with an area code
        ("+34928123456", {"Atlantic/Canary"}),
        ("+34612345678", {"Europe/Madrid", "Atlantic/Canary"}),
        ("+351291123456", {"Atlantic/Madeira"}),
        ("+351912345678", {"Europe/Lisbon", "Atlantic/Azores"}),
        ("+62812345678", {"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"}),
        ("+12125550123", {"America/New_York"}),
        ("+16025551234", {"America/Phoenix"}),
        ("+12195551234", {"America/New_York", "America/Chicago"}),  # Indiana's north-west
        ("+14235551234", {"America/New_York", "America/Chicago"}),  # Chattanooga and its west
        ("+18505551234", {"America/New_York", "America/Chicago"}),  # the panhandle of Florida
        ("+14485551234", {"America/New_York", "America/Chicago"}),  # lies over 850
        ("+13645551234", {"America/New_York", "America/Chicago"}),  # lies over 270
        ("+19305551234", {"America/New_York", "America/Chicago"}),  # lies over 812
        ("+19865551234", {"America/Boise", "America/Los_Angeles"}),  # lies over 208
        ("+14585551234", {"America/Boise", "America/Los_Angeles"}),  # lies over 541
        ("+16055551234", {"America/Denver", "America/Chicago"}),
        ("+19285551234", {"America/Denver", "America/Phoenix"}),
        ("+12193651234", {"America/Chicago"}),  # an exchange that is listed
    ],
)
def test_places_that_people_know(number: str, clocks: set[str]) -> None:
    assert {clock_of(zone) for zone in number_zones(number)} == {clock_of(zone) for zone in clocks}


@pytest.mark.parametrize("number", ["+18005551234", "+883510000000000", "+870773111632", "+80012345678", "+999123"])
def test_a_number_without_a_place_tells_no_zone(number: str) -> None:
    assert number_zones(number) == ()


def test_an_area_code_counts_for_every_zone_of_its_listed_exchanges() -> None:
    """The library's prefixes, read here by themselves: none of an area's zones may be missing."""
    missing = []
    for prefix, listed in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4 and area_zones(prefix[1:4]):
            ours = {clock_of(zone) for zone in area_zones(prefix[1:4])}
            missing += [(prefix, zone) for zone in listed if clock_of(zone) not in ours]
    assert missing == []


def test_every_clock_of_a_country_is_that_of_some_of_its_numbers() -> None:
    """A clock that no number of a country has is one that the library's prefixes hide."""
    hidden = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        code = str(phonenumbers.country_code_for_region(region))
        if len(country_zones(region)) < 2 or code == "1":
            continue
        areas = [code, *(prefix for prefix in TIMEZONE_DATA if prefix.startswith(code))]
        finer = (f"{area}{more:0{digits}}" for digits in (1, 2) for area in areas for more in range(10**digits))
        left = {clock_of(zone): zone for zone in zones_of_country(region)}
        for area in finer:
            if not left:
                break
            if number := number_of(area, FIXED):
                for zone in number_zones(number):
                    left.pop(clock_of(zone), None)
        hidden += [(region, zone) for zone in left.values()]
    assert hidden == []


def test_the_table_of_area_codes_names_area_codes_and_zones_that_exist() -> None:
    listed = {prefix[1:4] for prefix in TIMEZONE_DATA if prefix.startswith("1") and len(prefix) >= 4}
    assert set(module.ALSO_IN) <= listed
    assert set(module.OVERLAYS) <= listed
    assert not set(module.OVERLAYS) & set(module.OVERLAYS.values())
    assert all(any(known.startswith(prefix[:3]) for known in TIMEZONE_DATA) for prefix in HIDDEN)
    for names in (*module.ALSO_IN.values(), *HIDDEN.values()):
        assert {*names} <= zones.places()


def test_zones_that_keep_one_clock_are_one_place() -> None:
    assert country_zones("GB") == ("Europe/London",)
    assert country_zones("DE") == ("Europe/Berlin",)
    assert country_zones("ZZ") == ()
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        found = country_zones(country)
        assert len({clock_of(zone) for zone in found}) == len(found) > 0, country


def test_a_clock_has_every_change_of_the_tz_databases_own_files() -> None:
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 3, tzinfo=UTC)
    for zone in sorted(zones.places()):
        jumps = [jump for jump in jumps_of(zone, 2025, 2035) if start < jump.at <= end]
        (first, offset), *changes = clock_of(zone)
        assert first == start and changes == [(jump.at, jump.after) for jump in jumps], zone
        assert all(later.at - earlier.at > timedelta(weeks=1) for earlier, later in pairwise(jumps)), zone
        assert offset == ZoneInfo(zone).utcoffset(start), zone


def test_clocks_differ_where_one_keeps_summer_time() -> None:
    assert clock_of("America/Phoenix") != clock_of("America/Denver")
    assert clock_of("Europe/Jersey") == clock_of("Europe/London")
    assert [offset for _, offset in clock_of("America/Jamaica")] == [timedelta(hours=-5)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Asia/Jerusalem", "Europe/Athens"),  # two days apart, in March
        ("America/Havana", "America/New_York"),  # the same night, but at midnight instead of two
        ("Asia/Beirut", "Europe/Athens"),
    ],
)
def test_clocks_that_change_at_other_hours_are_not_the_same(one: str, other: str) -> None:
    assert zones.changes(one) != zones.changes(other)
    assert clock_of(one) != clock_of(other)

"""Nobody is callable while a zone in which the number may be is closed: every region, hour and campaign zone.

The oracle is the tz database's `zone.tab`, the library's own list of a number's zones, and the arithmetic of this file.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
import pytest
import tzdata
from phonenumbers.timezone import time_zones_for_number
from tzlocal.windows_tz import win_tz

from calls.gate.decision import decide
from campaigns.rules import windows
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.whereabouts import ZoneRule, candidate_zones
from campaigns.rules.windows import Hours, Window
from campaigns.rules.zone_words import NotAZone, is_place, read_zone
from tests.calls.test_gate import FINE
from tests.campaigns.calling_zones import numbers_by_region

TABLE = Path(tzdata.__file__).parent / "zoneinfo" / "zone.tab"
NO_COUNTRY_OF_TZ = {"AC": "SH", "TA": "SH", "XK": "RS"}
MOBILES_WITH_AREA_CODES = {1, 52, 54, 55}
pytestmark = pytest.mark.slow
CONTINENTS = ["Africa/Lagos", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Europe/Paris"]
# Every hour of a Wednesday and of the Saturday after, in both halves of the year. No holiday in any of the tables.
DAYS = [datetime(2027, month, day, tzinfo=UTC) for month, day in ((1, 13), (1, 16), (7, 7), (7, 10))]
MOMENTS = [day + timedelta(hours=hour, minutes=20) for day in DAYS for hour in range(24)]
WEEKDAYS_NINE_TO_EIGHT = Hours((Window(frozenset(range(5)), 9 * 60, 20 * 60),))
ABBREVIATIONS = "EST EDT CST CDT MST MDT PST PDT ET CT PT GMT BST CET CEST MEZ EET WET MSK IST JST AEST ACST AWST SAST"
OTHERS = "Etc/GMT-5 UTC UTC+1 GMT+2 EST5EDT Paris London Tokyo Moscow Sydney Darwin"
WORDS = [*win_tz, *ABBREVIATIONS.split(), *OTHERS.split()]


@cache
def wall(zone: str, moment: datetime) -> tuple[int, int]:
    local = moment.astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour * 60 + local.minute


CLOCKS: dict[tuple[tuple[int, int], ...], int] = {}


@cache
def clock(zone: str) -> int:
    """A number for the zone's clock: zones whose clocks agree at every moment have the same one."""
    return CLOCKS.setdefault(tuple(wall(zone, moment) for moment in MOMENTS), len(CLOCKS))


def is_open(zone: str, moment: datetime) -> bool:
    weekday, minute = wall(zone, moment)
    return weekday < 5 and 9 * 60 <= minute < 20 * 60


@cache
def zones_of_country(region: str) -> frozenset[str]:
    code = NO_COUNTRY_OF_TZ.get(region, region)
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if line[:1] != "#"]
    return frozenset(row[2] for row in rows if row[0] == code)


@cache
def may_be_in(number: str, region: str) -> frozenset[str]:
    """The country's zones; of a fixed line, or a number with an area code, those whose clock the library names."""
    parsed = phonenumbers.parse(number)
    kinds = phonenumbers.PhoneNumberType
    kind = phonenumbers.number_type(parsed)
    everywhere = zones_of_country(region)
    if kind != kinds.FIXED_LINE and parsed.country_code not in MOBILES_WITH_AREA_CODES:
        return everywhere
    named = {clock(zone) for zone in time_zones_for_number(parsed) if zone in available_timezones()}
    return frozenset(zone for zone in everywhere if clock(zone) in named) or everywhere


@cache
def allowed(zones: tuple[str, ...], law: Hours) -> frozenset[datetime]:
    """The moments at which the gate's check of hours lets a call to contacts in these zones go out."""
    hours = (WEEKDAYS_NINE_TO_EIGHT, law)
    return frozenset(moment for moment in MOMENTS if windows.is_open(hours, zones, moment))


@cache
def all_open(zones: frozenset[str]) -> frozenset[datetime]:
    return frozenset(moment for moment in MOMENTS if all(is_open(zone, moment) for zone in zones))


@cache
def numbers() -> list[tuple[str, str]]:
    """A number of each area that the library knows, mobile and fixed, with its region: one for all that are alike."""
    found: dict[tuple[object, ...], tuple[str, str]] = {}
    for (region, _), alike in sorted(numbers_by_region().items()):
        for number in alike:
            ours = candidate_zones("", number, ZoneRule("UTC"))
            found.setdefault((region, ours, may_be_in(number, region), legal_hours(number)), (region, number))
    return list(found.values())


@pytest.mark.parametrize("home", CONTINENTS)
def test_no_number_is_called_while_a_zone_in_which_it_may_be_is_closed(home: str) -> None:
    wrong, callable_ = [], set()
    for region, number in numbers():
        found = allowed(candidate_zones("", number, ZoneRule(home)), legal_hours(number))
        callable_ |= {region} if found else set()
        if not found <= all_open(may_be_in(number, region)):
            wrong.append((region, number, sorted(found - all_open(may_be_in(number, region)))[:1]))
    assert wrong == []
    assert callable_ == {region for region, _ in numbers()}, "every region can be called at some hour"


@pytest.mark.parametrize("home", CONTINENTS)
def test_in_a_chosen_country_only_numbers_of_several_clocks_follow_the_campaign(home: str) -> None:
    wrong = []
    for region, number in numbers():
        rule = ZoneRule(home, home_countries=frozenset({region}))
        found = allowed(candidate_zones("", number, rule), legal_hours(number))
        several = len({clock(zone) for zone in may_be_in(number, region)}) > 1
        if not found <= all_open(may_be_in(number, region)) and not (several and found <= all_open(frozenset({home}))):
            # The library names one clock where a part of the area has another: those numbers follow the campaign, too.
            both = len(candidate_zones("", number, ZoneRule(home))) > 1
            wrong += [] if both and found <= all_open(frozenset({home})) else [(region, number)]
    assert wrong == []


@pytest.mark.parametrize("number", ["+12195551234", "+33612345678", "+61412345678", "+79161234567"])
def test_the_gate_allows_what_its_check_of_hours_allows(number: str) -> None:
    zones, law = candidate_zones("", number, ZoneRule("Asia/Kolkata")), legal_hours(number)
    facts = replace(FINE, zones=zones, hours=(WEEKDAYS_NINE_TO_EIGHT, law))
    passed = {moment for moment in MOMENTS if decide(facts, moment).verdict == "allow"}
    assert passed == allowed(zones, law) <= all_open(frozenset(zones)) and passed


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.proof)])
def test_a_contacts_zone_never_opens_the_hours_of_its_number(step: int) -> None:
    """A zone of the number alone decides where its clock is one of the number's; any other only closes more."""
    wrong = []
    places = sorted(filter(is_place, available_timezones()))
    for n, (region, number) in enumerate(numbers()):
        own, law = may_be_in(number, region), legal_hours(number)
        for zone in places[n % step :: step]:
            found = allowed(candidate_zones(zone, number, ZoneRule("Asia/Kolkata")), law)
            # The product may know a clock of the area that the library does not name; it is the country's anyway.
            narrows = clock(zone) in {clock(each) for each in zones_of_country(region)}
            expected = all_open(frozenset({zone}))
            if not narrows:
                expected &= all_open(own)
            elif clock(zone) not in {clock(each) for each in own}:
                expected &= all_open(own) | _known_to_the_product(zone, number)
            if not found <= expected:
                wrong.append((region, number, zone))
    assert wrong[:10] == []


def _known_to_the_product(zone: str, number: str) -> frozenset[datetime]:
    """Where the dated tables add a clock to an area, its contacts may be there alone."""
    alone = {clock(each) for each in candidate_zones("", number, ZoneRule("Asia/Kolkata"))}
    return frozenset(MOMENTS) if clock(zone) in alone else frozenset()


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.proof)])
def test_a_trusted_zone_opens_its_own_hours_and_no_others(step: int) -> None:
    wrong = []
    places = sorted(filter(is_place, available_timezones()))
    rule = ZoneRule("Asia/Kolkata", trusts_contacts=True)
    for n, (region, number) in enumerate(numbers()):
        for zone in places[n % step :: step]:
            if not allowed(candidate_zones(zone, number, rule), legal_hours(number)) <= all_open(frozenset({zone})):
                wrong.append((region, number, zone))
    assert wrong[:10] == []


def test_a_word_for_a_zone_is_read_as_a_clock_of_the_numbers_country_or_refused() -> None:
    wrong, accepted = [], set()
    seen = set()
    for region, number in numbers():
        if (key := (region, may_be_in(number, region))) in seen:
            continue
        seen.add(key)
        clocks = {clock(zone) for zone in zones_of_country(region)}
        for word in WORDS:
            try:
                zone = read_zone(word, number)
            except NotAZone:
                continue
            accepted.add(word)
            if not is_place(zone) or clock(zone) not in clocks:
                wrong.append((region, number, word, zone))
    assert wrong == []
    assert {"EST", "Romance Standard Time", "Paris", "AWST"} <= accepted
    assert not accepted & {"Etc/GMT-5", "UTC", "UTC+1", "GMT+2", "EST5EDT"}

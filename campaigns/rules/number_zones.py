"""The time zones in which a phone number may be: those of its country, narrowed by what the number itself tells.

The countries' zones come from the tz database's own table (`zone.tab`), the prefixes of areas from
the `phonenumbers` library. A mobile number tells its country and nothing more, except where mobile numbers have area
codes. A number of the North American plan tells its area code; the library gives many area codes one zone although a
part of them lies in another, so an area code counts for every zone that any of its exchanges is listed for, and
overlays count like the area that they cover.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.phones import country_of, is_toll_free
from tenants.clock_changes import change_between

# The tz database knows no country of these codes (tz 2026): who keeps their clocks.
BORROWED = {"AC": "SH", "TA": "SH", "XK": "RS"}
NAMES = {"AC": "Ascension", "TA": "Tristan da Cunha", "XK": "Kosovo"}

# Fixed lines tell where they are, and so do mobile numbers of these country codes, which have area codes:
# North America, Mexico, Argentina, Brazil (as `phonenumbers` treats them, without Indonesia's, which have none).
MOBILES_HAVE_AREA_CODES = frozenset({1, 52, 54, 55})
Clock = tuple[tuple[datetime, timedelta | None], ...]  # each change of the offset, and the offset from then on
FIXED = phonenumbers.PhoneNumberType.FIXED_LINE
FIXED_OR_MOBILE = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
MOBILE = phonenumbers.PhoneNumberType.MOBILE

# Area codes that lie over others: each covers the same places. From public lists (areacodehelp.com for Canada,
# areacodeguide.com by area code), read 2026-11-29. A wrong entry can only add zones, and so only narrows the hours.
OVERLAYS = {
    "448": "850",
    "458": "541",
    "364": "270",
    "930": "812",
    "986": "208",
    "531": "402",
    "236": "250",
    "257": "250",
    "672": "250",
    "778": "250",
    "367": "418",
    "581": "418",
    "879": "709",
    "639": "306",
    "474": "306",
}
# Zones of a part of an area code beside those of the library's prefixes: the boundaries of 49 CFR Part 71, and places
# that keep a neighbour's clock (comments of the tz database's file `northamerica`). Where it is unclear whether a part
# has another clock, the area counts for both, which only narrows the hours. Reviewed 2026-11-29.
ALSO_IN = {
    "208": ("America/Los_Angeles", "America/Boise"),  # the panhandle north of the Salmon River
    "306": ("America/Edmonton", "America/Regina", "America/Swift_Current"),  # Lloydminster keeps Alberta's time
    "334": ("America/New_York",),  # Phenix City and Lanett keep Georgia's time
    "423": ("America/New_York", "America/Chicago"),  # Marion, Bledsoe and Sequatchie counties
    "574": ("America/Chicago",),  # Starke County
    "580": ("America/Denver",),  # Kenton keeps New Mexico's time
    "606": ("America/Chicago",),  # Clinton and Wayne counties' neighbours
    "709": ("America/Halifax", "America/Goose_Bay", "America/St_Johns"),  # Labrador
    "775": ("America/Boise",),  # Jackpot and West Wendover
    "807": ("America/Winnipeg", "America/Atikokan"),  # west of 90 degrees; Atikokan without summer time
    "867": ("America/Whitehorse", "America/Inuvik", "America/Iqaluit", "America/Rankin_Inlet", "America/Cambridge_Bay"),
    "907": ("America/Adak", "America/Anchorage"),  # the Aleutians west of 169.5 degrees
    "928": ("America/Denver", "America/Phoenix"),  # the Navajo Nation keeps summer time
    "931": ("America/New_York",),  # the Cumberland plateau beside the line
    "250": (
        "America/Edmonton",
        "America/Dawson_Creek",
        "America/Creston",
        "America/Vancouver",
    ),  # Kootenays, Peace River
    "418": ("America/Halifax", "America/Blanc-Sablon"),  # the Magdalen Islands; Blanc-Sablon
    "432": ("America/Denver",),  # beside Hudspeth County
}

# Zones of a part of a prefix elsewhere that the library's prefixes hide: it has an older rule for them, or none. A
# country's clock that none of its prefixes tells would be nobody's. Each only narrows the hours. Reviewed 2026-11-29.
HIDDEN = {
    "299": ("America/Danmarkshavn",),  # the library knows no number of it
    "618": ("Australia/Darwin",),  # the Northern Territory; the library has Adelaide's summer time
    "689409": ("Pacific/Gambier", "Pacific/Marquesas"),  # the outer islands; the library has Tahiti's time
    "7845": ("Europe/Saratov",),  # an hour ahead of Moscow since 2016
    "8690": ("Asia/Urumqi",),  # Xinjiang, where people keep two clocks
    "8699": ("Asia/Urumqi",),
}


@lru_cache(maxsize=32_768)
def number_zones(e164: str) -> tuple[str, ...]:
    """Return every time zone in which the number may be, one for each different clock, sorted.

    Empty for a number without a place: toll-free, satellite, of no known country.
    """
    country = country_of(e164)
    if not country or is_toll_free(e164):
        return ()
    everywhere = country_zones(country)
    told = _told(e164) if len(everywhere) > 1 else ()  # quick: what a number tells takes long to find out
    return _near(country, told, tuple(_hidden(e164))) if told else everywhere


@cache
def _near(country: str, told: tuple[str, ...], hidden: tuple[str, ...]) -> tuple[str, ...]:
    """Return the country's zones whose clocks a prefix tells, and those that it hides."""
    everywhere = country_zones(country)
    clocks = {clock_of(zone) for zone in told}
    if not any(clock_of(zone) in clocks for zone in everywhere):
        return everywhere  # prefixes that know no clock of the country are wrong about it
    clocks |= {clock_of(zone) for zone in hidden}
    return tuple(zone for zone in everywhere if clock_of(zone) in clocks)


def _hidden(e164: str) -> Iterator[str]:
    for prefix, zones in HIDDEN.items():
        if e164.startswith(f"+{prefix}"):
            yield from zones


@cache
def country_zones(country: str) -> tuple[str, ...]:
    """Return the zones of a country (two capitals), one for each different clock, sorted; () for an unknown one."""
    return _one_for_each_clock(_tables().get(BORROWED.get(country, country), ()))


@cache
def _tables() -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for country, _, zone, *_ in _rows("zone.tab"):
        found[country].append(zone)
    return {country: tuple(zones) for country, zones in found.items()}


def country_name(country: str) -> str:
    """Return the name of a country (two capitals); the code itself where the tz database has no name."""
    return _names().get(country, country)


@cache
def _names() -> dict[str, str]:
    return {country: name for country, name, *_ in _rows("iso3166.tab")} | NAMES


@cache
def clock_of(zone: str) -> Clock:
    """Return when the zone's offset changes in ten years, and to what: zones that agree are one place for our purpose.

    Exact to a second, because neighbours may change their clocks on the same night, but not at the same hour. Looked
    for week by week, as no zone has two changes within a week: day by day takes seven times as long, 0.4 seconds for
    the zones of the United States.
    """
    place, start = ZoneInfo(zone), datetime(2025, 1, 1, tzinfo=UTC)
    weeks = [start + timedelta(weeks=n) for n in range(523)]
    changes = (change_between(place, week, following) for week, following in pairwise(weeks))
    return tuple((at, at.astimezone(place).utcoffset()) for at in (start, *changes) if at)


@lru_cache(maxsize=8192)
def keeps_a_clock_of(zone: str, zones: tuple[str, ...]) -> bool:
    """Return whether a zone's clock is that of one of `zones`."""
    return clock_of(zone) in {clock_of(each) for each in zones}


def _one_for_each_clock(zones: Iterable[str]) -> tuple[str, ...]:
    """One name for each clock: the best-known one where it is of the country, else the first of the table."""
    by_clock: dict[Clock, str] = {}
    for zone in sorted(zones, key=lambda zone: zone not in _best_known()):
        by_clock.setdefault(clock_of(zone), zone)
    return tuple(sorted(by_clock.values()))


@cache
def _best_known() -> frozenset[str]:
    """The names of `zonenow.tab`: the most populous place of each clock that is kept today."""
    return frozenset(zone for _, _, zone, *_ in _rows("zonenow.tab"))


def _rows(table: str) -> list[list[str]]:
    text = files("tzdata").joinpath("zoneinfo", table).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


def _told(e164: str) -> tuple[str, ...]:
    """What the number's prefix tells beyond its country; empty where it tells nothing."""
    if e164.startswith("+1"):
        return _of_area_code(e164[1:])
    number = phonenumbers.parse(e164, None)
    kind = phonenumbers.number_type(number)
    may_be_mobile = kind in (MOBILE, FIXED_OR_MOBILE)
    tells = kind == FIXED or (may_be_mobile and number.country_code in MOBILES_HAVE_AREA_CODES)
    if not tells:
        return ()
    digits, shortest = e164[1:], len(str(number.country_code)) + 1
    for length in range(len(digits), shortest - 1, -1):
        if zones := TIMEZONE_DATA.get(digits[:length]):
            return tuple(zones)
    return ()


@lru_cache(maxsize=4096)
def _of_area_code(digits: str) -> tuple[str, ...]:
    """The zones of a North American number ("1" and its digits): its exchange's where it is listed, else its area's."""
    for length in range(len(digits), len("1NPANXX") - 1, -1):
        if zones := TIMEZONE_DATA.get(digits[:length]):
            return tuple(zones)
    return area_zones(digits[1:4])


@cache
def area_zones(area: str) -> tuple[str, ...]:
    """Return every zone that any part of a North American area code is in; () for an unknown one."""
    covers = OVERLAYS.get(area, area)
    areas = {covers, *(over for over, under in OVERLAYS.items() if under == covers)}
    found = {zone for each in areas for zone in _listed(each)}
    if not found:
        return ()
    return tuple(sorted(found | set(ALSO_IN.get(covers, ()))))


def _listed(area: str) -> Iterator[str]:
    for prefix, zones in TIMEZONE_DATA.items():
        if prefix.startswith(f"1{area}"):
            yield from zones

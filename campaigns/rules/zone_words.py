"""What people and programs write for a time zone, read as the name of a place in the tz database.

A zone must be a place: a fixed offset has no summer time, and an abbreviation is an offset that only a place gives a
meaning. Abbreviations, Windows' names and city names count when the number's own country keeps such a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from tzlocal.windows_tz import win_tz

from campaigns.phones import country_of
from campaigns.rules.number_zones import clock_of, country_zones, number_zones

LONGEST = 64
OFFSET = re.compile(r"(?i)(?:utc|gmt|etc/\w+)?\s*[+-]?\s*\d{0,2}(?:[:.]?\d{2})?|z|zulu|uct|universal|greenwich")
WINDOWS_PREFIX = re.compile(r"\((?:UTC|GMT)\s*(?:([+-]\d{1,2}):?(\d{2}))?\)\s*")
NORTH_AMERICAN = re.compile(r"(?i)(atlantic|eastern|central|mountain|pacific|alaska|hawaii)(?: time)?(?: \(us.*\))?")
SHORT = {"AT": "AST", "ET": "EST", "CT": "CST", "MT": "MST", "PT": "PST", "MEZ": "CET", "MESZ": "CEST", "HEC": "CET"}
# Names of the tz database that are no places: systems of offsets, kept for old programs.
NO_PLACES = frozenset(
    {"CET", "CST6CDT", "EET", "EST", "EST5EDT", "Factory", "GMT", "GMT+0", "GMT-0", "GMT0", "Greenwich", "HST", "MET"}
    | {"MST", "MST7MDT", "PST8PDT", "UCT", "UTC", "Universal", "WET", "Zulu", "localtime"}
)


class NotAZone(ValueError):
    """This text names no place with a clock. Its words tell what to write instead."""


def is_place(name: str) -> bool:
    """Whether a zone name stands for a place: not a fixed offset, an abbreviation or an unknown name."""
    return _places().get(name.casefold()) == name


def read_zone(text: str, e164: str = "") -> str:
    """Return the tz database's name of the zone that `text` means beside this number; "" for nothing.

    Raises NotAZone when it names no place, more than one clock, or a clock that the number's country does not keep.
    """
    word = " ".join(text.split())
    if not word:
        return ""
    if place := _places().get(word.casefold().replace(" ", "_")):
        return place
    shown = word[:60]
    country = country_of(e164) if e164 else ""
    if len(word) <= LONGEST * 2 and country:
        found = [*dict.fromkeys(_by_abbreviation(word, e164, country) or _by_name(word, country))]
        if len({clock_of(zone) for zone in found}) == 1:
            return found[0]
        if found:
            raise NotAZone(f"'{shown}' may be {' or '.join(found[:3])} there; write the one that is meant.")
    if OFFSET.fullmatch(word):
        raise NotAZone(
            f"'{shown}' is a fixed offset, which has no summer time; write the place, like {_example(e164)}."
        )
    what = "a time zone of this number's country" if country else "the name of a place with a time zone"
    raise NotAZone(f"'{shown}' is not {what}; write the place, like {_example(e164)}.")


def _example(e164: str) -> str:
    return next(iter(number_zones(e164) if e164 else ()), "Europe/Paris")


@cache
def _places() -> dict[str, str]:
    """The names of places, by themselves in lower case."""
    names = (
        name for name in available_timezones() if name not in NO_PLACES and not name.startswith(("Etc/", "System"))
    )
    return {name.casefold(): name for name in names}


def _by_abbreviation(word: str, e164: str, country: str) -> list[str]:
    """The zones of the number, else of its country, whose clocks go by this abbreviation, or by both of `EST/EDT`."""
    short = {SHORT.get(part, part) for part in word.upper().split("/")}
    for zones in (number_zones(e164), country_zones(country)):
        if found := [zone for zone in zones if short <= _abbreviations(zone)]:
            return found
    return []


@cache
def _abbreviations(zone: str) -> frozenset[str]:
    place = ZoneInfo(zone)
    names = {datetime(2026, month, 1, tzinfo=UTC).astimezone(place).tzname() or "" for month in (1, 7)}
    return frozenset(name for name in names if name.isalpha())


def _by_name(word: str, country: str) -> list[str]:
    """The zones of the country that Windows, Outlook or a city's name mean."""
    clocks = {clock_of(zone): zone for zone in country_zones(country)}
    prefix = WINDOWS_PREFIX.match(word)
    name = word[prefix.end() :] if prefix else word
    meant = {clock_of(zone) for zone in _meant(name)}
    return [zone for clock, zone in clocks.items() if clock in meant and _begins_with(prefix, zone)]


def _meant(name: str) -> Iterator[str]:
    plain = name.casefold()
    windows = _windows()
    american = NORTH_AMERICAN.fullmatch(name)
    for candidate in (plain, f"{american[1]} standard time".casefold() if american else ""):
        if candidate in windows:
            yield windows[candidate]
            return
    for city in plain.split(","):
        yield from _cities().get(city.strip(), ())


def _begins_with(prefix: re.Match[str] | None, zone: str) -> bool:
    """Whether the zone keeps the standard offset that Windows writes before its names."""
    if prefix is None:
        return True
    hours, minutes = int(prefix[1] or 0), int(prefix[2] or 0)
    wanted = hours * 60 + (-minutes if (prefix[1] or "").startswith("-") else minutes)
    offsets = {found.total_seconds() / 60 for _, found in clock_of(zone) if found is not None}
    return wanted in offsets


@cache
def _windows() -> dict[str, str]:
    """Windows' names, and those it writes in summer, in lower case."""
    standard = {name.casefold(): zone for name, zone in win_tz.items() if zone.casefold() in _places()}
    daylight = {name.replace("standard", "daylight"): zone for name, zone in standard.items()}
    return daylight | standard


@cache
def _cities() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in sorted(_places().values()):
        found.setdefault(name.rpartition("/")[2].replace("_", " ").casefold(), []).append(name)
    return {city: tuple(zones) for city, zones in found.items()}

"""Zones and their clocks, read from the files of the `tzdata` package and not through the product or the system."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
# An observatory in Western Australia that keeps Tokyo's clock. `zone.tab` leaves it out, and so does the product.
LEFT_OUT = {("AU", "Asia/Tokyo")}
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)


@cache
def rows(table: str) -> list[list[str]]:
    text = files("tzdata").joinpath("zoneinfo", table).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@cache
def by_country() -> dict[str, tuple[str, ...]]:
    """`zone1970.tab`: a row names all countries that keep the clock of a zone."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for countries, _, zone, *_ in rows("zone1970.tab"):
        for country in countries.split(","):
            if (country, zone) not in LEFT_OUT:
                found[country].append(zone)
    return {country: tuple(zones) for country, zones in found.items()}


@cache
def places() -> frozenset[str]:
    """Every name that either table gives to a place."""
    return frozenset(row[2] for table in ("zone.tab", "zone1970.tab") for row in rows(table))


@cache
def zone(name: str) -> ZoneInfo:
    """Read a zone from the package's own file: `ZoneInfo(name)` would prefer the tables of this machine."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def wall(name: str, moment: datetime) -> datetime:
    """Return the local time, without a zone."""
    return moment.astimezone(zone(name)).replace(tzinfo=None)


def _offset(name: str, moment: datetime) -> timedelta:
    return wall(name, moment) - moment.astimezone(UTC).replace(tzinfo=None)


@cache
def changes(name: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Return each moment in ten years at which the clock jumps, and its offset from then on. The first is the start."""
    found, day = [(FIRST, _offset(name, FIRST))], FIRST
    while day < LAST:
        moment, day = day, day + DAY
        while _offset(name, day) != found[-1][1]:
            while _offset(name, moment) == found[-1][1]:
                moment += QUARTER
            found.append((moment, _offset(name, moment)))
    return tuple(found)


def same_clock(one: str, other: str) -> bool:
    return one == other or changes(one) == changes(other)

"""When a place may be called, minute by minute, computed from the plan and the time zones alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.simulation.plan import Campaign, Opening, Place

MINUTE = timedelta(minutes=1)
EVERY_DAY, WORKDAYS, WEEKEND = tuple(range(7)), tuple(range(5)), (5, 6)
FRENCH_HOLIDAYS = tuple(
    date.fromisoformat(f"2026-{day}")
    for day in ["01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01", "11-11", "12-25"]
)
SPANISH_HOLIDAYS = tuple(
    date.fromisoformat(f"2026-{day}")
    for day in ["01-01", "01-06", "04-02", "04-03", "05-01", "08-15", "10-12", "11-01", "12-06", "12-08", "12-25"]
)
AUSTRALIAN_HOLIDAYS = tuple(
    date.fromisoformat(f"2026-{day}")
    for day in ["01-01", "01-26", "04-03", "04-06", "04-25", "12-25", "12-26", "12-28"]
)
LAWS: dict[str, tuple[tuple[Opening, ...], tuple[date, ...]]] = {
    "US": ((Opening(EVERY_DAY, 480, 1260),), ()),
    "US-FL": ((Opening(EVERY_DAY, 480, 1200),), ()),
    "CA": ((Opening(WORKDAYS, 540, 1290), Opening(WEEKEND, 600, 1080)), ()),
    "FR": ((Opening(WORKDAYS, 600, 780), Opening(WORKDAYS, 840, 1200)), FRENCH_HOLIDAYS),
    "8-21": ((Opening(EVERY_DAY, 480, 1260),), ()),
    "9-21": ((Opening(EVERY_DAY, 540, 1260),), ()),
    "careful": ((Opening(WORKDAYS, 540, 1200), Opening((5,), 600, 960)), ()),
    "AU": ((Opening(WORKDAYS, 540, 1200), Opening((5,), 540, 1020)), AUSTRALIAN_HOLIDAYS),
    "ES": ((Opening(WORKDAYS, 540, 1260),), SPANISH_HOLIDAYS),
}
QUARTER = 15  # minutes; clocks change only at a full quarter of an hour


class Calendar:
    """Every minute of the month, and which minutes are open in which place."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin, self.minutes = begin, int((end - begin) / MINUTE)
        self.local = cache(self._local)
        self.open_in = cache(self._open_in)
        self.may_call = cache(self._may_call)

    def minute(self, moment: datetime) -> int:
        return int((moment - self.begin) // MINUTE)

    def at(self, minute: int) -> datetime:
        return self.begin + minute * MINUTE

    def _local(self, zone: str) -> list[tuple[date, int, int]]:
        """Return date, weekday and minute of the day for each quarter of an hour."""
        place = ZoneInfo(zone)
        found = []
        for minute in range(0, self.minutes, QUARTER):
            wall = self.at(minute).astimezone(place)
            found.append((wall.date(), wall.weekday(), wall.hour * 60 + wall.minute))
        return found

    def _open_in(self, zone: str, openings: tuple[Opening, ...], holidays: tuple[date, ...]) -> bytes:
        own, spilled = _week(openings)
        table = bytearray(self.minutes)
        closed = set(holidays)
        for quarter, (day, weekday, first) in enumerate(self.local(zone)):
            if day in closed:
                continue
            yesterday_closed = day - timedelta(days=1) in closed
            for minute in range(first, first + QUARTER):
                if own[weekday][minute] or (spilled[weekday][minute] and not yesterday_closed):
                    at = quarter * QUARTER + minute - first
                    if at < self.minutes:
                        table[at] = 1
        return bytes(table)

    def _may_call(self, campaign: Campaign, place: Place) -> bytes:
        zones = place.zones or (campaign.zone,)
        tables = [self.open_in(zone, campaign.windows, campaign.holidays) for zone in zones]
        if not campaign.lawless:
            tables += [self.open_in(zone, *LAWS[place.law]) for zone in zones]
        return _all(tables)


def _week(openings: Iterable[Opening]) -> tuple[list[bytearray], list[bytearray]]:
    """Return two tables by weekday and minute: open by a window of that day, open by a window of the day before."""
    own, spilled = ([bytearray(1440 + QUARTER) for _ in range(7)] for _ in range(2))
    for each in openings:
        for day in each.days:
            last = each.closes if each.closes > each.opens else 1440
            own[day][each.opens : last] = b"\1" * (last - each.opens)
            if each.closes < each.opens:
                spilled[(day + 1) % 7][: each.closes] = b"\1" * each.closes
    return own, spilled


def _all(tables: list[bytes]) -> bytes:
    joined = int.from_bytes(tables[0], "big")
    for table in tables[1:]:
        joined &= int.from_bytes(table, "big")
    return joined.to_bytes(len(tables[0]), "big")

"""Open minutes, one by one, from weekly windows, closed dates and the local time alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

from tests.oracle import zones

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
QUARTER = 15  # minutes; clocks change only at a full quarter of an hour
A_DAY = 24 * 60


@dataclass(frozen=True)
class Opening:
    """Days as numbers, 0 is Monday; minutes after midnight. A window that closes before it opens runs over midnight
    and belongs to its first day."""

    days: tuple[int, ...]
    opens: int
    closes: int


def opening(days: Iterable[int], opens: float, closes: float) -> Opening:
    """Return the window of these hours, like 9 and 12.5."""
    return Opening(tuple(days), int(opens * 60), int(closes * 60))


@dataclass(frozen=True)
class Hours:
    """Weekly windows, and the local dates on which all are closed, with the nights that begin on them."""

    openings: tuple[Opening, ...]
    closed: frozenset[date] = frozenset()
    _own: list[bytearray] = field(init=False, repr=False, compare=False, hash=False)
    _spilled: list[bytearray] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Write two tables by weekday and minute: open by a window of that day, open by a window of the day before."""
        own, spilled = ([bytearray(A_DAY) for _ in range(7)] for _ in range(2))
        for each in self.openings:
            for day in each.days:
                last = each.closes if each.closes > each.opens else A_DAY
                own[day][each.opens : last] = b"\1" * (last - each.opens)
                if each.closes < each.opens:
                    spilled[(day + 1) % 7][: each.closes] = b"\1" * each.closes
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_spilled", spilled)

    def open_at(self, local: datetime) -> bool:
        day, minute = local.date(), local.hour * 60 + local.minute
        if day in self.closed:
            return False
        spilled = self._spilled[day.weekday()][minute] and day - DAY not in self.closed
        return bool(self._own[day.weekday()][minute] or spilled)

    def quarter(self, local: datetime) -> bytes:
        """Return the fifteen minutes from a full quarter of an hour on."""
        day, minute = local.date(), local.hour * 60 + local.minute
        if day in self.closed:
            return bytes(QUARTER)
        own = self._own[day.weekday()][minute : minute + QUARTER]
        if day - DAY in self.closed:
            return bytes(own)
        spilled = self._spilled[day.weekday()][minute : minute + QUARTER]
        return bytes(a or b for a, b in zip(own, spilled, strict=True)) if any(spilled) else bytes(own)


class Calendar:
    """Every minute from `begin` to `end`, and which of them are open in a zone. `begin` is a full quarter."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin, self.minutes = begin, int((end - begin) / MINUTE)
        self.local = cache(self._local)
        self.open_in = cache(self._open_in)
        self.all_open = cache(self._all_open)

    def minute(self, moment: datetime) -> int:
        return int((moment - self.begin) // MINUTE)

    def at(self, minute: int) -> datetime:
        return self.begin + minute * MINUTE

    def _local(self, zone: str) -> list[datetime]:
        """Return the local time of each quarter of an hour."""
        return [zones.wall(zone, self.at(minute)) for minute in range(0, self.minutes, QUARTER)]

    def _open_in(self, zone: str, hours: Hours) -> bytes:
        return b"".join(map(hours.quarter, self.local(zone)))[: self.minutes]

    def _all_open(self, names: tuple[str, ...], hours: tuple[Hours, ...]) -> bytes:
        """Return a byte for each minute: 1 where all hours are open in all zones."""
        joined = int.from_bytes(b"\1" * self.minutes, "big")
        for zone in dict.fromkeys(names):
            for each in hours:
                joined &= int.from_bytes(self.open_in(zone, each), "big")
        return joined.to_bytes(self.minutes, "big")

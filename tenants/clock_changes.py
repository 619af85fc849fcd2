"""Local times and the nights on which clocks change: times that occur twice, and times that do not exist. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

# Moments that every zone can show: no zone is more than a day from UTC.
EARLIEST, LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
ONE_SECOND = timedelta(seconds=1)
LAST_PLACE = timezone(timedelta(hours=-12))  # where every day ends last


@dataclass(frozen=True)
class ClockChange:
    """A moment at which the clocks of a zone jump. `shown` is what they would show, `instead` what they show then."""

    at: datetime
    shown: datetime
    instead: datetime


def in_range(moment: datetime) -> bool:
    """Return whether every zone can show this aware moment."""
    try:
        return EARLIEST <= moment.astimezone(UTC) <= LATEST
    except OverflowError:
        return False


def readings(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the moments in UTC at which clocks in `zone` show the naive time `local`, in order.

    One, as a rule. Two when clocks go back over this time, none when they go forward over it.
    """
    moments = sorted({_moment(local, zone, fold) for fold in (0, 1)})
    return tuple(moment for moment in moments if moment.astimezone(zone).replace(tzinfo=None) == local)


def change_over(local: datetime, zone: tzinfo) -> ClockChange | None:
    """Return the clock change that repeats or skips the naive time `local`; None if it occurs once."""
    low, high = sorted(_moment(local.replace(microsecond=0), zone, fold) for fold in (0, 1))
    at = change_between(zone, low, high) if low < high else None
    if at is None:
        return None
    before, after = ((at - step).astimezone(zone).replace(tzinfo=None) for step in (ONE_SECOND, timedelta()))
    return ClockChange(at, before + ONE_SECOND, after)


def change_between(zone: tzinfo, low: datetime, high: datetime) -> datetime | None:
    """Return the moment after `low` and until `high` at which the zone's offset changes; None if it does not."""
    low, high = (moment.replace(microsecond=0) for moment in (low, high))  # clocks change at whole seconds
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return None
    while high - low > ONE_SECOND:
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def start_of_day(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of a day in `zone`, in UTC, also where clocks skip or repeat midnight."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def zone_name(local: datetime) -> str:
    """Return what the clock of an aware time is called: “CET”, or “UTC+0545” where it has no letters."""
    name = f"{local:%Z}"
    return f"UTC{name}" if name[:1] in "+-" else name


def _moment(local: datetime, zone: tzinfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)

"""Weekly windows and holidays: whether they are open in some time zones, and when they open next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain, repeat
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError

from tenants.clock_changes import change_between

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
ONE_DAY, ONE_HOUR = timedelta(days=1), timedelta(hours=1)
HORIZON_DAYS = 400  # thirteen months: a weekly window among any holidays of a year


def parse_day_names(days: object) -> frozenset[int]:
    """Return the days of `["mon", "tue"]` as numbers; Monday is 0. Raises ValidationError."""
    if not isinstance(days, (list, tuple)) or not days:
        raise ValidationError('Write a list of days, like ["mon", "tue"].', code="invalid")
    for day in days:
        if not isinstance(day, str) or day not in DAYS:
            raise ValidationError(f"{day!r} is not a day. Write {', '.join(DAYS)}.", code="invalid")
    return frozenset(DAYS.index(day) for day in days)


def parse_clock(text: object) -> int:
    """Return "09:00" as minutes after midnight; "24:00" is 1440. Raises ValidationError."""
    found = CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValidationError(f"{text!r} is not a time. Write it like 09:00.", code="invalid")
    minutes = int(found[1]) * 60 + int(found[2])
    if int(found[2]) > 59 or minutes > MIDNIGHT:
        raise ValidationError(f"{text!r} is not a time of day. Write 00:00 to 24:00.", code="invalid")
    return minutes


def clock(minutes: int) -> str:
    """Return minutes after midnight as "09:00"."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@dataclass(frozen=True)
class Window:
    """Hours of some weekdays. A window that closes before it opens runs over midnight and belongs to its first day."""

    days: frozenset[int]
    opens: int
    closes: int

    @property
    def text(self) -> str:
        return f"{clock(self.opens)}-{clock(self.closes)}"


@dataclass(frozen=True)
class Hours:
    """Windows, of which one must be open, and the local dates on which all are closed."""

    windows: tuple[Window, ...]
    holidays: frozenset[date] = frozenset()

    def open_at(self, local: datetime) -> bool:
        """Return whether this local time is in an open window."""
        if self.holidays and local.date() in self.holidays:
            return False
        minute, weekday = local.hour * 60 + local.minute, local.weekday()
        for window in self.windows:
            opens, closes = window.opens, window.closes
            if opens < closes:
                if opens <= minute < closes and weekday in window.days:
                    return True
            elif closes < opens:
                if minute >= opens and weekday in window.days:
                    return True
                if minute < closes and (weekday - 1) % 7 in window.days and not self._yesterday_closed(local):
                    return True
        return False

    def _yesterday_closed(self, local: datetime) -> bool:
        return bool(self.holidays) and local.date() - ONE_DAY in self.holidays


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone of this name; None if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):  # unknown, malformed, or the name of a directory
        return None


def _check_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("The moment needs a time zone; pass an aware datetime.")


def is_open(hours: Sequence[Hours], zones: Sequence[str], now: datetime) -> bool:
    """Return whether all of `hours` are open in all of `zones`. False if a zone is unknown, or without zones."""
    _check_aware(now)
    return _is_open(tuple(hours), tuple(zones), now)


@lru_cache(maxsize=8192)
def _is_open(hours: tuple[Hours, ...], zones: tuple[str, ...], now: datetime) -> bool:
    """Remembered, because the calls of one step are decided at one moment, and many have the same hours and zones."""
    return _all_open(hours, zones, now)


def _all_open(hours: Sequence[Hours], zones: Sequence[str], now: datetime) -> bool:
    if not zones:
        return False
    for name in zones:
        zone = zone_named(name)
        if zone is None:
            return False
        local = now.astimezone(zone)
        for each in hours:
            if not each.open_at(local):
                return False
    return True


def closed_zone(hours: Sequence[Hours], zones: Sequence[str], now: datetime) -> str:
    """Return the first of `zones` in which some hours are closed: the zone to wait for."""
    return next((zone for zone in zones if not is_open(hours, (zone,), now)), zones[0] if zones else "")


def local_text(moment: datetime, zone: str, now: datetime) -> str:
    """Return a moment as local text, like "09:00 Europe/Paris"; with the date if it is not today in that zone."""
    place = zone_named(zone)
    local, today = moment.astimezone(place or UTC), now.astimezone(place or UTC).date()
    day = "" if local.date() == today else f"{local:%a} {local.day} {local:%b} "
    return f"{day}{local:%H:%M} {zone if place else 'UTC'}"


@dataclass
class _Seen:
    """The last search of some hours in some zones: between its start and the opening that it found, all is closed."""

    found: tuple[datetime, datetime | None] | None = None  # when it began and what it found, written at once


@lru_cache(maxsize=4096)
def _seen(hours: tuple[Hours, ...], zones: tuple[str, ...], horizon_days: int) -> _Seen:
    return _Seen()


def _tells(found: tuple[datetime, datetime | None], now: datetime) -> bool:
    asked, opens = found
    # Without an opening the search is repeated as its horizon moves on. The gate asks once a day.
    return asked <= now < (opens or asked + ONE_HOUR)


def next_opening(
    hours: Sequence[Hours], zones: Sequence[str], now: datetime, horizon_days: int = HORIZON_DAYS
) -> datetime | None:
    """Return the first moment from `now` on at which everything is open, in UTC; None if none comes in `horizon_days`.

    Closed hours can open only when a window opens in one of the zones, or when a zone's clock jumps. These moments are
    tried in order.
    """
    now = now.astimezone(UTC) if now.tzinfo else now
    if is_open(hours, zones, now):
        return now
    if not zones or any(zone_named(zone) is None for zone in zones) or not all(each.windows for each in hours):
        return None
    seen = _seen(tuple(hours), tuple(zones), horizon_days)
    found = seen.found
    if found is None or not _tells(found, now):
        seen.found = found = now, _search(hours, zones, now, horizon_days)
    return found[1]


def _search(hours: Sequence[Hours], zones: Sequence[str], now: datetime, horizon_days: int) -> datetime | None:
    start, end = now, now + timedelta(days=horizon_days)
    spans = chain((2, 13), repeat(7))  # in days; nearly always it opens tomorrow at the latest
    while start < end:
        until = min(start + timedelta(days=next(spans)), end)
        if found := _first_open(hours, zones, start, until):
            return found
        start = until
    return None


def _first_open(hours: Sequence[Hours], zones: Sequence[str], start: datetime, end: datetime) -> datetime | None:
    known = [zone for zone in map(zone_named, zones) if zone is not None]
    moments = {moment for zone in known for moment in _boundaries(hours, zone, start, end)}
    return next((moment for moment in sorted(moments) if _all_open(hours, zones, moment)), None)


def _boundaries(hours: Sequence[Hours], zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield every moment in [start, end] at which hours may open in this zone."""
    first, last = start.astimezone(zone).date() - ONE_DAY, end.astimezone(zone).date() + ONE_DAY
    openings = [(window.opens, window.days) for each in hours for window in each.windows]
    for number in range((last - first).days + 1):
        day = first + number * ONE_DAY
        for opens in {opens for opens, days in openings if day.weekday() in days}:
            for fold in (0, 1):  # an hour that occurs twice opens twice
                local = datetime.combine(day, time(opens // 60, opens % 60, fold=fold), tzinfo=zone)
                moment = local.astimezone(UTC)
                if start <= moment <= end:
                    yield moment
        change = _clock_change(zone, day)
        if change is not None and start <= change <= end:
            yield change


@lru_cache(maxsize=8192)
def _clock_change(zone: ZoneInfo, day: date) -> datetime | None:
    """Return the moment of this UTC day at which the offset of the zone changes; None if it does not."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    return change_between(zone, start, start + ONE_DAY)

"""Hours and days of a clock, as the database groups moments by them.

A night on which clocks go back has an hour twice, and one on which they go forward lacks one. Zones differ from UTC by
half and quarter hours too, so the database cuts in the zone itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.db.models.functions import TruncHour

from tenants.clock_changes import change_between, zone_name

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Hour:
    """An hour of a clock. `local`: its naive start. Of two hours with one start, `offset` (from UTC) tells which."""

    local: datetime
    offset: timedelta
    at: datetime = field(compare=False)  # a moment in it


@dataclass(frozen=True)
class Span:
    """The time from one moment to another, both included, on the clock of a zone."""

    first: datetime
    last: datetime
    zone: ZoneInfo

    def hours(self) -> list[Hour]:
        """Return the hours of the clock in order."""
        found: dict[Hour, None] = {}
        moment = self.first
        while moment <= self.last:
            shown = moment.astimezone(self.zone)
            past = timedelta(minutes=shown.minute, seconds=shown.second, microseconds=shown.microsecond)
            local = (shown - past).replace(tzinfo=None, fold=0)
            found.setdefault(Hour(local, self._offset(moment), moment))
            following = moment + HOUR - past
            moment = change_between(self.zone, moment, following) or following
        return list(found)

    def labels(self, hours: Sequence[Hour], spelling: str) -> list[str]:
        """Return what the hours are called. An hour that occurs twice among them has the name of its time, as CET."""
        starts = [hour.local for hour in hours]
        names = [zone_name(hour.at.astimezone(self.zone)) if starts.count(hour.local) > 1 else "" for hour in hours]
        return [f"{hour.local:{spelling}} {name}".rstrip() for hour, name in zip(hours, names, strict=True)]

    def count(
        self, rows: QuerySet[Any], column: str, *groups: str, **counts: Any
    ) -> Iterator[tuple[Hour, dict[str, Any]]]:
        """Yield the counts of the rows whose `column` is in the span, by hour and by the other groups. One query."""
        changes = [When(**{f"{column}__gte": at}, then=Value(self._seconds(at))) for at in self._changes()]
        offset = Case(*reversed(changes), default=Value(self._seconds(self.first)), output_field=IntegerField())
        inside = rows.filter(**{f"{column}__gte": self.first, f"{column}__lte": self.last})
        grouped = inside.annotate(hour=TruncHour(column, tzinfo=self.zone), offset=offset)
        for row in grouped.values("hour", "offset", *groups).annotate(**counts).order_by():
            local, ahead = row["hour"].replace(tzinfo=None, fold=0), timedelta(seconds=row["offset"])
            yield Hour(local, ahead, (local - ahead).replace(tzinfo=UTC)), row

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _seconds(self, moment: datetime) -> int:
        return int(self._offset(moment).total_seconds())

    def _changes(self) -> Iterator[datetime]:
        """Yield the moments at which the zone's offset changes."""
        moment = self.first
        while moment < self.last:
            until = min(moment + DAY, self.last)
            if change := change_between(self.zone, moment, until):
                yield change
            moment = until

"""The day of a clock until now, and the same weekday of last week until the same time: how calls ended and went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q

from calls.models import OPEN, Call, Status
from calls.models.call import is_overdue
from calls.reports.figures.clock import Span
from calls.reports.figures.conditions import ENDED, ENDED_AT_VOICEMAIL, RANG, REACHED, UNDER_WAY, Share
from tenants.clock_changes import start_of_day

WEEK = 7  # days
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Day:
    """Today until now, and the same weekday of last week until the same time, in one time zone."""

    zone: str
    now: datetime

    @property
    def starts(self) -> datetime:
        return self._midnight(0)

    @property
    def ends(self) -> datetime:
        return self._midnight(-1)

    @property
    def before(self) -> tuple[datetime, datetime]:
        at = datetime.combine(self._date(WEEK), self.local.time(), tzinfo=self.local.tzinfo)
        return self._midnight(WEEK), at.astimezone(UTC)

    @property
    def local(self) -> datetime:
        return self.now.astimezone(ZoneInfo(self.zone))

    @property
    def whole(self) -> Span:
        """Return the whole day: of 24 hours, or of 23 or 25 when clocks change."""
        return Span(self.starts, self.ends - MICROSECOND, ZoneInfo(self.zone))

    def _date(self, days_ago: int) -> date:
        return self.local.date() - timedelta(days=days_ago)

    def _midnight(self, days_ago: int) -> datetime:
        return start_of_day(self._date(days_ago), ZoneInfo(self.zone))


@dataclass(frozen=True)
class Ends:
    """How calls ended: by status, how many of these were a voicemail, and the share reached."""

    by_status: dict[str, int]
    reached: Share  # in person, of those that rang
    voicemails: Mapping[str, int] = field(default_factory=dict)  # by status

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


def ended(organizations: Sequence[int], day: Day) -> tuple[Ends, Ends]:
    """Return how the calls ended whose end was stored today, and a week before. One query."""
    since, until = day.before
    today, before = Q(terminal_at__gte=day.starts), Q(terminal_at__gte=since, terminal_at__lt=until)
    calls = Call.objects.filter(ENDED, today | before, organization__in=organizations)
    counts = {
        f"{name}{number}": Count("pk", filter=when & which)
        for number, when in enumerate((today, before))
        for name, which in (("n", Q()), ("rang", RANG), ("reached", REACHED), ("machine", ENDED_AT_VOICEMAIL))
    }
    rows: list[Any] = list(calls.values("status").annotate(**counts).order_by())
    found = (
        Ends(
            {row["status"]: row[f"n{number}"] for row in rows},
            Share(sum(row[f"reached{number}"] for row in rows), sum(row[f"rang{number}"] for row in rows)),
            {row["status"]: row[f"machine{number}"] for row in rows},
        )
        for number in range(2)
    )
    return next(found), next(found)


@dataclass(frozen=True)
class Placed:
    """How the calls of an hour stand, by the hour in which they were dialled. `label`: the hour."""

    label: str
    reached: int = 0
    not_reached: int = 0
    under_way: int = 0
    without_outcome: int = 0

    @property
    def parts(self) -> tuple[int, int, int, int]:
        return self.reached, self.not_reached, self.under_way, self.without_outcome


def placed_by_hour(organizations: Sequence[int], day: Day) -> list[Placed]:
    """Return the calls dialled today for each hour of the day, also for those without calls. One query."""
    calls = Call.objects.filter(account__organization__in=organizations)
    span = day.whole
    rang, reached, going = (Count("pk", filter=which) for which in (RANG, REACHED, UNDER_WAY))
    rows = dict(span.count(calls, "dialed_at", n=Count("pk"), rang=rang, reached=reached, going=going))
    hours = span.hours()
    return [
        _placed(label, rows[hour]) if hour in rows else Placed(label)
        for hour, label in zip(hours, span.labels(hours, "%H:%M"), strict=True)
    ]


def _placed(label: str, row: dict[str, Any]) -> Placed:
    without = row["n"] - row["rang"] - row["going"]
    return Placed(label, row["reached"], row["rang"] - row["reached"], row["going"], without)


def live(organizations: Iterable[int], now: datetime) -> tuple[dict[str, int], int]:
    """Return the queued and open calls by status, and how many of the open ones are overdue. One query."""
    # One list of statuses: an index has them in order.
    unfinished = Call.objects.filter(organization__in=organizations, status__in=(Status.QUEUED, *OPEN))
    counted = unfinished.values_list("status").order_by()
    rows = list(counted.annotate(n=Count("pk"), late=Count("pk", filter=is_overdue(now))))
    return {status: n for status, n, _ in rows}, sum(late for _, _, late in rows)

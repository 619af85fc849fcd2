"""How the calls of a campaign went: by time, by hour of the week, and by attempt. The database does the grouping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Min, QuerySet
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay, TruncDate

from calls.models import Call
from calls.reports.figures.clock import Span
from calls.reports.figures.conditions import ENDED, RANG, REACHED, Share

BY_HOUR = timedelta(hours=48)  # a longer period is shown by day


@dataclass(frozen=True)
class Ends:
    """How calls ended, by the hour or day in which the end was stored. `counts`: by place in `labels`, and status."""

    unit: str
    labels: list[str]
    counts: Counter[tuple[int, str]]


def ends_over_time(calls: QuerySet[Call], zone: ZoneInfo) -> Ends | None:
    """Return how calls ended over time, on the clock of a zone. None: no call has ended."""
    ended = calls.filter(ENDED)
    bounds = ended.aggregate(first=Min("terminal_at"), last=Max("terminal_at"))
    if bounds["first"] is None:
        return None
    span = Span(bounds["first"], bounds["last"], zone)
    return _by_hour(ended, span) if span.last - span.first < BY_HOUR else _by_day(ended, span)


def _by_hour(ended: QuerySet[Call], span: Span) -> Ends:
    hours = span.hours()
    places = {hour: place for place, hour in enumerate(hours)}
    counts = Counter[tuple[int, str]]()
    for hour, row in span.count(ended, "terminal_at", "status", n=Count("pk")):
        counts[places[hour], row["status"]] += row["n"]
    return Ends("hour", span.labels(hours, "%d %b %H:%M"), counts)


def _by_day(ended: QuerySet[Call], span: Span) -> Ends:
    first, last = (moment.astimezone(span.zone).date() for moment in (span.first, span.last))
    days: list[date] = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    grouped = ended.annotate(day=TruncDate("terminal_at", tzinfo=span.zone)).values_list("day", "status").order_by()
    rows: Iterable[Any] = grouped.annotate(n=Count("pk"))
    counts = Counter({((day - first).days, status): n for day, status, n in rows})
    return Ends("day", [f"{day:%d %b}" for day in days], counts)


def reached_by_hour_of_week(calls: QuerySet[Call], zone: ZoneInfo) -> dict[tuple[int, int], Share]:
    """Return the share of calls that reached a person, by weekday (Monday is 0) and hour, on the clock of a zone."""
    hours = calls.filter(RANG).annotate(
        weekday=ExtractIsoWeekDay("dialed_at", tzinfo=zone), hour=ExtractHour("dialed_at", tzinfo=zone)
    )
    grouped = hours.values_list("weekday", "hour").order_by()
    rows: Iterable[Any] = grouped.annotate(reached=Count("pk", filter=REACHED), n=Count("pk"))
    return {(weekday - 1, hour): Share(reached, n) for weekday, hour, reached, n in rows}


def reached_by_attempt(calls: QuerySet[Call]) -> dict[int, Share]:
    """Return the share of recipients whom each attempt reached, by its number, of those whom it called."""
    reached = Count("recipient", filter=REACHED, distinct=True)
    grouped = calls.filter(RANG, recipient__isnull=False).values_list("attempt")
    rows: Iterable[Any] = grouped.annotate(reached=reached, n=Count("recipient", distinct=True)).order_by("attempt")
    return {attempt: Share(found, n) for attempt, found, n in rows}

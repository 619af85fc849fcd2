"""Charts of a campaign's calls: outcomes over time, when contacts answer, and answers by attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Substr, TruncHour

from calls.admin.shared import bar_chart
from calls.models import TERMINAL, Call, Status
from calls.models.counts import RANG
from calls.reports.variant_comparison import REACHED, percent
from campaigns.models import Campaign
from campaigns.rules.whereabouts import candidate_zones

BY_HOUR = timedelta(hours=48)  # a longer period is shown by day
BARS = 60  # only the latest are shown
GROUPS = 20_000  # pairs of hour and area that the heat map reads, the latest
AREA = 6  # leading characters of a phone number that decide its time zone, as in +12125
FEW = 5  # an hour of the week with fewer calls is not shaded
SHADES = 5
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SERIES = (
    ("Completed", "success", {Status.COMPLETED}),
    ("No answer or busy", "warning", {Status.NO_ANSWER, Status.BUSY}),
    ("Failed or unknown", "danger", {Status.FAILED, Status.EXPIRED, Status.UNKNOWN}),
    ("Canceled", "default", {Status.CANCELED}),
)


def charts_of(campaign: Campaign, calls: QuerySet[Call]) -> dict[str, Any]:
    """Return the context of the charts. A chart without data is None or empty. The database does the grouping."""
    return {"over_time": _over_time(calls), "heat": _heat(calls, campaign), "attempts": _attempts(calls)}


def _over_time(calls: QuerySet[Call]) -> dict[str, Any] | None:
    """Return how calls ended, by hour or by day in UTC."""
    ended = calls.filter(status__in=TERMINAL, terminal_at__isnull=False)
    hours = (
        ended.annotate(hour=TruncHour("terminal_at", tzinfo=UTC)).values_list("hour", "status").annotate(n=Count("pk"))
    )
    rows: list[Any] = list(hours.order_by("hour"))
    if not rows:
        return None
    first, last = rows[0][0], rows[-1][0]
    hourly = last - first < BY_HOUR
    step = timedelta(hours=1) if hourly else timedelta(days=1)
    first, last = _start(first, hourly), _start(last, hourly)
    bars = [last - step * back for back in range((last - first) // step + 1)]
    shown = sorted(bars[:BARS])
    counts: defaultdict[tuple[datetime, str], int] = defaultdict(int)
    for hour, status, n in rows:
        counts[_start(hour, hourly), status] += n
    series: list[dict[str, Any]] = [
        {"label": label, "colour": colour, "values": [sum(counts[bar, status] for status in part) for bar in shown]}
        for label, colour, part in SERIES
    ]
    series = [each for each in series if any(each["values"])]
    labels = [f"{bar:%d %b %H:%M}" if hourly else f"{bar:%d %b}" for bar in shown]
    return {
        "unit": "hour" if hourly else "day",
        "cut": f"the last {BARS} days" if len(bars) > BARS else "",
        "legend": [
            {"label": each["label"], "colour": each["colour"], "total": f"{sum(each['values']):,}"} for each in series
        ],
        "rows": [(label, [each["values"][place] for each in series]) for place, label in enumerate(labels)],
        "options": bar_chart.OPTIONS,
        "data": bar_chart.data_of(labels, series),
    }


def _start(moment: datetime, hourly: bool) -> datetime:
    return moment if hourly else moment.replace(hour=0)


def _heat(calls: QuerySet[Call], campaign: Campaign) -> dict[str, Any] | None:
    """Return the share of calls that reached a person, by weekday and hour in the contact's time zone."""
    ended = calls.filter(status__in=RANG, dialed_at__isnull=False)
    placed = ended.annotate(hour=TruncHour("dialed_at", tzinfo=UTC), area=Substr("to_number", 1, AREA))
    groups = placed.values_list("hour", "area", "contact__timezone")
    counted = groups.annotate(n=Count("pk"), reached=Count("pk", filter=REACHED), number=Min("to_number"))
    rule = campaign.zone_rule
    called: defaultdict[tuple[int, int], int] = defaultdict(int)
    reached: defaultdict[tuple[int, int], int] = defaultdict(int)
    rows: Iterable[Any] = counted.order_by("-hour")[:GROUPS]
    for hour, _, timezone, n, answered, number in rows:
        local = hour.astimezone(ZoneInfo(candidate_zones(timezone, number, rule)[0]))
        called[local.weekday(), local.hour] += n
        reached[local.weekday(), local.hour] += answered
    if not called:
        return None
    first, last = min(hour for _, hour in called), max(hour for _, hour in called)
    return {
        "few": FEW,
        "hours": [f"{hour:02d}" for hour in range(first, last + 1)],
        "rows": [
            (day, [_cell(called[number, hour], reached[number, hour]) for hour in range(first, last + 1)])
            for number, day in enumerate(DAYS)
        ],
    }


def _cell(called: int, reached: int) -> dict[str, Any]:
    if not called:
        return {"text": "", "shade": "none", "title": "No calls"}
    share = reached / called
    return {
        "text": f"{share * 100:.0f}",
        "shade": "few" if called < FEW else min(int(share * SHADES), SHADES - 1),
        "title": f"{reached:,} of {called:,} calls reached a person",
    }


def _attempts(calls: QuerySet[Call]) -> list[dict[str, Any]]:
    """Return how many recipients were called and reached at each attempt."""
    ended = calls.filter(status__in=RANG, dialed_at__isnull=False)
    called = Count("recipient", distinct=True)
    reached = Count("recipient", filter=REACHED, distinct=True)
    rows: Iterable[Any] = ended.values_list("attempt").annotate(called=called, reached=reached).order_by("attempt")
    return [
        {"number": number, "called": n, "reached": n_reached, "share": percent(n_reached / n)}
        for number, n, n_reached in rows
        if n
    ]

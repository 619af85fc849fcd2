"""Charts of a campaign's calls, on the user's clock: outcomes over time, when contacts answer, answers by attempt."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from calls.admin.shared import bar_chart
from calls.models import Call, Status
from calls.reports.figures.campaign_calls import ends_over_time, reached_by_attempt, reached_by_hour_of_week
from calls.reports.figures.conditions import Share

BARS = 60  # only the latest are shown
FEW = 5  # an hour of the week with fewer calls is not shaded
SHADES = 5
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SERIES = (
    ("Answered", "success", {Status.COMPLETED}),
    ("No answer or busy", "warning", {Status.NO_ANSWER, Status.BUSY}),
    ("Failed or unknown", "danger", {Status.FAILED, Status.EXPIRED, Status.UNKNOWN}),
    ("Canceled", "default", {Status.CANCELED}),
)


def charts_of(calls: QuerySet[Call], zone: ZoneInfo) -> dict[str, Any]:
    """Return the context of the charts of these calls. A chart without data is None or empty."""
    return {"over_time": _over_time(calls, zone), "heat": _heat(calls, zone), "attempts": _attempts(calls)}


def _over_time(calls: QuerySet[Call], zone: ZoneInfo) -> dict[str, Any] | None:
    found = ends_over_time(calls, zone)
    if found is None:
        return None
    places = range(max(0, len(found.labels) - BARS), len(found.labels))
    labels = [found.labels[place] for place in places]
    series: list[dict[str, Any]] = [
        {
            "label": label,
            "colour": colour,
            "values": [sum(found.counts[place, status] for status in part) for place in places],
        }
        for label, colour, part in SERIES
    ]
    series = [each for each in series if any(each["values"])]
    return {
        "unit": found.unit,
        "cut": f"the last {BARS} {found.unit}s" if len(found.labels) > BARS else "",
        "legend": [
            {"label": each["label"], "colour": each["colour"], "total": f"{sum(each['values']):,}"} for each in series
        ],
        "rows": [(label, [each["values"][place] for each in series]) for place, label in enumerate(labels)],
        "options": bar_chart.OPTIONS,
        "data": bar_chart.data_of(labels, series),
    }


def _heat(calls: QuerySet[Call], zone: ZoneInfo) -> dict[str, Any] | None:
    found = reached_by_hour_of_week(calls, zone)
    if not found:
        return None
    hours = range(min(hour for _, hour in found), max(hour for _, hour in found) + 1)
    return {
        "few": FEW,
        "hours": [f"{hour:02d}" for hour in hours],
        "rows": [(day, [_cell(found.get((number, hour))) for hour in hours]) for number, day in enumerate(DAYS)],
    }


def _cell(share: Share | None) -> dict[str, Any]:
    if share is None or share.rate is None:
        return {"text": "", "shade": "none", "title": "No calls"}
    return {
        "text": f"{share.rate * 100:.0f}",
        "shade": "few" if share.whole < FEW else min(int(share.rate * SHADES), SHADES - 1),
        "title": f"{share.counts} calls reached a person",
    }


def _attempts(calls: QuerySet[Call]) -> list[dict[str, Any]]:
    return [
        {"number": number, "called": share.whole, "reached": share.part, "share": share.text}
        for number, share in reached_by_attempt(calls).items()
    ]

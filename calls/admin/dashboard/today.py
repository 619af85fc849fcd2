"""The dashboard's figures: today by hour and compared with a week ago, daily budgets, and provider accounts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, Sum, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.admin.setup import account_health
from calls.admin.shared import bar_chart
from calls.admin.shared import outcomes as outcomes_of_calls
from calls.admin.shared.labels import CALL_COLOURS, OUTCOME_PARTS, bar, budget, spent_text
from calls.gate.budgets import day_of, spending_today_by
from calls.models import TERMINAL, Call, Status
from calls.models.costing import COST, NOT_PRICED
from calls.reports.figures.conditions import Share
from calls.reports.figures.today import Day, Ends, ended, placed_by_hour
from providers.models import ProviderAccount
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.models import Organization
from tenants.money import Amounts, Money, money_text

BUDGETS = 3  # organizations whose daily budget is shown
ACCOUNTS = 8
VOICEMAIL = "voicemail"
ENDS = {
    Status.COMPLETED.value: ("Reached in person", CALL_COLOURS[Status.COMPLETED]),
    VOICEMAIL: (outcomes_of_calls.VOICEMAIL, outcomes_of_calls.COLOURS[outcomes_of_calls.VOICEMAIL]),
    **{status.value: OUTCOME_PARTS[status] for status in TERMINAL if status != Status.COMPLETED},
}
SERIES = (
    ("Reached in person", "success"),
    ("Not reached", "warning"),
    ("Under way", "primary"),
    ("Without an outcome", "danger"),
)


def view(request: HttpRequest) -> HttpResponse:
    reach = reach_of(request)
    return TemplateResponse(
        request, "trunkline/today.html", today_of(list(reach.grants), Day(reach.zone, timezone.now()))
    )


def today_of(mine: Sequence[int], day: Day) -> dict[str, Any]:
    """Return the context of the figures with ten queries, over today, the same hours a week ago and the last hour."""
    organizations = list(Organization.objects.filter(pk__in=mine).order_by("name"))
    today, before = ended(mine, day)
    costs, estimated = _costs(mine, day)
    blocked_first = Case(When(is_active=True, blocked_at__isnull=False, then=0), default=1)
    accounts = ProviderAccount.objects.filter(organization__in=mine).order_by(blocked_first, "-is_active", "id")
    shown = list(accounts[: ACCOUNTS + 1])
    limited = [row for row in organizations if row.daily_budget is not None][:BUDGETS]
    return {
        "as_of": f"{day.local:%H:%M}",
        "weekday": f"{day.local:%A}",
        "total": f"{today.total:,}",
        "total_before": f"{before.total:,}",
        "reached": today.reached,
        "reached_before": before.reached,
        "spent": spent_text(costs, today.total),
        "estimated": money_text(estimated) if estimated else "",
        "bar": bar(_parts(today), ENDS),
        "outcomes": outcomes(today, before),
        "hours": _hours(mine, day),
        "budgets": _budgets(limited, len(mine), day.now),
        "accounts": account_health.rows_of(shown[:ACCOUNTS], day.now),
        "more_accounts": len(shown) > ACCOUNTS,
        "accounts_url": reverse("admin:providers_provideraccount_changelist"),
    }


def _costs(mine: Sequence[int], day: Day) -> tuple[Amounts, Amounts]:
    """Return what the calls that ended today cost, by currency, and the part of it that is our estimate."""
    calls = Call.objects.filter(organization__in=mine, status__in=TERMINAL, terminal_at__gte=day.starts)
    sums = calls.values_list("cost_currency").annotate(paid=Sum(COST), guessed=Sum("cost_estimate", filter=NOT_PRICED))
    rows: Iterable[Any] = list(sums.order_by("cost_currency"))
    costs = Amounts.of(Money.known(paid, currency) for currency, paid, _ in rows)
    return costs, Amounts.of(Money.known(guessed, currency) for currency, _, guessed in rows).positive()


def outcomes(today: Ends, before: Ends) -> list[dict[str, Any]]:
    """Return how calls ended today and on the same weekday of last week until the same time."""
    lately, past = _parts(today), _parts(before)
    rows: list[dict[str, Any]] = [
        {"label": label, "colour": colour, "n": lately[key], "before": past[key]}
        for key, (label, colour) in ENDS.items()
        if lately[key] or past[key]
    ]
    shares = {"n": _of(today.reached), "before": _of(before.reached)}
    return [*rows, {"label": "Reached in person, of those that rang", **shares}] if rows else []


def _parts(ends: Ends) -> dict[str, int]:
    """Return how calls ended by the keys of ENDS. A voicemail is an end of its own, as on the badge of a call."""
    counts = {status.value: ends.by_status.get(status, 0) - ends.voicemails.get(status, 0) for status in TERMINAL}
    return {VOICEMAIL: sum(ends.voicemails.values())} | counts


def _of(share: Share) -> str:
    return f"{share.counts} ({share.text})" if share.whole else "-"


def _hours(mine: Sequence[int], day: Day) -> dict[str, Any] | None:
    """Return calls by the hour in which they were placed. All hours of the day are there, so the bars never move."""
    hours = placed_by_hour(mine, day)
    if not any(any(hour.parts) for hour in hours):
        return None
    labels = [hour.label for hour in hours]
    series: list[dict[str, Any]] = [
        {"label": label, "colour": colour, "values": [hour.parts[place] for hour in hours]}
        for place, (label, colour) in enumerate(SERIES)
    ]
    return {
        "legend": [(each["label"], each["colour"], f"{sum(each['values']):,}") for each in series],
        "rows": [(hour.label, hour.parts) for hour in hours if any(hour.parts)],
        "options": bar_chart.OPTIONS,
        "values": json.dumps([each["values"] for each in series]),
        "data": bar_chart.data_of(labels, series),
    }


def _budgets(limited: Sequence[Organization], all_of_mine: int, now: datetime) -> list[dict[str, Any]]:
    """Return the spending of organizations with a daily budget, each for the organization's day."""
    spending = spending_today_by(limited, now)
    return [
        {
            "title": f"Daily budget of {row.name}" if all_of_mine > 1 else "Daily budget",
            "budget": budget(spending[row.pk].used, limit),
            "ends": str(local_time(day_of(row, now)[1])),  # within a sentence
        }
        for row in limited
        if (limit := row.daily_limit) is not None
    ]

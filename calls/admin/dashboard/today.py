"""The dashboard's figures: today by hour and compared with a week ago, daily budgets, and provider accounts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, Q, Sum, When
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.admin.setup import account_health
from calls.admin.shared import bar_chart
from calls.admin.shared.labels import CALL_COLOURS, OUTCOME_PARTS, bar, budget
from calls.gate.budgets import spending_today_by
from calls.models import OPEN, TERMINAL, Call, Status
from calls.models.costing import COST, NOT_PRICED
from calls.models.counts import RANG
from calls.reports.variant_comparison import percent
from providers.models import ProviderAccount
from tenants.backoffice.roles import reach_of
from tenants.clock_changes import start_of_day
from tenants.models import Organization
from tenants.money import Amounts, Money, money_text

BUDGETS = 3  # organizations whose daily budget is shown
ACCOUNTS = 8
WEEK = 7  # days
HOURS = range(24)
SERIES = (("Answered", "success"), ("Not answered", "warning"), ("Under way", "primary"))
ANSWERED = Q(status__in=(Status.COMPLETED, Status.IN_PROGRESS))
GOING = Q(status__in=[status for status in OPEN if status != Status.IN_PROGRESS])


@dataclass(frozen=True)
class Day:
    """Today until now, and the same weekday of last week until the same time, in one time zone."""

    zone: str
    now: datetime

    @property
    def starts(self) -> datetime:
        return self._midnight(0)

    @property
    def before(self) -> tuple[datetime, datetime]:
        at = datetime.combine(self._date(WEEK), self.local.time(), tzinfo=self.local.tzinfo)
        return self._midnight(WEEK), at.astimezone(UTC)

    @property
    def local(self) -> datetime:
        return self.now.astimezone(ZoneInfo(self.zone))

    def _date(self, days_ago: int) -> Any:
        return self.local.date() - timedelta(days=days_ago)

    def _midnight(self, days_ago: int) -> datetime:
        return start_of_day(self._date(days_ago), ZoneInfo(self.zone))


def day_of(organizations: Iterable[Organization], now: datetime) -> Day:
    """Return the day in the organizations' time zone, or in UTC if they have different ones."""
    zones = {row.timezone for row in organizations}
    return Day(zones.pop() if len(zones) == 1 else "UTC", now)


def view(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "trunkline/today.html", today_of(list(reach_of(request).grants), timezone.now()))


def today_of(mine: Sequence[int], now: datetime) -> dict[str, Any]:
    """Return the context of the figures with nine queries, over today, the same hours a week ago and the last hour."""
    organizations = list(Organization.objects.filter(pk__in=mine).order_by("name"))
    day = day_of(organizations, now)
    ended, costs, estimated = _ended(mine, day)
    blocked_first = Case(When(is_active=True, blocked_at__isnull=False, then=0), default=1)
    accounts = ProviderAccount.objects.filter(organization__in=mine).order_by(blocked_first, "-is_active", "id")
    shown = list(accounts[: ACCOUNTS + 1])
    limited = [row for row in organizations if row.daily_budget is not None][:BUDGETS]
    return {
        "zone": day.zone,
        "as_of": f"{day.local:%H:%M}",
        "weekday": f"{day.local:%A}",
        "total": f"{sum(row['n'] for row in ended.values()):,}",
        "total_before": f"{sum(row['before'] for row in ended.values()):,}",
        "answered": _answered(ended, "n"),
        "answered_before": _answered(ended, "before"),
        "spent": money_text(costs) if ended or costs else "0",
        "estimated": money_text(estimated) if estimated else "",
        "bar": bar({status.value: ended[status]["n"] for status in TERMINAL if status in ended}, OUTCOME_PARTS),
        "outcomes": outcomes(ended),
        "hours": _hours(mine, day),
        "budgets": _budgets(limited, len(mine), now),
        "accounts": account_health.rows_of(shown[:ACCOUNTS], now),
        "more_accounts": len(shown) > ACCOUNTS,
        "accounts_url": reverse("admin:providers_provideraccount_changelist"),
    }


def _ended(mine: Sequence[int], day: Day) -> tuple[dict[str, dict[str, int]], Amounts, Amounts]:
    """Return counts of calls by status, today and a week before, and today's costs by currency.

    The last are the parts of the costs that are our estimate.
    """
    since, until = day.before
    today, before = Q(terminal_at__gte=day.starts), Q(terminal_at__gte=since, terminal_at__lt=until)
    calls = Call.objects.filter(today | before, organization__in=mine, status__in=TERMINAL)
    rows: Iterable[Any] = (
        calls.values_list("status", "cost_currency")
        .annotate(
            n=Count("pk", filter=today),
            before=Count("pk", filter=before),
            paid=Sum(COST, filter=today),
            guessed=Sum("cost_estimate", filter=today & NOT_PRICED),
        )
        .order_by()
    )
    ended: dict[str, dict[str, int]] = {}
    costs: list[Money | None] = []
    estimated: list[Money | None] = []
    for status, currency, n, n_before, paid, guessed in rows:
        counts = ended.setdefault(status, {"n": 0, "before": 0})
        counts["n"] += n
        counts["before"] += n_before
        costs.append(Money.known(paid, currency))
        estimated.append(Money.known(guessed, currency))
    return ended, Amounts.of(costs), Amounts.of(estimated).positive()


def outcomes(ended: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return how calls ended today and on the same weekday of last week until the same time."""
    rows = [
        {"label": status.label, "colour": CALL_COLOURS[status], **ended[status]}
        for status in TERMINAL
        if status in ended
    ]
    shares = [_answered(ended, which) for which in ("n", "before")]
    return [*rows, {"label": "Answered", "n": shares[0], "before": shares[1]}] if rows else []


def _answered(ended: dict[str, dict[str, int]], which: str) -> str:
    rung = sum(ended[status][which] for status in RANG if status in ended)
    if not rung:
        return "-"
    return percent(ended[Status.COMPLETED][which] / rung if Status.COMPLETED in ended else 0)


def _hours(mine: Sequence[int], day: Day) -> dict[str, Any] | None:
    """Return calls by the hour in which they were placed. All 24 hours are there, so that the bars never move."""
    placed = Call.objects.filter(account__organization__in=mine, dialed_at__gte=day.starts)
    hours = placed.annotate(hour=TruncHour("dialed_at", tzinfo=ZoneInfo(day.zone))).values_list("hour").order_by()
    rows: Iterable[Any] = hours.annotate(
        n=Count("pk"), answered=Count("pk", filter=ANSWERED), going=Count("pk", filter=GOING)
    )
    counts = {at.hour: (answered, n - answered - going, going) for at, n, answered, going in rows}
    if not counts:
        return None
    labels = [f"{hour:02d}:00" for hour in HOURS]
    columns = [counts.get(hour, (0, 0, 0)) for hour in HOURS]
    series = [
        {"label": label, "colour": colour, "values": [column[place] for column in columns]}
        for place, (label, colour) in enumerate(SERIES)
    ]
    return {
        "legend": [(each["label"], each["colour"], f"{sum(each['values']):,}") for each in series],
        "rows": [(labels[hour], columns[hour]) for hour in HOURS if hour in counts],
        "options": bar_chart.OPTIONS,
        "values": json.dumps([each["values"] for each in series]),
        "data": bar_chart.data_of(labels, series),
    }


def _budgets(limited: Sequence[Organization], all_of_mine: int, now: datetime) -> list[dict[str, Any]]:
    """Return the spending of organizations with a daily budget, each for the day in its own time zone."""
    spending = spending_today_by(limited, now)
    return [
        {
            "title": f"Daily budget of {row.name}" if all_of_mine > 1 else "Daily budget",
            "budget": budget(spending[row.pk].used, limit),
            "zone": row.timezone,
        }
        for row in limited
        if (limit := row.daily_limit) is not None
    ]

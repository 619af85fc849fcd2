"""The first page: what goes on, what needs a person, and the way to a first call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.admin import needs, words
from calls.admin.records import ALIVE
from calls.budgets import spent_today
from calls.comparison import ENDED, percent
from calls.models import OPEN, TERMINAL, Call, Heartbeat, Status
from campaigns.models import Campaign, ContactListMember, Recipient
from campaigns.phones import national
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.local_time import local_time
from tenants.models import Organization
from tenants.staff import Level, Reach, reach_of

SHOWN = 8
BUDGETS = 3  # organizations whose spending of today is shown
WEEK = timedelta(days=7)


def index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The dashboard's part of the index page (named in UNFOLD)."""
    return {**context, "title": "Dashboard", "overview_url": reverse("admin:calls_call_overview"), **overview(request)}


def fragment_view(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "trunkline/overview.html", {"overview_url": request.path, **overview(request)})


def overview(request: HttpRequest) -> dict[str, Any]:
    reach = reach_of(request)
    mine = list(reach.levels)
    if not mine:
        return {
            "nothing": True,
            "superuser": reach.superuser,
            "organization_url": reverse("admin:tenants_organization_add"),
        }
    calls = Call.objects.filter(organization__in=mine)
    now = timezone.now()
    listed = reverse("admin:calls_call_changelist")
    live = dict(
        calls.filter(status__in=(Status.QUEUED, *OPEN)).values_list("status").annotate(n=Count("pk")).order_by()
    )
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    this, before = Q(terminal_at__gte=midnight), Q(terminal_at__gte=midnight - WEEK, terminal_at__lt=now - WEEK)
    both = calls.filter(this | before, status__in=TERMINAL)
    ended, costs = _ended(
        both.values_list("status", "cost_currency")
        .annotate(n=Count("pk", filter=this), before=Count("pk", filter=before), cost=Sum("cost", filter=this))
        .order_by("cost_currency")
    )
    switched = Q(calls_stopped=True) | Q(daily_budget__isnull=False)
    organizations = list(Organization.objects.filter(switched, pk__in=mine).order_by("name"))
    alerts_total = needs.new_alerts(mine)
    doubtful = calls.filter(status=Status.UNCONFIRMED).select_related("account", "campaign").order_by("id")[:SHOWN]
    campaigns = _campaigns(mine)
    steps = [] if campaigns else _first_steps(reach, mine)
    return {
        "now": local_time(now),
        "live": [
            {
                "label": status.label,
                "count": live.get(status, 0),
                "url": f"{listed}?status__exact={status.value}",
                "colour": words.CALL_COLOURS[status],
            }
            for status in (Status.QUEUED, *OPEN)
        ],
        "live_total": sum(count for status, count in live.items() if status in OPEN),
        "queued_total": live.get(Status.QUEUED, 0),
        "today": words.bar(
            {status.value: ended[status]["n"] for status in TERMINAL if status in ended}, words.OUTCOME_PARTS
        ),
        "outcomes": _outcomes(ended),
        "weekday": f"{now:%A}",
        "budgets": _spent_today([row for row in organizations if row.daily_budget is not None], len(mine), now),
        "today_total": sum(row["n"] for row in ended.values()),
        "today_answered": ended[Status.COMPLETED]["n"] if Status.COMPLETED in ended else 0,
        "today_costs": [words.money(total, currency) for currency, total in costs.items() if total],
        "campaigns": campaigns,
        "campaigns_url": reverse("admin:campaigns_campaign_changelist"),
        "doubtful": [_doubtful(call) for call in doubtful],
        "doubtful_total": live.get(Status.UNCONFIRMED, 0),
        "doubtful_url": f"{listed}?status__exact={Status.UNCONFIRMED.value}",
        "alerts_total": alerts_total,
        "alerts_url": reverse("admin:tenants_alert_changelist"),
        "needs": needs.needs_of(mine, live.get(Status.UNCONFIRMED, 0), alerts_total, now),
        "stopped": [
            (row.name, reverse("admin:tenants_organization_change", args=[row.pk]))
            for row in organizations
            if row.calls_stopped
        ][:SHOWN],
        "steps": steps,
        "asleep": any(live.values()) and _nobody_works(now),
        "may_launch": reach.has(Level.OPERATOR),
        "launch_url": reverse("admin:calls_call_launch"),
    }


def _campaigns(mine: list[int]) -> list[dict[str, Any]]:
    shown = Q(status__in=[Campaign.Status.RUNNING, Campaign.Status.PAUSED, Campaign.Status.SCHEDULED])
    rows = list(Campaign.objects.filter(shown, organization__in=mine).select_related("organization")[:SHOWN])
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    grouped = (
        Recipient.objects.filter(campaign__in=rows).values_list("campaign", "status").annotate(n=Count("pk")).order_by()
    )
    for campaign_id, status, count in grouped:
        counts[campaign_id][status] = count
    found = []
    for row in rows:
        parts = {name: counts[row.pk].get(name, 0) for name in words.RECIPIENT_PARTS}
        total = sum(parts.values())
        over = total - parts["pending"] - parts["calling"] - parts["waiting"] - parts["review"]
        found.append(
            {
                "name": row.name,
                "url": reverse("admin:campaigns_campaign_change", args=[row.pk]),
                "label": row.get_status_display(),
                "colour": words.CAMPAIGN_COLOURS[Campaign.Status(row.status)],
                "reason": row.status_reason,
                "total": total,
                "over": over,
                "percent": over * 100 // total if total else 0,
                "bar": words.bar(parts, words.RECIPIENT_PARTS),
            }
        )
    return found


def _doubtful(call: Call) -> dict[str, Any]:
    return {
        "url": reverse("admin:calls_call_change", args=[call.pk]),
        "number": national(call.to_number),
        "name": call.customer_name,
        "account": call.account.name,
        "since": local_time(call.dialed_at or call.created_at),
        "why": call.error_message or words.reason(call.status_reason),
    }


def _ended(rows: Iterable[Any]) -> tuple[dict[str, dict[str, int]], dict[str, Decimal]]:
    """Calls by status, today and a week before; the costs of today by currency."""
    ended: dict[str, dict[str, int]] = {}
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for status, currency, n, before, cost in rows:
        counts = ended.setdefault(status, {"n": 0, "before": 0})
        counts["n"] += n
        counts["before"] += before
        costs[currency] += cost or 0
    return ended, costs


def _spent_today(limited: list[Organization], all_of_mine: int, now: datetime) -> list[dict[str, Any]]:
    """By organizations with a budget of the day, by their own clocks."""
    return [
        {
            "title": f"{row.name} today" if all_of_mine > 1 else "Budget of today",
            "budget": words.budget(spent_today(row, now), row.daily_budget or Decimal(0), row.daily_budget_currency),
            "zone": row.timezone,
        }
        for row in limited[:BUDGETS]
    ]


def _outcomes(ended: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """How calls ended today, beside the same weekday before until the same time."""
    rows = [
        {"label": status.label, "colour": words.CALL_COLOURS[status], **ended[status]}
        for status in TERMINAL
        if status in ended
    ]
    shares = [_answered(ended, which) for which in ("n", "before")]
    return [*rows, {"label": "Answered", "n": shares[0], "before": shares[1]}] if rows else []


def _answered(ended: dict[str, dict[str, int]], which: str) -> str:
    rung = sum(ended[status][which] for status in ENDED if status in ended)
    return percent(ended[Status.COMPLETED][which] / rung) if rung and Status.COMPLETED in ended else "-"


def _nobody_works(now: Any) -> bool:
    return not Heartbeat.objects.filter(beaten_at__gt=now - ALIVE).exists()


def _first_steps(reach: Reach, mine: list[int]) -> list[dict[str, Any]]:
    """The way from an empty installation to a first campaign; empty once everything is there."""
    if Campaign.objects.filter(organization__in=mine).exists():
        return []
    accounts = ProviderAccount.objects.filter(organization__in=mine).exists()
    assistants = accounts and Assistant.objects.filter(organization__in=mine).exists()
    numbers = accounts and PhoneNumber.objects.filter(organization__in=mine).exists()
    people = ContactListMember.objects.filter(contact_list__organization__in=mine).exists()
    rows = [
        (
            accounts,
            "Add a provider account",
            "Your sign-in at a voice provider.",
            "admin:providers_provideraccount_add",
        ),
        (
            assistants,
            "Add an assistant",
            "Who speaks, and what it is told about each call.",
            "admin:providers_assistant_add",
        ),
        (numbers, "Add a caller number", "What the person called sees.", "admin:providers_phonenumber_add"),
        (
            people,
            "Import people",
            "Make a list and import a CSV file into it.",
            "admin:campaigns_contactlist_changelist",
        ),
        (
            False,
            "Make a campaign",
            "Calls everybody on a list, within hours and rules that you set.",
            "admin:campaigns_campaign_add",
        ),
    ]
    may = reach.has(Level.MANAGER)
    ready = next((number for number, row in enumerate(rows) if not row[0]), None)
    return [
        {"done": done, "title": title, "detail": detail, "url": reverse(url) if may else "", "next": number == ready}
        for number, (done, title, detail, url) in enumerate(rows)
    ]

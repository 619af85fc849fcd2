"""The dashboard: calls under way, campaigns, what needs attention, and first steps. `today.py` has the figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, Max
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns import finish_wording
from calls.admin.campaigns.figures import FORECAST_AT_ONCE
from calls.admin.dashboard import attention
from calls.admin.dashboard.onboarding import first_steps
from calls.admin.records.records import ALIVE
from calls.admin.shared import labels
from calls.forecast import estimated_finish
from calls.journal import standing
from calls.models import OPEN, Call, Heartbeat, Status
from calls.reports.figures.recipients import counts_of
from calls.reports.figures.today import live as live_calls
from campaigns.models import Campaign
from campaigns.phones import national
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import Reach, reach_of
from tenants.models import Organization
from tenants.policy import Action

SHOWN = 8
SWITCHES = 20
# For those who cannot look after it themselves.
OPERATORS = "The people who run Trunkline have to look after its dial journal first."
LOOKED_AT = 100  # campaigns read, from which those to show are picked: running ones first
S = Campaign.Status
IN_ORDER = (S.RUNNING, S.PAUSED, S.SCHEDULED)


def index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the index page. UNFOLD names this function."""
    urls = {"overview_url": reverse("admin:calls_call_overview"), "today_url": reverse("admin:calls_call_today")}
    return {**context, "title": "Dashboard", **urls, **overview(request)}


def fragment_view(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "trunkline/overview.html", {"overview_url": request.path, **overview(request)})


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return the part that refreshes every few seconds, with at most twelve queries, none over old rows."""
    reach = reach_of(request)
    mine = list(reach.grants)
    if not mine:
        return {
            "nothing": True,
            "superuser": reach.superuser,
            "organization_url": reverse("admin:tenants_organization_add"),
        }
    now = timezone.now()
    listed = reverse("admin:calls_call_changelist")
    live, overdue = live_calls(mine, now)
    organizations = attention.with_missed(mine, now)
    unconfirmed = live.get(Status.UNCONFIRMED, 0)
    campaigns = _campaigns(mine, now)
    runs, journal = _worker_state(now)
    onboarding = None if campaigns else first_steps(reach, mine)
    return {
        "now": local_time(now),
        "live": [
            {
                "label": status.label,
                "count": live.get(status, 0),
                "url": f"{listed}?status__exact={status.value}",
                "colour": labels.CALL_COLOURS[status],
            }
            for status in (Status.QUEUED, *OPEN)
        ],
        "overdue": overdue,
        "overdue_url": f"{listed}?overdue=yes",
        "live_total": sum(count for status, count in live.items() if status in OPEN),
        "campaigns": campaigns,
        "campaigns_url": reverse("admin:campaigns_campaign_changelist"),
        "unconfirmed": _unconfirmed(mine) if unconfirmed else [],
        "unconfirmed_total": unconfirmed,
        "unconfirmed_url": f"{listed}?status__exact={Status.UNCONFIRMED.value}",
        "attention": attention.items_of(organizations, unconfirmed, attention.new_alerts(mine), now),
        "stopped": _switches(reach, organizations, stopped=True),
        "stoppable": _switches(reach, organizations, stopped=False),
        "onboarding": onboarding,
        "figures": onboarding is None or onboarding["has_calls"],  # a new installation has none
        "no_worker": any(live.values()) and not runs,
        "journal": journal if reach.superuser or not journal else OPERATORS,
    }


def _switches(reach: Reach, organizations: list[Organization], *, stopped: bool) -> list[dict[str, str]]:
    """Return the organizations whose calls are stopped, or those that the user may stop, each with its switch."""
    step, action = ("allow-calls", Action.ALLOW_CALLS) if stopped else ("stop-calls", Action.STOP_CALLS)
    shown = [row for row in organizations if row.calls_stopped == stopped and (stopped or reach.may(action, row.pk))]
    return [
        {
            "name": row.name,
            "url": reverse("admin:tenants_organization_step", args=[row.pk, step]) if reach.may(action, row.pk) else "",
        }
        for row in shown[:SWITCHES]
    ]


def _campaigns(mine: list[int], now: datetime) -> list[dict[str, Any]]:
    campaigns = Campaign.objects.filter(status__in=IN_ORDER, organization__in=mine).select_related("organization")
    rows = sorted(campaigns[:LOOKED_AT], key=lambda row: IN_ORDER.index(S(row.status)))[:SHOWN]
    counts = counts_of([row.pk for row in rows])
    kept = estimated_finish.kept_of([row for row in rows if row.status == S.RUNNING])
    found = []
    for row in rows:
        statuses, done = counts[row.pk].by("status", {}), counts[row.pk].done
        found.append(
            {
                "name": row.name,
                "url": reverse("admin:campaigns_campaign_change", args=[row.pk]),
                "label": row.get_status_display(),
                "colour": labels.CAMPAIGN_COLOURS[S(row.status)],
                "reason": row.status_reason,
                "total": f"{done.whole:,}" if done.whole else "",
                "done": f"{done.part:,}",
                "share": done.whole_text,
                "bar": labels.bar({name: statuses[name] for name in labels.RECIPIENT_PARTS}, labels.RECIPIENT_PARTS),
                **_finish(row, kept.get(row.pk), done.part, done.whole, now),
            }
        )
    return found


def _finish(
    row: Campaign, kept: estimated_finish.Finish | None, done: int, total: int, now: datetime
) -> dict[str, str]:
    """Return the last estimated finish and, if it is old, the address of a new one; by pace for large campaigns."""
    if kept is None or done == total:
        return {}
    if total - done > FORECAST_AT_ONCE and not kept.fresh(now):
        return {"finish": finish_wording.by_pace(row, done, total - done, now)}
    url = "" if kept.fresh(now) else reverse("admin:campaigns_campaign_end", args=[row.pk])
    return {"finish": finish_wording.in_words(kept, now), "finish_url": url}


def _unconfirmed(mine: list[int]) -> list[dict[str, Any]]:
    calls = Call.objects.filter(organization__in=mine, status=Status.UNCONFIRMED).select_related("account")
    return [
        {
            "url": reverse("admin:calls_call_change", args=[call.pk]),
            "number": national(call.to_number),
            "name": call.customer_name,
            "account": call.account.name,
            "since": local_time(call.dialed_at or call.created_at),
            "why": call.error_message or labels.reason(call.status_reason),
        }
        for call in calls.order_by("id")[:SHOWN]
    ]


def _worker_state(now: datetime) -> tuple[bool, str]:
    """Return whether a worker runs, and why none may place calls. One query, unless something is wrong."""
    ailing = Count("pk", filter=Exists(standing.ailing()))
    found = Heartbeat.objects.aggregate(newest=Max("beaten_at"), ailing=ailing)
    runs = found["newest"] is not None and found["newest"] > now - ALIVE
    return runs, standing.wrong() if found["ailing"] or (settings.DIAL_JOURNAL and not runs) else ""

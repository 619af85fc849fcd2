"""The first page: what goes on, what needs a person, and the way to a first call. `today.py` has its figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count
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
from calls.models import OPEN, Call, Heartbeat, Status
from campaigns.models import Campaign, Recipient
from campaigns.phones import national
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.models import Organization

SHOWN = 8
LOOKED_AT = 100  # campaigns among which those shown are found: running ones before the others
LARGE, KEPT = 20_000, 30  # people of a campaign above which its counts are kept for so many seconds
S = Campaign.Status
IN_ORDER = (S.RUNNING, S.PAUSED, S.SCHEDULED)
LEFT = ("pending", "calling", "waiting", "review")


def index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The dashboard's part of the index page (named in UNFOLD)."""
    urls = {"overview_url": reverse("admin:calls_call_overview"), "today_url": reverse("admin:calls_call_today")}
    return {**context, "title": "Dashboard", **urls, **overview(request)}


def fragment_view(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "trunkline/overview.html", {"overview_url": request.path, **overview(request)})


def overview(request: HttpRequest) -> dict[str, Any]:
    """What refreshes itself every few seconds: at most twelve queries, none of them over what is long past."""
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
    stopped = Organization.objects.filter(pk__in=mine, calls_stopped=True).order_by("name")
    doubtful_total = live.get(Status.UNCONFIRMED, 0)
    campaigns = _campaigns(mine, now)
    way = None if campaigns else first_steps(reach, mine)
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
        "live_total": sum(count for status, count in live.items() if status in OPEN),
        "campaigns": campaigns,
        "campaigns_url": reverse("admin:campaigns_campaign_changelist"),
        "doubtful": _doubtful(mine) if doubtful_total else [],
        "doubtful_total": doubtful_total,
        "doubtful_url": f"{listed}?status__exact={Status.UNCONFIRMED.value}",
        "needs": attention.needs_of(mine, doubtful_total, attention.new_alerts(mine), now),
        "stopped": [(row.name, reverse("admin:tenants_organization_change", args=[row.pk])) for row in stopped[:SHOWN]],
        "way": way,
        "figures": way is None or calls.order_by().exists(),  # an empty house has none
        "asleep": any(live.values()) and _nobody_works(now),
    }


def _campaigns(mine: list[int], now: datetime) -> list[dict[str, Any]]:
    going = Campaign.objects.filter(status__in=IN_ORDER, organization__in=mine).select_related("organization")
    rows = sorted(going[:LOOKED_AT], key=lambda row: IN_ORDER.index(S(row.status)))[:SHOWN]
    counts = _counts([row.pk for row in rows])
    kept = estimated_finish.kept_of([row for row in rows if row.status == S.RUNNING])
    found = []
    for row in rows:
        parts = {name: counts[row.pk].get(name, 0) for name in labels.RECIPIENT_PARTS}
        total = sum(parts.values())
        over = total - sum(parts[name] for name in LEFT)
        found.append(
            {
                "name": row.name,
                "url": reverse("admin:campaigns_campaign_change", args=[row.pk]),
                "label": row.get_status_display(),
                "colour": labels.CAMPAIGN_COLOURS[S(row.status)],
                "reason": row.status_reason,
                "total": f"{total:,}" if total else "",
                "over": f"{over:,}",
                "percent": over * 100 // total if total else 0,
                "bar": labels.bar(parts, labels.RECIPIENT_PARTS),
                **_end(row, kept.get(row.pk), over, total, now),
            }
        )
    return found


def _counts(campaigns: list[int]) -> dict[int, dict[str, int]]:
    """People by status. A large campaign is counted twice a minute, however many look at it."""
    keys = {pk: f"campaign-people:{pk}" for pk in campaigns}
    kept = cache.get_many(keys.values())
    found: dict[int, dict[str, int]] = {pk: kept.get(key, {}) for pk, key in keys.items()}
    rows = Recipient.objects.filter(campaign__in=[pk for pk in campaigns if keys[pk] not in kept])
    for pk, status, n in rows.values_list("campaign", "status").annotate(n=Count("pk")).order_by():
        found[pk][status] = n
    large = {keys[pk]: counts for pk, counts in found.items() if keys[pk] not in kept and sum(counts.values()) > LARGE}
    if large:
        cache.set_many(large, KEPT)
    return found


def _end(row: Campaign, kept: estimated_finish.Finish | None, over: int, total: int, now: datetime) -> dict[str, str]:
    """The forecast's end as last asked for, and where to ask again; of many people what the pace says."""
    if kept is None or over == total:
        return {}
    if total - over > FORECAST_AT_ONCE and not kept.fresh(now):
        return {"end": finish_wording.by_pace(row, over, total - over, now)}
    ask = "" if kept.fresh(now) else reverse("admin:campaigns_campaign_end", args=[row.pk])
    return {"end": finish_wording.in_words(kept, row, now), "ask_end": ask}


def _doubtful(mine: list[int]) -> list[dict[str, Any]]:
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


def _nobody_works(now: datetime) -> bool:
    return not Heartbeat.objects.filter(beaten_at__gt=now - ALIVE).exists()

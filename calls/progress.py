"""How far campaigns are, a whole page of them in a few queries. Grouped counts, never a counter that could drift."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from calls.models import OPEN, Call, CallBack
from campaigns.models import Campaign, Recipient
from tenants.rest import money, utc_text

OUTCOMES = ("completed", "no_answer", "busy", "failed", "expired", "unknown", "canceled")


def progress_of(campaigns: Sequence[Campaign]) -> dict[int, dict[str, Any]]:
    """By internal key; every key of the contract always present. Only running campaigns are asked why they idle."""
    found = {campaign.pk: _nothing_yet(campaign) for campaign in campaigns}
    people = Recipient.objects.filter(campaign__in=found).values("campaign_id", "status", "outcome")
    for row in people.annotate(n=Count("pk"), tried=Sum("attempts")).order_by():
        progress = found[row["campaign_id"]]
        progress["recipients"][row["status"]] += row["n"]
        progress["attempts"] += row["tried"] or 0
        if row["outcome"] in OUTCOMES and row["status"] == Recipient.Status.DONE:
            progress["outcomes"][row["outcome"]] += row["n"]
    calls = Call.objects.filter(campaign__in=found).values("campaign_id")
    currencies = {campaign.pk: campaign.budget_currency for campaign in campaigns}
    for sums in calls.annotate(open=Count("pk", filter=Q(status__in=OPEN)), spent=Sum("cost")).order_by():
        progress = found[sums["campaign_id"]]
        progress["open_calls"] = sums["open"]
        progress["spent"] = money(sums["spent"] or Decimal(0), currencies[sums["campaign_id"]])
    return found


def _nothing_yet(campaign: Campaign) -> dict[str, Any]:
    return {
        "status": campaign.status,
        "recipients": dict.fromkeys(Recipient.Status.values, 0),
        "outcomes": dict.fromkeys(OUTCOMES, 0),
        "attempts": 0,
        "open_calls": 0,
        "spent": money(Decimal(0), campaign.budget_currency),
        "started_at": utc_text(campaign.started_at),
        "estimated_finish": None,
        "idle_reasons": idle_reasons(campaign),
    }


def idle_reasons(campaign: Campaign) -> list[dict[str, Any]]:
    """Why a running campaign is not calling whom it could: code, sentence, people, until when (a datetime)."""
    if campaign.status == Campaign.Status.PAUSED:
        message = campaign.status_reason or "The campaign is paused."
        return [{"code": "campaign_paused", "message": message, "count": None, "until": None}]
    if campaign.status != Campaign.Status.RUNNING:
        return []
    reasons: list[dict[str, Any]] = []
    if campaign.organization.calls_stopped:
        message = "All calls of the organization are stopped."
        reasons.append({"code": "calls_stopped", "message": message, "count": None, "until": None})
    account = campaign.assistant.account if campaign.assistant else None
    if account and account.blocked(timezone.now()):
        message = f"The account is blocked: {account.blocked_reason}"
        reasons.append({"code": "account", "message": message, "count": None, "until": account.blocked_until})
    waiting = campaign.recipients.filter(status__in=["pending", "waiting"], next_attempt_at__gt=timezone.now())
    for row in waiting.values("reason").annotate(n=Count("pk"), until=Min("next_attempt_at")).order_by("-n")[:20]:
        code = row["reason"] or "not_due"
        message = WAITING_FOR.get(code, "Waiting for the next attempt.")
        reasons.append({"code": code, "message": message, "count": row["n"], "until": row["until"]})
    promised = CallBack.objects.filter(recipient__campaign=campaign, status=CallBack.Status.DUE, call=None)
    found = promised.aggregate(n=Count("pk"), until=Min("due_at"))
    if found["n"]:
        message = "Asked to be called back at a time of their own."
        reasons.append({"code": "call_back", "message": message, "count": found["n"], "until": found["until"]})
    return reasons


WAITING_FOR = {
    "calling_hours": "Outside the calling hours of the person.",
    "minimum_gap": "Called a short time ago.",
    "calls_per_day": "Called as often as allowed in 24 hours.",
    "open_call": "Another call to the number is open.",
    "caller_number_capacity": "The caller number has no line free.",
    "campaign_capacity": "The campaign has as many open calls as it may.",
    "budget": "The budget is spent or reserved.",
    "calls_stopped": "All calls of the organization are stopped.",
    "account": "The provider account takes no calls.",
    "hold": "The person is on hold.",
}

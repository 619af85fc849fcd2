"""The progress of a page of campaigns in a few queries, from counts that triggers keep."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from calls.gate import budgets
from calls.reports.figures.recipients import counts_of
from calls.reports.idle_reasons import idle_reasons
from campaigns.models import Campaign, Recipient
from tenants.api.fields import money, utc_text

OUTCOMES = ("completed", "no_answer", "busy", "failed", "expired", "unknown", "canceled")


def progress_of(campaigns: Sequence[Campaign]) -> dict[int, dict[str, Any]]:
    """Return the API's `progress` object by the campaign's internal key. Every key is always present."""
    found = {campaign.pk: _empty(campaign) for campaign in campaigns}
    for pk, counts in counts_of(found).items():
        found[pk]["recipients"] |= counts.by("status", {})
        found[pk]["outcomes"] |= {name: counts.outcomes[name] for name in OUTCOMES}
        found[pk]["attempts"] = counts.attempts
    currencies = {campaign.pk: campaign.budget_currency for campaign in campaigns}
    for pk, sums in budgets.sums_of(found).items():
        calls = {"open_calls": sums.open_calls, "overdue_calls": sums.overdue_calls}
        found[pk] |= {**calls, "spent": money(sums.paid, currencies[pk])}
    return found


def _empty(campaign: Campaign) -> dict[str, Any]:
    return {
        "status": campaign.status,
        "recipients": dict.fromkeys(Recipient.Status.values, 0),
        "outcomes": dict.fromkeys(OUTCOMES, 0),
        "attempts": 0,
        "open_calls": 0,
        "overdue_calls": 0,
        "spent": money(Decimal(0), campaign.budget_currency),
        "started_at": utc_text(campaign.started_at),
        "estimated_finish": None,
        "idle_reasons": idle_reasons(campaign),
    }

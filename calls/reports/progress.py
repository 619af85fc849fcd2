"""The progress of a page of campaigns in a few queries, from counts that triggers keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calls.gate import budgets
from calls.gate.budgets import Sums
from calls.reports.figures.recipients import counts_of
from calls.reports.idle_reasons import idle_reasons
from campaigns.models import Campaign, Recipient
from tenants.api.fields import money, moneys, utc_text
from tenants.money import NOTHING

OUTCOMES = ("completed", "no_answer", "busy", "failed", "expired", "unknown", "canceled")


def progress_of(campaigns: Sequence[Campaign]) -> dict[int, dict[str, Any]]:
    """Return the API's `progress` object by the campaign's internal key. Every key is always present."""
    found = {campaign.pk: _empty(campaign) for campaign in campaigns}
    for pk, counts in counts_of(found).items():
        found[pk]["recipients"] |= counts.by("status", {})
        found[pk]["outcomes"] |= {name: counts.outcomes[name] for name in OUTCOMES}
        found[pk]["attempts"] = counts.attempts
    sums_of = budgets.sums_of(found)
    for campaign in campaigns:
        found[campaign.pk] |= _of_calls(campaign, sums_of[campaign.pk])
    return found


def _of_calls(campaign: Campaign, sums: Sums) -> dict[str, Any]:
    """Return what is open and spent. `spent` has room for one currency: the budget's, else the only one there is."""
    limit, only = campaign.spending_limit, sums.paid.only()
    currency = only.currency if only is not None and limit is None else campaign.budget_currency
    return {
        "open_calls": sums.open_calls,
        "overdue_calls": sums.overdue_calls,
        "spent": money(sums.paid.within(currency)),
        "spent_by_currency": moneys(sums.paid),
        "budget_not_counted": moneys(NOTHING if limit is None else sums.used.beyond(limit.currency)),
    }


def _empty(campaign: Campaign) -> dict[str, Any]:
    return {
        "status": campaign.status,
        "recipients": dict.fromkeys(Recipient.Status.values, 0),
        "outcomes": dict.fromkeys(OUTCOMES, 0),
        "attempts": 0,
        "open_calls": 0,
        "overdue_calls": 0,
        "spent": None,
        "spent_by_currency": [],
        "budget_not_counted": [],
        "started_at": utc_text(campaign.started_at),
        "estimated_finish": None,
        "idle_reasons": idle_reasons(campaign),
    }

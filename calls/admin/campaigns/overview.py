"""What a campaign does now: its status, progress and money, why it waits, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from calls.admin.campaigns.button_effects import zone_choices
from calls.admin.people import recipient_list
from calls.admin.people.counts import funnel_rows
from calls.admin.shared.labels import (
    CAMPAIGN_COLOURS,
    OUTCOME_PARTS,
    RECIPIENT_PARTS,
    bar,
    budget,
    spent_text,
)
from calls.gate import budgets
from calls.models import Call, Status
from calls.reports.figures.recipients import Counts, counts_of
from calls.reports.idle_reasons import idle_reasons
from campaigns.models import Campaign
from campaigns.rules.spoken import REASON as PLACEHOLDERS
from campaigns.wording import counted
from tenants.backoffice.local_time import local_time
from tenants.money import money_text

S = Campaign.Status
UNFINISHED = {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED}
COUNTED_AT_MOST = 100


def head_of(obj: Campaign) -> dict[str, Any]:
    """Return what stands above the tabs."""
    return {
        "campaign": obj,
        "label": obj.get_status_display(),
        "colour": CAMPAIGN_COLOURS[S(obj.status)],
        "launching": obj.status == S.RUNNING and obj.launched_at is None,
        "starts": str(local_time(obj.starts_at, "")) if obj.status == S.SCHEDULED else "",
    }


def idle_of(obj: Campaign, url: str) -> dict[str, Any]:
    """Return why the campaign is not calling. `url` is this part's own."""
    return {
        "live": obj.status in UNFINISHED,
        "idle_url": url,
        "idle": [_idle(row) for row in idle_reasons(obj)],
    }


def _idle(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "message": row["message"],
        "recipients": counted(row["count"], "recipient") if row["count"] else "",
        "until": str(local_time(row["until"], "")),
    }


def overview_of(obj: Campaign) -> dict[str, Any]:
    """Return the overview: for a started campaign its progress, its money and what needs attention."""
    found = {
        "every": 15,
        "zone_choices": zone_choices(obj),
        "started": local_time(obj.started_at, "not yet"),
        "finished": local_time(obj.finished_at, ""),
    }
    return found if obj.status in {S.DRAFT, S.SCHEDULED} else found | _progress(obj)


def _progress(obj: Campaign) -> dict[str, Any]:
    counts = counts_of([obj.pk])[obj.pk]
    recipients, total, done = counts.by("status", {}), counts.total, counts.done
    sums = budgets.sums_of([obj.pk])[obj.pk]
    calls_url = _calls_url(obj)
    return {
        "every": recipient_list.refresh_seconds(total),
        "total": total,
        "total_shown": f"{total:,}",
        "done": f"{done.part:,}",
        "share": done.whole_text,
        "bar": bar({name: recipients[name] for name in RECIPIENT_PARTS}, RECIPIENT_PARTS),
        "recipients_url": recipients_url(obj),
        "answered": _answered(counts),
        "calls_url": calls_url,
        "attempts": f"{counts.attempts:,}",
        "open_calls": sums.open_calls,
        "attention": _attention(obj, sums.overdue_calls, counts.held, calls_url),
        "spent": spent_text(sums.paid, counts.attempts),
        "estimated": money_text(sums.estimated) if sums.estimated else "",
        "budget": budget(sums.used, limit) if (limit := obj.spending_limit) is not None else None,
    }


def _answered(counts: Counts) -> dict[str, str]:
    """Return how many recipients answered, and their part of those who were called."""
    steps = {step["label"]: step for step in funnel_rows(counts)}
    return {"count": steps["Answered"]["shown"], "share": steps["Answered"]["of_before"]}


def _attention(obj: Campaign, overdue: int, held: int, calls_url: str) -> list[dict[str, str]]:
    """Return what only a team member can settle, each with the list that shows it."""
    doubtful = Call.objects.filter(campaign=obj.pk, status=Status.UNCONFIRMED)[:COUNTED_AT_MOST].count()
    found = [
        (doubtful, "unconfirmed call", f"{calls_url}&status__exact={Status.UNCONFIRMED}"),
        (overdue, "overdue call", f"{calls_url}&overdue=yes"),
        (held, "recipient", f"{recipients_url(obj)}&reason={PLACEHOLDERS}"),
    ]
    notes = {"recipient": "held until a team member decides"}
    return [{"text": counted(n, thing), "note": notes.get(thing, ""), "url": url} for n, thing, url in found if n]


def results_of(obj: Campaign) -> dict[str, Any]:
    """Return how recipients ended, and the steps from the lists to those reached."""
    counts = counts_of([obj.pk])[obj.pk]
    outcomes = counts.outcomes
    return {
        "total": counts.total,
        "recipients_url": recipients_url(obj),
        "results_url": reverse("admin:campaigns_campaign_results", args=[obj.pk]),
        "calls_file_url": reverse("admin:campaigns_campaign_calls", args=[obj.pk]),
        "compare_url": f"{reverse('admin:campaigns_campaign_compare')}?{urlencode({'a': obj.pk})}",
        "outcomes": bar({name: outcomes[name] for name in OUTCOME_PARTS}, OUTCOME_PARTS),
        "funnel": funnel_rows(counts) if counts.total else [],
    }


def recipients_url(obj: Campaign) -> str:
    return f"{reverse('admin:campaigns_recipient_changelist')}?{urlencode({'campaign__id__exact': obj.pk})}"


def _calls_url(obj: Campaign) -> str:
    return f"{reverse('admin:calls_call_changelist')}?{urlencode({'campaign__id__exact': obj.pk})}"

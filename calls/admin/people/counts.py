"""Counts of a campaign's recipients in words: labels of filters, and the funnel."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst

from calls.admin.shared import labels
from calls.models import Status
from calls.reports.figures.conditions import Share
from calls.reports.figures.recipients import Counts
from campaigns.models import Recipient

S = Recipient.Status


def funnel_rows(counts: Counts) -> list[dict[str, Any]]:
    """Return the rows of the funnel. Each step is shown as a share of all, and of the step before."""
    rows, before = [], counts.total
    for label, count in counts.funnel().items():
        shares = {"of_all": Share(count, counts.total).text, "of_before": Share(count, before).text}
        rows.append({"label": label, "count": count, "shown": f"{count:,}", **shares})
        before = count
    return rows


def label_of(dimension: str, value: str) -> str:
    """Return the label of a filter's value."""
    if dimension == "status":
        return str(S(value).label) if value in S.values else value
    if dimension == "outcome":
        return labels.OUTCOME_LABELS[Status(value)] if value in labels.OUTCOME_PARTS else value
    return capfirst(labels.reason(value))

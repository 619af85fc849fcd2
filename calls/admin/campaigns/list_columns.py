"""The figures of campaigns in their list: progress, answers and money. Two queries for all rows of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from calls.admin.shared import labels
from calls.gate import budgets
from calls.reports.figures.conditions import Share
from calls.reports.figures.recipients import Counts, counts_of
from campaigns.models import Campaign
from tenants.backoffice.scoped_admin import ScopedAdmin


class ListColumns(ScopedAdmin):
    """Columns of the list of campaigns, as a base class of the campaign's admin."""

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        keys = [row.pk for row in rows]
        counts, sums = counts_of(keys), budgets.sums_of(keys)
        for row in rows:
            row.counts, row.sums = counts[row.pk], sums.get(row.pk)

    @admin.display(description="progress")
    def progress(self, row: Campaign) -> str:
        done = _counts(row).done
        return f"{done.counts} ({done.whole_text})" if done.whole else "-"

    @admin.display(description="answered")
    def answered(self, row: Campaign) -> str:
        steps = _counts(row).funnel()
        share = Share(steps["Answered"], steps["Called"])
        return f"{share.counts} called ({share.text})" if share.whole else "-"

    @admin.display(description="spent")
    def spent(self, row: Campaign) -> str:
        sums = getattr(row, "sums", None)
        return labels.spent_text(sums.paid, _counts(row).attempts) if sums and row.started_at else "-"


def _counts(row: Campaign) -> Counts:
    return getattr(row, "counts", None) or Counts()

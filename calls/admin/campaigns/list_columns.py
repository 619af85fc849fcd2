"""The figures of campaigns in their list: progress, answers and money. Two queries for all rows of a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from calls.admin.people.counts import OPEN
from calls.gate import budgets
from calls.models import Status
from calls.reports.variant_comparison import percent
from campaigns.models import Campaign, RecipientCount
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.money import money_text


class ListColumns(ScopedAdmin):
    """Columns of the list of campaigns, as a base class of the campaign's admin."""

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        keys = [row.pk for row in rows]
        groups: dict[int, list[Any]] = defaultdict(list)
        for group in RecipientCount.of(keys, "campaign_id", "status", "outcome"):
            groups[group["campaign_id"]].append(group)
        sums = budgets.sums_of(keys)
        for row in rows:
            row.groups, row.sums = groups[row.pk], sums.get(row.pk)

    @admin.display(description="progress")
    def progress(self, row: Campaign) -> str:
        groups = _groups(row)
        total = sum(group["n"] for group in groups)
        done = total - sum(group["n"] for group in groups if group["status"] in OPEN)
        return f"{done:,} of {total:,} ({done * 100 // total} %)" if total else "-"

    @admin.display(description="answered")
    def answered(self, row: Campaign) -> str:
        groups = _groups(row)
        called = sum(group["called"] for group in groups)
        answered = sum(group["n"] for group in groups if group["outcome"] == Status.COMPLETED)
        return percent(answered / called) if called else "-"

    @admin.display(description="spent")
    def spent(self, row: Campaign) -> str:
        sums = getattr(row, "sums", None)
        return money_text(sums.paid) if sums and row.started_at else "-"


def _groups(row: Campaign) -> list[Any]:
    found: list[Any] = getattr(row, "groups", [])
    return found

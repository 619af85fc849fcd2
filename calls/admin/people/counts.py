"""Counts of a campaign's recipients by status, outcome and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from calls.admin.shared import labels
from calls.models import Status
from calls.reports.variant_comparison import percent
from campaigns.models import Campaign, Recipient, RecipientCount

S = Recipient.Status
OPEN = (S.PENDING, S.CALLING, S.WAITING, S.REVIEW)
DIMENSIONS = ("status", "outcome", "reason")


@dataclass(frozen=True)
class Group:
    """Recipients of one status, outcome and reason. `tried` of them were called at least once."""

    status: str
    outcome: str
    reason: str  # without its detail
    recipients: int
    tried: int
    attempts: int


@dataclass(frozen=True)
class Counts:
    groups: tuple[Group, ...]

    @property
    def total(self) -> int:
        return sum(group.recipients for group in self.groups)

    @property
    def attempts(self) -> int:
        return sum(group.attempts for group in self.groups)

    def by(self, dimension: str, chosen: Mapping[str, str]) -> Counter[str]:
        """Return recipients by one dimension, among those that match the filters on the other dimensions."""
        others = [(name, value) for name, value in chosen.items() if value and name != dimension]
        found = Counter[str]()
        for group in self.groups:
            if all(getattr(group, name) == value for name, value in others):
                found[getattr(group, dimension)] += group.recipients
        return found

    def funnel(self) -> list[dict[str, Any]]:
        """Return the steps from all contacts on the lists to those reached; each step is a part of the one before."""
        excluded = sum(g.recipients - g.tried for g in self.groups if g.status in (S.SKIPPED, S.WITHDRAWN))
        answered = [group for group in self.groups if group.outcome == Status.COMPLETED]
        steps = [
            ("On its lists", self.total),
            ("May be called", self.total - excluded),
            ("Called", sum(group.tried for group in self.groups)),
            ("Answered", sum(group.recipients for group in answered)),
            ("Reached in person", sum(group.recipients for group in answered if group.reason != "voicemail")),
        ]
        before = [self.total, *(count for _, count in steps)]
        return [
            {
                "label": label,
                "count": count,
                "shown": f"{count:,}",
                "of_all": percent(count / self.total) if self.total else "-",
                "of_before": percent(count / last) if last else "-",
            }
            for (label, count), last in zip(steps, before, strict=False)
        ]


def counts_of(campaign: Campaign) -> Counts:
    rows = RecipientCount.of([campaign.pk], *DIMENSIONS)
    return Counts(
        tuple(
            Group(row["status"], row["outcome"], code_of(row["reason"]), row["n"], row["called"], row["calls"])
            for row in rows
        )
    )


def code_of(reason: str) -> str:
    """Return the reason's code without its detail, such as the variable in `missing_variables: slot`."""
    return reason.partition(": ")[0]


def having(reason: str) -> Q:
    """Return the condition of recipients with this reason."""
    return (Q(reason=reason) | Q(reason__startswith=f"{reason}: ")) & ~Q(reason="")  # the condition of the index


def label_of(dimension: str, value: str) -> str:
    """Return the label of a filter's value."""
    if dimension == "status":
        return str(S(value).label) if value in S.values else value
    if dimension == "outcome":
        return str(Status(value).label) if value in Status.values else value
    text = labels.reason(value)
    return f"{text[:1].upper()}{text[1:]}"

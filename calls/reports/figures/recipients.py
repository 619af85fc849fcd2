"""Counts of recipients of campaigns by status, outcome and reason, from counts that triggers keep (docs/adr/0015)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Q

from calls.models import Status
from calls.reports.figures.conditions import Share
from campaigns.models import Recipient, RecipientCount
from campaigns.rules.spoken import REASON as PLACEHOLDERS

S = Recipient.Status
LEFT = (S.PENDING, S.CALLING, S.WAITING, S.REVIEW)  # still to be called, or to be decided
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
    groups: tuple[Group, ...] = ()

    @property
    def total(self) -> int:
        return sum(group.recipients for group in self.groups)

    @property
    def attempts(self) -> int:
        return sum(group.attempts for group in self.groups)

    @property
    def done(self) -> Share:
        """Return how many recipients the campaign is done with: all that it does not call any more."""
        return Share(self.total - sum(group.recipients for group in self.groups if group.status in LEFT), self.total)

    @property
    def outcomes(self) -> Counter[str]:
        """Return the outcomes of the recipients whose status is `done`. Others may still get another one."""
        return self.by("outcome", {"status": S.DONE})

    @property
    def held(self) -> int:
        """Return how many recipients are held for a value that nobody means to speak."""
        return sum(
            group.recipients for group in self.groups if (group.status, group.reason) == (S.REVIEW, PLACEHOLDERS)
        )

    def by(self, dimension: str, chosen: Mapping[str, str]) -> Counter[str]:
        """Return recipients by one dimension, among those that match the filters on the other dimensions."""
        others = [(name, value) for name, value in chosen.items() if value and name != dimension]
        found = Counter[str]()
        for group in self.groups:
            if all(getattr(group, name) == value for name, value in others):
                found[getattr(group, dimension)] += group.recipients
        return found

    def funnel(self) -> dict[str, int]:
        """Return the steps from all contacts on the lists to those reached; each step is a part of the one before."""
        excluded = sum(g.recipients - g.tried for g in self.groups if g.status in (S.SKIPPED, S.WITHDRAWN))
        answered = [group for group in self.groups if group.outcome == Status.COMPLETED]
        return {
            "On its lists": self.total,
            "May be called": self.total - excluded,
            "Called": sum(group.tried for group in self.groups),
            "Answered": sum(group.recipients for group in answered),
            "Reached in person": sum(group.recipients for group in answered if group.reason != "voicemail"),
        }


def counts_of(campaigns: Collection[int]) -> defaultdict[int, Counts]:
    """Return the counts by the campaign's internal key, in one query. A campaign without recipients has empty ones."""
    groups: defaultdict[int, list[Group]] = defaultdict(list)
    for row in RecipientCount.of(campaigns, "campaign_id", *DIMENSIONS):
        group = Group(row["status"], row["outcome"], code_of(row["reason"]), row["n"], row["called"], row["calls"])
        groups[row["campaign_id"]].append(group)
    return defaultdict(Counts, {pk: Counts(tuple(found)) for pk, found in groups.items()})


def code_of(reason: str) -> str:
    """Return the reason's code without its detail, such as the variable in `missing_variables: slot`."""
    return reason.partition(": ")[0]


def having(reason: str) -> Q:
    """Return the condition of recipients with this reason."""
    return (Q(reason=reason) | Q(reason__startswith=f"{reason}: ")) & ~Q(reason="")  # the condition of the index

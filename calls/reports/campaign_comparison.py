"""Two campaigns beside each other: whom they called and reached, what it cost, and what came of it.

Each figure is that of the campaign's own page. Shares have their difference with its interval at 95 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from calls.gate import budgets
from calls.reports.figures.conditions import Share
from calls.reports.figures.recipients import Counts, counts_of
from calls.reports.figures.results import FieldFigures, Results, results_of
from calls.reports.intervals import Difference, difference_of, interval_of
from calls.reports.result_values import Shown
from campaigns.models import Campaign
from campaigns.rules.result_fields import Kind
from tenants.api.fields import moneys
from tenants.money import Amounts

PLACES = 4  # decimals of a share


@dataclass(frozen=True)
class Side:
    """What one campaign has of each figure."""

    campaign: Campaign
    counts: Counts
    results: Results
    cost: Amounts

    @property
    def shares(self) -> dict[tuple[str, str], Share]:
        """Return the shares by what is counted and of what."""
        steps = self.counts.funnel()
        called = steps["Called"]
        return {
            ("called", "may_be_called"): Share(called, steps["May be called"]),
            ("answered", "called"): Share(steps["Answered"], called),
            ("reached", "called"): Share(steps["Reached in person"], called),
            ("opted_out", "decided"): self.results.opted_out,
        }

    @property
    def attempts_each(self) -> float | None:
        """Return the calls for each recipient who was called."""
        called = self.counts.funnel()["Called"]
        return self.counts.attempts / called if called else None


@dataclass(frozen=True)
class Pair:
    """One share of both campaigns. `figure`: what is counted; `of`: its whole."""

    figure: str
    of: str
    a: Share
    b: Share

    @property
    def difference(self) -> Difference | None:
        """Return how much the second campaign's share is above the first one's."""
        return difference_of(self.b, self.a)

    def as_json(self) -> dict[str, Any]:
        found = self.difference
        between = {name: round(getattr(found, name), PLACES) for name in ("by", "low", "high")} if found else None
        return {"a": share_as_json(self.a), "b": share_as_json(self.b), "difference": between}


@dataclass(frozen=True)
class CommonField:
    """A result field that both campaigns have, of one kind. `answers`: each answer or choice of either."""

    name: str
    heading: str
    kind: Kind
    a: Shown
    b: Shown
    answers: tuple[Pair, ...]


@dataclass(frozen=True)
class Comparison:
    """`b` is compared with `a`."""

    a: Side
    b: Side
    shares: tuple[Pair, ...]
    fields: tuple[CommonField, ...]


def compare(a: Campaign, b: Campaign) -> Comparison:
    """Return two campaigns beside each other. Whoever asks may see both."""
    keys = [a.pk, b.pk]
    counts, sums = counts_of(keys), budgets.sums_of(keys)
    one, other = (Side(each, counts[each.pk], results_of(each, counts[each.pk]), sums[each.pk].paid) for each in (a, b))
    theirs = other.shares
    shares = tuple(Pair(*names, share, theirs[names]) for names, share in one.shares.items())
    return Comparison(one, other, shares, tuple(_in_common(one.results, other.results)))


def _in_common(a: Results, b: Results) -> Iterator[CommonField]:
    """Yield the fields that both show as one kind, in the order of the first."""
    theirs = {each.field.name: each for each in b.fields if _is_shown(each)}
    for mine in filter(_is_shown, a.fields):
        other = theirs.get(mine.field.name)
        if other and other.shown.kind is mine.shown.kind is not Kind.TEXT:
            answers = tuple(_answers(mine.shown, other.shown))
            yield CommonField(mine.field.name, mine.field.heading, mine.shown.kind, mine.shown, other.shown, answers)


def _is_shown(each: FieldFigures) -> bool:
    return each.field.shown and each.shown.values > 0


def _answers(a: Shown, b: Shown) -> Iterator[Pair]:
    """Yield each answer of either, with the share of both. Answers are the same whatever their case."""
    mine, theirs = ({text.casefold(): share for text, share in each.parts} for each in (a, b))
    written = {text.casefold(): text for text, _ in (*b.parts, *a.parts)}
    for folded in dict.fromkeys((*mine, *theirs)):
        none_of_a, none_of_b = Share(0, a.values), Share(0, b.values)
        yield Pair(written[folded], "values", mine.get(folded, none_of_a), theirs.get(folded, none_of_b))


def share_as_json(share: Share) -> dict[str, Any]:
    """Return a share with its counts and the interval of its rate."""
    low, high = interval_of(share)
    return {
        "part": share.part,
        "whole": share.whole,
        "rate": None if share.rate is None else round(share.rate, PLACES),
        "rate_low": round(low, PLACES),
        "rate_high": round(high, PLACES),
    }


def as_json(found: Comparison) -> dict[str, Any]:
    """Return the comparison as the API shows it."""
    sides = {"a": found.a, "b": found.b}
    return {
        "campaigns": {
            name: {"id": side.campaign.uuid, "name": side.campaign.name, "sample_every": side.results.every}
            for name, side in sides.items()
        },
        "shares": [{"figure": pair.figure, "of": pair.of, **pair.as_json()} for pair in found.shares],
        "recipients": {name: side.counts.total for name, side in sides.items()},
        "attempts": {name: side.counts.attempts for name, side in sides.items()},
        "attempts_per_recipient_called": {
            name: None if side.attempts_each is None else round(side.attempts_each, PLACES)
            for name, side in sides.items()
        },
        "median_duration_seconds": {name: side.results.duration for name, side in sides.items()},
        "cost_by_currency": {name: moneys(side.cost) for name, side in sides.items()},
        "fields": [_field_as_json(field) for field in found.fields],
    }


def _field_as_json(field: CommonField) -> dict[str, Any]:
    both = {"a": field.a, "b": field.b}
    return {
        "name": field.name,
        "title": field.heading,
        "kind": field.kind,
        "values": {name: shown.values for name, shown in both.items()},
        "median": {name: shown.spread.median if shown.spread else None for name, shown in both.items()},
        "answers": [{"value": pair.figure, **pair.as_json()} for pair in field.answers],
    }

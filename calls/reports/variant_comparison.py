"""Compare a campaign's variants: contacts, calls, outcomes, cost, and whether a difference is significant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Mod

from calls.models import Call, CallCount, PersonCount, deciding_call
from calls.models.costing import COST, NOT_PRICED
from calls.reports.figures.conditions import RANG, REACHED, Share, percent
from calls.reports.intervals import CONFIDENCE, interval_of, quantile
from campaigns.models import Campaign
from providers.models import Assistant
from tenants.api.fields import money, moneys
from tenants.money import NOTHING, Amounts, Money

FEW = 5  # completed and not completed: below this, a share is not normally distributed
SAMPLE_KEPT = 300  # seconds
SMALLEST = Decimal("0.0001")  # part of a cost per contact


@dataclass(frozen=True)
class Variant:
    """One assistant of a campaign. Its calls that rang decided about `people`, and reached `completed` of them."""

    id: str
    name: str
    people: int
    calls: int
    completed: int
    cost: Amounts
    is_estimate: bool = False  # whether our estimate is a part of the cost
    low: float = 0.0  # bounds of the rate, at a confidence that holds for all variants together
    high: float = 1.0

    @property
    def rate(self) -> float | None:
        return self.completed / self.people if self.people else None

    @property
    def cost_per_completed(self) -> Amounts:
        """Return what each contact cost who was reached. Empty: nobody was, or no cost is known."""
        if not self.completed:
            return NOTHING
        return Amounts.of(Money((m.amount / self.completed).quantize(SMALLEST), m.currency) for m in self.cost)

    def as_json(self) -> dict[str, Any]:
        return {
            "assistant": self.id,
            "name": self.name,
            "people": self.people,
            "calls": self.calls,
            "completed": self.completed,
            "rate": None if self.rate is None else round(self.rate, 4),
            "rate_low": round(self.low, 4),
            "rate_high": round(self.high, 4),
            "cost": money(self.cost.only()),
            "cost_by_currency": moneys(self.cost),
            "cost_per_completed": money(self.cost_per_completed.only()),
        }


@dataclass(frozen=True)
class Comparison:
    """`statement`: what the figures show, in one sentence for each pair of variants."""

    variants: tuple[Variant, ...]
    statement: str

    def as_json(self) -> dict[str, Any]:
        return {"variants": [variant.as_json() for variant in self.variants], "statement": self.statement}


def compare(campaign: Campaign, sample: QuerySet[Call] | None = None) -> Comparison:
    """Compare the assistants. Each recipient counts once, for the assistant of its deciding call, if that call rang.

    Calls and costs are of all calls that rang, whomever they decided about. Open calls do not count.

    `sample`: use these calls only, for a page of a large campaign.
    """
    rows = _counts_of(campaign) if sample is None else _counts_in(sample)
    now = [campaign.assistant, *(each.assistant for each in campaign.variants.select_related("assistant__account"))]
    named = {assistant.pk: assistant for assistant in now if assistant}
    former = Assistant.objects.filter(pk__in=set(rows) - set(named))  # of earlier versions of the rules
    named |= {assistant.pk: assistant for assistant in former.select_related("account").order_by("pk")}
    return judge([_variant(assistant, rows.get(pk, {})) for pk, assistant in named.items()])


def _counts_of(campaign: Campaign) -> dict[int, dict[str, Any]]:
    """Return the figures of all calls of a campaign by assistant, from counts that triggers keep."""
    people = PersonCount.objects.filter(campaign=campaign).values("assistant").order_by()
    found: dict[int, dict[str, Any]] = {
        row["assistant"]: {**row, "dialed": 0, "moneys": []}
        for row in people.annotate(n=Sum("people"), completed=Sum("reached")).exclude(n=0)
    }
    calls = CallCount.objects.filter(campaign=campaign, rang=True).values("assistant", "currency").order_by()
    sums = calls.annotate(n=Sum("calls"), costed=Sum("costed"), priced=Sum("priced"), estimated=Sum("estimated"))
    for row in sums.exclude(n=0):
        of_assistant = found.setdefault(row["assistant"], {"n": 0, "completed": 0, "dialed": 0, "moneys": []})
        of_assistant["dialed"] += row["n"]
        if row["costed"]:
            _add_cost(of_assistant, row["currency"], row["priced"] + row["estimated"], row["estimated"])
    return found


def _add_cost(of_assistant: dict[str, Any], currency: str, paid: Decimal, guessed: Decimal | None) -> None:
    of_assistant["moneys"].append(Money(paid, currency))
    of_assistant["guessed"] = bool(guessed) or of_assistant.get("guessed", False)


def _counts_in(sample: QuerySet[Call]) -> dict[int, dict[str, Any]]:
    """Return the same figures of some calls, from the calls themselves."""
    rang = sample.filter(RANG).order_by()
    decides = Q(pk=Subquery(deciding_call(OuterRef("recipient")).values("pk")))
    counted = rang.values("assistant").annotate(
        n=Count("pk", filter=decides), dialed=Count("pk"), completed=Count("pk", filter=decides & REACHED)
    )
    found = {row["assistant"]: {**row, "moneys": []} for row in counted}
    costs = rang.values_list("assistant", "cost_currency").annotate(
        paid=Sum(COST), guessed=Sum("cost_estimate", filter=NOT_PRICED)
    )
    for assistant, currency, paid, guessed in costs.exclude(paid=None):
        _add_cost(found[assistant], currency, paid, guessed)
    return found


def sample_of(campaign: Campaign, most: int) -> tuple[QuerySet[Call], int]:
    """Return a campaign's calls and 1, or if there are more than `most`, one in every N calls and N.

    Figures of a million calls take too long for a page. The choice of calls is cached for five minutes; their outcomes
    are read each time.
    """
    calls = Call.objects.filter(campaign=campaign)
    if not calls.order_by("pk")[most:].exists():
        return calls, 1
    kept = f"campaign-sample:{campaign.pk}:{most}"
    drawn: tuple[list[int], int] | None = cache.get(kept)
    if drawn is None:
        drawn = _drawn(calls, most)
        cache.set(kept, drawn, SAMPLE_KEPT)
    keys, every = drawn
    return Call.objects.filter(pk__in=keys), every


def _drawn(calls: QuerySet[Call], most: int) -> tuple[list[int], int]:
    """Return the keys of a sample, spread over the campaign's whole time. They are read from an index."""
    every = -(-calls.count() // most)
    every += every % 2 == 0  # engines alternate, so an even step could pick the calls of one engine only
    turn = calls.order_by().annotate(turn=Mod(F("pk"), every)).filter(turn=0)
    return list(turn.values_list("pk", flat=True)), every


def _variant(assistant: Assistant, row: Mapping[str, Any]) -> Variant:
    return Variant(
        id=str(assistant.uuid),
        name=assistant.name,
        people=row.get("n", 0),
        calls=row.get("dialed", 0),
        completed=row.get("completed", 0),
        cost=Amounts.of(row.get("moneys", ())),
        is_estimate=bool(row.get("guessed")),
    )


def judge(variants: Sequence[Variant]) -> Comparison:
    """Compare variants. Pure.

    The confidence holds for all statements together: each gets its share of the error (Bonferroni).
    """
    bounded = tuple(_with_interval(variant, len(variants)) for variant in variants)
    pairs = [(one, other) for number, one in enumerate(bounded) for other in bounded[number + 1 :]]
    if not pairs:
        return Comparison(bounded, "There is nothing to compare: the campaign has one assistant.")
    return Comparison(bounded, " ".join(_sentence(one, other, len(pairs)) for one, other in pairs))


def _with_interval(variant: Variant, number: int) -> Variant:
    low, high = interval_of(Share(variant.completed, variant.people), (1 - CONFIDENCE) / number)
    return replace(variant, low=low, high=high)


def _sentence(one: Variant, other: Variant, pairs: int) -> str:
    if not one.people or not other.people:
        idle = " and ".join(f"“{variant.name}”" for variant in (one, other) if not variant.people)
        return f"Nothing can be said of {idle} yet: nobody's outcome was decided by a call that rang."
    people = one.people + other.people
    pooled = (one.completed + other.completed) / people
    spread = math.sqrt(1 / one.people + 1 / other.people)
    z = quantile((1 - CONFIDENCE) / pairs)
    rates = f"{percent(one.completed / one.people)} and {percent(other.completed / other.people)}"
    difference = one.completed / one.people - other.completed / other.people
    enough = min(v for each in (one, other) for v in (each.completed, each.people - each.completed)) >= FEW
    if enough and abs(difference) > z * math.sqrt(pooled * (1 - pooled)) * spread:
        better, worse = (one, other) if difference > 0 else (other, one)
        points = percent(abs(difference)).removesuffix(" %")
        return f"“{better.name}” reaches more contacts than “{worse.name}”, by about {points} points ({rates})."
    # When nearly all or nearly none were reached, the spread is small by chance. One half is the careful estimate.
    scatter = math.sqrt(pooled * (1 - pooled)) if enough else 0.5
    shows = min(1.0, z * scatter * spread)
    return (
        f"“{one.name}” and “{other.name}” may be equal ({rates}): with {one.people} and {other.people} contacts, only "
        f"differences over {math.ceil(shows * 100)} points would show."
    )

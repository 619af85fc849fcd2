"""The mix of outcomes that a forecast assumes for an organization's calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

from django.db.models import Avg, BooleanField, Case, Count, DurationField, ExpressionWrapper, F, Q, Subquery, When
from django.db.models.functions import Coalesce

from calls.models import Call, Status
from providers.adapters.base import Provider

HISTORY, ENOUGH = timedelta(days=90), 50  # how far back calls count, and how many of them are enough
LATEST = 20_000  # calls read at most, because a page waits for the forecast


@dataclass(frozen=True)
class Ending:
    """One way in which calls end: its share of all calls, how long such a call holds a line, how much is billed."""

    status: str
    voicemail: bool
    share: float
    held: timedelta
    billed: timedelta = timedelta()


# For an organization without enough calls of its own. docs/api.md names them.
DEFAULTS = (
    Ending(Status.COMPLETED, False, 0.35, timedelta(seconds=120), timedelta(seconds=105)),
    Ending(Status.COMPLETED, True, 0.15, timedelta(seconds=45), timedelta(seconds=30)),
    Ending(Status.NO_ANSWER, False, 0.37, timedelta(seconds=35)),
    Ending(Status.BUSY, False, 0.07, timedelta(seconds=10)),
    Ending(Status.FAILED, False, 0.06, timedelta(seconds=10)),
)


def as_reported(endings: Iterable[Ending], shares: Iterable[tuple[Provider, float]]) -> tuple[Ending, ...]:
    """Return the endings as these providers report them, each with its share of the calls.

    A rule for an outcome that a provider does not tell apart from another is not applied to its calls.
    """
    found: dict[tuple[str, bool, timedelta, timedelta], Ending] = {}
    for (adapter, share), ending in product(shares, endings):
        name = "voicemail" if ending.voicemail else ending.status
        state = adapter.merged_outcomes.get(name)
        status, voicemail = (state.value, False) if state else (ending.status, ending.voicemail)
        key = (status, voicemail, ending.held, ending.billed)
        before = found[key].share if key in found else 0.0
        found[key] = replace(ending, status=status, voicemail=voicemail, share=before + ending.share * share)
    return tuple(found.values())


def endings_of(organization_id: int, now: datetime) -> tuple[Ending, ...]:
    """Return how the organization's latest calls ended. With too few of them, return DEFAULTS."""
    mine = Call.objects.filter(organization=organization_id)
    first = Subquery(mine.order_by("-pk").values("pk")[LATEST - 1 : LATEST])
    wanted = (Status.COMPLETED, Status.NO_ANSWER, Status.BUSY, Status.FAILED)
    calls = mine.filter(
        pk__gte=Coalesce(first, 0), terminal_at__gt=now - HISTORY, status__in=wanted, dialed_at__isnull=False
    )
    machine = Q(answered_by="machine") | Q(ended_reason="voicemail")  # Call.is_voicemail
    # An answered call whose duration is not known says nothing; any other lasted no time that is paid.
    billed = Coalesce("billed_duration_seconds", "duration_seconds")
    rows = list(
        calls.annotate(machine=ExpressionWrapper(machine, output_field=BooleanField()))
        .values("status", "machine")
        .annotate(
            n=Count("pk"),
            held=Avg(ExpressionWrapper(F("terminal_at") - F("dialed_at"), output_field=DurationField())),
            billed=Avg(Case(When(status=Status.COMPLETED, then=billed), default=Coalesce(billed, 0))),
        )
        .order_by("status", "machine")
    )
    total = sum(row["n"] for row in rows)
    if total < ENOUGH:
        return DEFAULTS
    second = timedelta(seconds=1)
    return tuple(
        Ending(
            row["status"],
            bool(row["machine"]),
            row["n"] / total,
            max(row["held"] or second, second),
            timedelta(seconds=float(row["billed"] or 0)),
        )
        for row in rows
    )

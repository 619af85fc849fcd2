"""What came of a campaign's calls: the fields of their results, how long they lasted, and who opted out.

Of each recipient the deciding call counts. Up to `AT_MOST` recipients all are read; of more, one in every N. So the
figures of a million recipients take as long as those of ten thousand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import Any

from django.db.models import Case, F, JSONField, TextField, Value, When
from django.db.models.functions import Cast, Length, Mod

from calls.models import OPT_OUT, CallEvent, deciding_calls
from calls.reports.figures.conditions import ANSWERED, Share
from calls.reports.figures.recipients import Counts, counts_of
from calls.reports.result_values import Shown, Tallies, Tally, shown_as
from campaigns.models import Campaign, Recipient
from campaigns.rules import result_fields
from campaigns.rules.result_fields import Field, Kind
from tenants.db.among import Among

AT_MOST = 10_000  # recipients
LONGEST_RESULT = 16_384  # characters of a result as the database writes it; a longer one is not read
NOT_CALLED = (Recipient.Status.PENDING, Recipient.Status.SKIPPED)
READ_AT_ONCE = 1_000


@dataclass(frozen=True)
class FieldFigures:
    """A field as it was chosen, the kind that its values show, and its values. `found` None: it has none."""

    field: Field
    found: Kind | None
    shown: Shown


@dataclass(frozen=True)
class Results:
    """`every`: one recipient in how many was read. `decided`: those of them with a deciding call.

    `results`: those with a structured result; `too_long` of the others have one that is too long to be read. `further`:
    fields that are not shown, because there are too many. `duration`: the median of the answered calls, in seconds.
    """

    every: int
    decided: int
    results: int
    too_long: int
    fields: tuple[FieldFigures, ...]
    further: int
    duration: float | None
    durations: int  # answered calls whose duration is known
    opted_out: Share


def results_of(campaign: Campaign, counts: Counts | None = None) -> Results:
    """Return what came of the campaign's calls, with three queries, and one for the counts where they are not given."""
    keys, every = _recipients(campaign, counts or counts_of([campaign.pk])[campaign.pk])
    tallies, durations, decided, too_long = Tallies(), list[int](), list[int](), 0
    for recipient, seconds, result, is_long in _deciding_calls(keys):
        decided.append(recipient)
        too_long += is_long
        if seconds is not None:
            durations.append(seconds)
        if isinstance(result, dict) and result:
            tallies.add(result)
    chosen = result_fields.read(campaign.result_fields)
    fields = result_fields.arranged(chosen, tallies.names)
    return Results(
        every=every,
        decided=len(decided),
        results=tallies.results,
        too_long=too_long,
        fields=tuple(_figures(field, tallies) for field in fields),
        further=len({*tallies.names} - {field.name for field in fields}),
        duration=median(durations) if durations else None,
        durations=len(durations),
        opted_out=Share(_opted_out(decided), len(decided)),
    )


def _figures(field: Field, tallies: Tallies) -> FieldFigures:
    tally = tallies.by_name.get(field.name)
    found = tally.kind if tally else None
    kind = Kind(field.kind) if field.kind else found or Kind.TEXT
    return FieldFigures(field, found, shown_as(tally or Tally(), kind))


def _recipients(campaign: Campaign, counts: Counts) -> tuple[list[int], int]:
    """Return the keys of the recipients that count, and 1; or of one in every N of many, and N.

    Of many, those that were not called at all are left out first, so that the sample of a campaign that has just begun
    is not made of them. The keys are read from an index.
    """
    rows = Recipient.objects.filter(campaign=campaign).order_by()
    by_status = counts.by("status", {})
    if counts.total <= AT_MOST:
        return sorted(rows.values_list("pk", flat=True)), 1
    statuses = [status for status in by_status if status not in NOT_CALLED]
    every = _prime_from(max(1, -(-sum(by_status[status] for status in statuses) // AT_MOST)))
    drawn = rows.filter(status__in=statuses).annotate(turn=Mod(F("pk"), every)).filter(turn=0)
    return sorted(drawn.values_list("pk", flat=True)), every


def _prime_from(least: int) -> int:
    """Return the first prime from a number on, or 1. Assistants take turns: another step could meet one alone."""
    return next(n for n in count(least) if all(n % divisor for divisor in range(2, math.isqrt(n) + 1)))


def _deciding_calls(keys: list[int]) -> Iterator[tuple[int, int | None, Any, bool]]:
    """Yield of each deciding call its recipient, its duration if it was answered, and its result or that it is long."""
    rows = (
        deciding_calls(keys)
        .annotate(
            seconds=Case(When(ANSWERED, then="duration_seconds")),
            length=Length(Cast("result", TextField())),
            read=Case(When(length__lte=LONGEST_RESULT, then="result"), default=Value(None), output_field=JSONField()),
        )
        .values_list("recipient_id", "seconds", "read", "length")
    )
    for recipient, seconds, result, length in rows.iterator(READ_AT_ONCE):
        yield recipient, seconds, result, (length or 0) > LONGEST_RESULT


def _opted_out(keys: list[int]) -> int:
    """Return how many of these recipients asked in a call not to be called again, by a rule of its assistant."""
    events = CallEvent.objects.filter(Among("call__recipient_id", keys), type=OPT_OUT)
    return events.order_by().values("call__recipient").distinct().count()

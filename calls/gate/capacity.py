"""Count how many more calls a provider account and a campaign's caller numbers can take, from the calls that hold a line."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls.gate.selection import Choices
from calls.models import Call, Status
from calls.models.call import holds_a_line
from providers.models import ProviderAccount

AHEAD = timedelta(seconds=2)  # calls are queued no further ahead
UNLIMITED = 1_000_000  # calls, where there is no limit
UNREACHABLE_AFTER = 5  # placings in a row without a usable answer block an account


def with_open_calls(queryset: QuerySet[ProviderAccount]) -> QuerySet[ProviderAccount]:
    """Annotate accounts with the numbers of their open calls: `open_calls`, and of these `overdue_calls`."""
    return queryset.annotate(
        open_calls=_counted(Call.objects.open()), overdue_calls=_counted(Call.objects.overdue(timezone.now()))
    )


def _counted(calls: QuerySet[Call]) -> Coalesce:
    """Return how many of these calls go through the account of the outer query."""
    mine = calls.filter(account=OuterRef("pk")).order_by().values("account")
    counts = Subquery(mine.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    return Coalesce(counts, Value(0))


def room_of(account: ProviderAccount, now: datetime) -> int:
    """Return how many more calls may be queued at an account: those that it can place within two seconds.

    The number is negative when more calls are queued or open than the account allows.
    """
    if not account.is_active or account.blocked(now):
        return 0
    queued = account.calls.about_to_go(now + AHEAD).count()
    room = min(
        account.max_open_calls - account.calls.holding_a_line(now).count(),
        math.ceil(float(account.calls_per_second) * AHEAD.total_seconds()) + 1,
    )
    return room - queued


def room_to_place(account: ProviderAccount, now: datetime) -> int:
    """Return how many of its queued calls an account may place now. Of those that are read under its lock, it is exact.

    Even if all calls being placed become doubts, `max_unconfirmed` is not exceeded. Each failure lowers the limit, down
    to one: one call alone tries an account that comes back, not all that wait.
    """
    counts = account.calls.open().aggregate(
        lines=Count("pk", filter=holds_a_line(now)),
        placing=Count("pk", filter=Q(status=Status.PLACING)),
        unconfirmed=Count("pk", filter=Q(status=Status.UNCONFIRMED)),
    )
    room = account.max_open_calls - counts["lines"]
    limits = []
    if account.max_unconfirmed is not None:
        limits.append(account.max_unconfirmed - counts["unconfirmed"])
    if account.failures_in_a_row:
        limits.append(UNREACHABLE_AFTER - account.failures_in_a_row)
    return min(room, max(1, min(limits)) - counts["placing"]) if limits else room


@dataclass(frozen=True)
class NumberRoom:
    """How many more calls may be queued from a campaign's caller numbers. Calls about to be placed are counted.

    Each figure includes the limits of the ones before it.
    """

    today: int  # by their limits of calls in 24 hours
    lines: int  # and by their limits of open calls
    now: int  # and by their rests between two calls
    busy: frozenset[int] = frozenset()  # the numbers without room now, by internal key


def room_of_numbers(choices: Choices, now: datetime) -> NumberRoom:
    """Return the room of the numbers of all usable choices. UNLIMITED when no number has a limit."""
    numbers = choices.numbers()
    if not any(choices.is_limited(number) for number in numbers):
        return NumberRoom(UNLIMITED, UNLIMITED, UNLIMITED)
    mine = Call.objects.filter(account__in=choices.accounts(), phone_number__in=numbers).order_by()
    queued = Counter(mine.about_to_go(now + AHEAD).values_list("phone_number", flat=True))
    taken = queued + Counter(mine.holding_a_line(now).values_list("phone_number", flat=True))
    today = lines = rested = 0
    busy = set()
    for number in numbers:
        left = choices.calls_left(number)
        calls = UNLIMITED if left is None else max(0, left - queued[number.pk])
        today += calls
        if number.max_open_calls is not None:
            calls = min(calls, max(0, number.max_open_calls - taken[number.pk]))
        lines += calls
        if number.rest_seconds:
            calls = min(calls, 0 if queued[number.pk] or choices.rests_until(number, now + AHEAD) else 1)
        rested += calls
        if not calls:
            busy.add(number.pk)
    return NumberRoom(today, lines, rested, frozenset(busy))

"""Count how many more calls a provider account, a campaign and its caller numbers can take.

It is counted from the open calls that hold a line, now: an overdue call holds none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls.gate import pacing
from calls.gate.selection import Choices
from calls.models import Call, Status
from calls.models.call import holds_a_line, is_overdue
from campaigns.models import Campaign
from providers.models import PhoneNumber, ProviderAccount

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


@dataclass(frozen=True)
class Load:
    """What an account carries: its calls that hold a line, those that are overdue, and those about to be placed."""

    account: ProviderAccount
    lines: int
    overdue: int
    placing: int
    unconfirmed: int
    queued: int = 0

    def room(self, now: datetime) -> int:
        """Return how many more calls may be queued: those that the account can place within two seconds.

        The number is negative when more calls are queued or hold a line than the account allows.
        """
        account = self.account
        if not account.is_active or account.blocked(now):
            return 0
        in_time = math.ceil(float(account.calls_per_second) * AHEAD.total_seconds()) + 1
        return min(account.max_open_calls - self.lines, in_time) - self.queued

    @property
    def room_to_place(self) -> int:
        """How many queued calls may be placed now.

        Even if all calls being placed become doubts, `max_unconfirmed` is not exceeded. Each failure lowers the limit,
        down to one: one call alone tries an account that comes back, not all that wait.
        """
        account, limits = self.account, []
        room = account.max_open_calls - self.lines
        if account.max_unconfirmed is not None:
            limits.append(account.max_unconfirmed - self.unconfirmed)
        if account.failures_in_a_row:
            limits.append(UNREACHABLE_AFTER - account.failures_in_a_row)
        return min(room, max(1, min(limits)) - self.placing) if limits else room


def load_of(account: ProviderAccount, now: datetime) -> Load:
    """Return the load of an account, in one query over its open calls and one over its queued calls."""
    return replace(lines_of(account, now), queued=account.calls.about_to_go(now + AHEAD).count())


def lines_of(account: ProviderAccount, now: datetime) -> Load:
    """Return the load of an account without its queued calls: what a claim asks for, in one query."""
    counts = Call.objects.open().filter(account=account).order_by()
    conditions = {
        "lines": holds_a_line(now),
        "overdue": is_overdue(now),
        "placing": Q(status=Status.PLACING),
        "unconfirmed": Q(status=Status.UNCONFIRMED),
    }
    found = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    return Load(account, **counts.aggregate(**found))


def room_of(account: ProviderAccount, now: datetime) -> int:
    """Return how many more calls may be queued at an account."""
    return load_of(account, now).room(now)


def room_of_campaign(campaign: Campaign, room: int, now: datetime) -> int:
    """Return how many more calls the campaign may queue, where its caller numbers have this room."""
    if campaign.max_open_calls is not None:
        room = min(room, lines_left(campaign, now) or 0)
    if campaign.calls_per_minute is not None:
        room = min(room, len(moments(campaign, now)))
    return room


def lines_left(campaign: Campaign, now: datetime) -> int | None:
    """Return how many more calls the campaign's limit of open calls allows. None: it has no limit."""
    if campaign.max_open_calls is None:
        return None
    return campaign.max_open_calls - campaign.calls.holding_a_line(now).count() - _about_to_go(campaign, now)


def moments(campaign: Campaign, now: datetime) -> list[datetime]:
    """Return when the pace lets the campaign place further calls, within AHEAD, beside those queued already."""
    if campaign.calls_per_minute is None:
        return []
    return pacing.moments(campaign, now, now + AHEAD)[_about_to_go(campaign, now) :]


def _about_to_go(campaign: Campaign, now: datetime) -> int:
    """Return how many of its queued calls are due within AHEAD. A call deferred until later does not count."""
    return campaign.calls.about_to_go(now + AHEAD).filter(asked_for=False).count()


@dataclass(frozen=True)
class NumberRoom:
    """How many more calls may be queued from a campaign's caller numbers. Calls about to be placed are counted.

    Each figure includes the limits of the ones before it.
    """

    today: int  # by their limits of calls in 24 hours
    lines: int  # and by their limits of open calls
    now: int  # and by their rests between two calls
    each: Mapping[int, int] = field(default_factory=dict)  # the room of each number now; empty without limits

    @property
    def busy(self) -> frozenset[int]:
        """The numbers without room now, by internal key."""
        return frozenset(number for number, room in self.each.items() if not room)

    def of(self, number: PhoneNumber) -> int:
        """Return how many more calls may be queued from this number now."""
        return self.each.get(number.pk, UNLIMITED)


def room_of_numbers(choices: Choices, now: datetime) -> NumberRoom:
    """Return the room of the numbers of all usable choices. UNLIMITED when no number has a limit."""
    numbers = choices.numbers()
    if not any(choices.is_limited(number) for number in numbers):
        return NumberRoom(UNLIMITED, UNLIMITED, UNLIMITED)
    mine = Call.objects.filter(account__in=choices.accounts(), phone_number__in=numbers).order_by()
    queued = Counter(mine.about_to_go(now + AHEAD).values_list("phone_number", flat=True))
    taken = queued + Counter(mine.holding_a_line(now).values_list("phone_number", flat=True))
    today = lines = rested = 0
    each = {}
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
        each[number.pk] = calls
    return NumberRoom(today, lines, rested, each)

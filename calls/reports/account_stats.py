"""How well provider accounts work: counted on request, over the calls that ended in the last hour."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from calls.models import TERMINAL, Call, Status
from providers.models import ProviderAccount

HOUR = timedelta(hours=1)
REMEMBERED = timedelta(days=7)  # how far back the last placed call is searched
LATEST = 500  # calls of an account for which the time to place is measured
ANSWERED_WITHIN = timedelta(minutes=1)  # a call confirmed later was not confirmed by the answer to its request
ENOUGH = 10  # ended calls from which a share of failures means something
ERRORS = (Status.FAILED, Status.EXPIRED, Status.UNKNOWN)
ENDED = [status for status in TERMINAL if status != Status.CANCELED]


def is_failing(ended: int, failed: int, threshold: int | None) -> bool:
    """Return whether `failed` of `ended` calls reach a threshold in per cent. A few calls prove nothing."""
    return threshold is not None and ended >= ENOUGH and failed * 100 >= threshold * ended


@dataclass(frozen=True)
class Health:
    """`ended`, `failed` and the times to place (in seconds) are of the last hour. None: nothing was measured."""

    open_calls: int = 0
    overdue: int = 0  # of the open calls; they hold no line
    unconfirmed: int = 0
    ended: int = 0
    failed: int = 0
    median: float | None = None  # time to place
    slow: float | None = None  # its 95th percentile
    last_placed: datetime | None = None

    def failing(self, account: ProviderAccount) -> bool:
        """Return whether the share of failed calls has reached the account's threshold."""
        return is_failing(self.ended, self.failed, account.failing_percent)

    @property
    def lines(self) -> int:
        """How many lines are taken."""
        return self.open_calls - self.overdue


def health_of(accounts: Sequence[ProviderAccount], now: datetime) -> dict[int, Health]:
    """Return the health of each account by internal key, in five queries for any number of accounts."""
    keys = [account.pk for account in accounts]
    if not keys:
        return {}
    opened: defaultdict[int, Counter[str]] = defaultdict(Counter)
    counted = Call.objects.open().filter(account__in=keys).values_list("account", "status").annotate(n=Count("pk"))
    for pk, status, n in counted.order_by():
        opened[pk][status] += n
    late = Call.objects.overdue(now).filter(account__in=keys).order_by().values_list("account")
    overdue = dict(late.annotate(n=Count("pk")))
    calls = Call.objects.filter(
        organization__in={account.organization_id for account in accounts}, account__in=keys, terminal_at__gt=now - HOUR
    )
    failed = Q(status__in=ERRORS)
    rows = calls.filter(status__in=ENDED).values_list("account").order_by()
    ended = {pk: (n, errors) for pk, n, errors in rows.annotate(n=Count("pk"), failed=Count("pk", filter=failed))}
    took = _times_to_place(calls)
    last = _last_placed(keys, now)
    return {
        pk: Health(
            opened[pk].total(),
            overdue.get(pk, 0),
            opened[pk][Status.UNCONFIRMED],
            *ended.get(pk, (0, 0)),
            quantile(took[pk], 0.5),
            quantile(took[pk], 0.95),
            last.get(pk),
        )
        for pk in keys
    }


def failing_accounts(organizations: Sequence[int], now: datetime) -> list[tuple[int, str, int, int, int]]:
    """Return key, name, ended, failed and threshold of the accounts in use that are failing. One query."""
    calls = Call.objects.filter(
        organization__in=organizations, terminal_at__gt=now - HOUR, status__in=ENDED, account__is_active=True
    )
    rows = calls.values_list("account", "account__name", "account__failing_percent").order_by("account")
    counted = rows.annotate(n=Count("pk"), failed=Count("pk", filter=Q(status__in=ERRORS))).filter(n__gte=ENOUGH)
    return [
        (pk, name, n, failed, threshold)
        for pk, name, threshold, n, failed in counted
        if is_failing(n, failed, threshold)
    ]


def _times_to_place(calls: QuerySet[Call]) -> defaultdict[int, list[float]]:
    """Return the sorted seconds from decision to the provider's answer, of each account's latest calls."""
    placed = calls.filter(dialed_at__isnull=False, placed_at__gt=F("dialed_at"))
    turn = Window(RowNumber(), partition_by=F("account"), order_by=F("terminal_at").desc())
    rows = placed.annotate(turn=turn).filter(turn__lte=LATEST).order_by()
    found: defaultdict[int, list[float]] = defaultdict(list)
    for pk, dialed_at, placed_at in rows.values_list("account", "dialed_at", "placed_at"):
        if dialed_at and placed_at and placed_at - dialed_at < ANSWERED_WITHIN:
            found[pk].append((placed_at - dialed_at).total_seconds())
    for values in found.values():
        values.sort()
    return found


def _last_placed(keys: Sequence[int], now: datetime) -> dict[int, datetime]:
    placed = Call.objects.filter(account=OuterRef("pk"), dialed_at__gt=now - REMEMBERED, placed_at__isnull=False)
    last = Subquery(placed.order_by("-dialed_at").values("placed_at")[:1])
    rows = ProviderAccount.objects.filter(pk__in=keys).annotate(last=last).order_by()
    return {pk: at for pk, at in rows.values_list("pk", "last") if at}


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that this share of the values does not exceed. None: there are no values."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else None

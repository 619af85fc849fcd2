"""The metrics of each provider account: its calls, what is due, its breaker, and the requests that were sent to it.

Accounts are named by their key and provider: a name is the organization's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from calls.models import OPEN, Call, Heartbeat
from calls.reports.due import due_rows
from providers.models import ProviderAccount

ACCOUNT = ["account", "provider"]
OF_ACCOUNTS = ("placing", "reading")  # queues that are counted for each account


class Accounts:
    """The figures of all accounts at one moment, counted with four queries. The totals are their sums."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        counts = Call.objects.open().order_by().values_list("account", "status").annotate(n=Count("pk"))
        self._open = Counter({(account, status): n for account, status, n in counts})
        rows = due_rows(now)
        self._due = {queue: _by_account(*rows[queue]) for queue in OF_ACCOUNTS}
        seen = {account for account, _ in self._open}.union(*self._due.values())
        shown = ProviderAccount.objects.filter(Q(is_active=True) | Q(pk__in=seen))
        self._accounts = list(shown.order_by("pk"))

    def open_in(self, status: str) -> int:
        """Return how many open calls have this status."""
        return sum(n for (_, each), n in self._open.items() if each == status)

    def due_in(self, queue: str) -> tuple[int, datetime | None]:
        """Return how many entries of a queue in OF_ACCOUNTS are due, and since when the oldest is."""
        found = self._due[queue].values()
        return sum(n for n, _ in found), min((since for _, since in found), default=None)

    def metrics(self) -> Iterator[Metric]:
        """Yield the gauges of active accounts, and of others with open calls."""
        blocked = GaugeMetricFamily(
            "trunkline_account_blocked", "1 while an account is blocked.", labels=[*ACCOUNT, "why"]
        )
        held = [account for account in self._accounts if account.is_active and account.blocked(self._now)]
        for account in held:
            blocked.add_metric([*_names(account), account.blocked_code], 1)
        yield blocked
        yield GaugeMetricFamily("trunkline_accounts_blocked", "Provider accounts that are blocked.", value=len(held))
        yield self._open_calls()
        yield from self._queues()

    def _open_calls(self) -> Metric:
        found = GaugeMetricFamily(
            "trunkline_account_calls_open",
            "Open calls of an account. Unconfirmed ones are doubts.",
            labels=[*ACCOUNT, "status"],
        )
        for account in self._accounts:
            for status in OPEN:
                found.add_metric([*_names(account), str(status)], self._open[account.pk, status])
        return found

    def _queues(self) -> Iterator[Metric]:
        labels = [*ACCOUNT, "queue"]
        due = GaugeMetricFamily(
            "trunkline_account_due", "Entries of an account that are due in a queue.", labels=labels
        )
        oldest = GaugeMetricFamily(
            "trunkline_account_oldest_seconds", "Seconds for which the oldest entry has been due.", labels=labels
        )
        for queue, found in self._due.items():
            for account in self._accounts:
                n, since = found.get(account.pk, (0, self._now))
                due.add_metric([*_names(account), queue], n)
                oldest.add_metric([*_names(account), queue], max(0.0, (self._now - since).total_seconds()))
        yield due
        yield oldest


def _by_account(rows: QuerySet[Any], moment: str) -> dict[int, tuple[int, datetime]]:
    """Return by account how many rows there are, and the oldest moment."""
    found = rows.order_by().values_list("account").annotate(n=Count("pk"), since=Min(moment))
    return {account: (n, since) for account, n, since in found}


def _names(account: ProviderAccount) -> list[str]:
    return [str(account.pk), account.provider]


def requests_of(beats: Iterable[Heartbeat]) -> Iterator[Metric]:
    """Yield what the processes counted of their requests: the quotient of the two is how long one took."""
    labels = ["worker", "slot", "lane", "account", "result"]
    count = CounterMetricFamily("trunkline_account_requests", "Requests by what came of them.", labels=labels)
    seconds = CounterMetricFamily("trunkline_account_request_seconds", "Seconds for these requests.", labels=labels)
    for beat in beats:
        lanes: dict[str, Any] = beat.figures.get("lanes", {})
        for lane, figures in lanes.items():
            for account, results in figures.get("requests", {}).items():
                for result, (n, took) in results.items():
                    names = [beat.worker, str(beat.slot), lane, account, result]
                    count.add_metric(names, n)
                    seconds.add_metric(names, took)
    yield count
    yield seconds

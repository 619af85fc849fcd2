"""The metrics of each provider account: its calls, what is due, its breaker, and the requests that were sent to it.

Accounts are named by their key and provider: a name is the organization's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Min
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from calls.models import OPEN, Call, Heartbeat
from providers.models import ProviderAccount

ACCOUNT = ["account", "provider"]


def of_accounts(now: datetime) -> Iterator[Metric]:
    """Yield the gauges of all active accounts, and of others with open calls, with four queries."""
    accounts = list(ProviderAccount.objects.filter(is_active=True).order_by("pk"))
    providers = {account.pk: account.provider for account in accounts}
    blocked = GaugeMetricFamily("trunkline_account_blocked", "1 while an account is blocked.", labels=[*ACCOUNT, "why"])
    held = [account for account in accounts if _is_blocked(account, now)]
    for account in held:
        blocked.add_metric([str(account.pk), account.provider, account.blocked_code], 1)
    yield blocked
    yield GaugeMetricFamily("trunkline_accounts_blocked", "Provider accounts that are blocked.", value=len(held))
    yield _open_calls(providers)
    yield from _due(now, providers)


def _is_blocked(account: ProviderAccount, now: datetime) -> bool:
    """Return whether the account is blocked now. An unreachable one is until a probe finds it."""
    if account.blocked_at is None:
        return False
    lasting = account.blocked_code == ProviderAccount.Block.UNREACHABLE
    return lasting or account.blocked_until is None or account.blocked_until > now


def _open_calls(providers: dict[int, str]) -> Metric:
    found = GaugeMetricFamily(
        "trunkline_account_calls_open",
        "Open calls of an account. Unconfirmed ones are doubts.",
        labels=[*ACCOUNT, "status"],
    )
    counts = Call.objects.open().order_by().values_list("account", "status").annotate(n=Count("pk"))
    by_status = Counter({(account, status): n for account, status, n in counts})
    for account in sorted({*providers, *(account for account, _ in by_status)}):
        for status in OPEN:
            found.add_metric([str(account), providers.get(account, ""), str(status)], by_status[account, status])
    return found


def _due(now: datetime, providers: dict[int, str]) -> Iterator[Metric]:
    labels = [*ACCOUNT, "queue"]
    due = GaugeMetricFamily("trunkline_account_due", "Entries of an account that are due in a queue.", labels=labels)
    oldest = GaugeMetricFamily(
        "trunkline_account_oldest_seconds", "Seconds for which the oldest entry has been due.", labels=labels
    )
    waiting = {
        "placing": (Call.objects.about_to_go(now), "due_at"),
        "reading": (Call.objects.due_for_read(now), "polling__next_read_at"),
    }
    for queue, (rows, moment) in waiting.items():
        found = rows.order_by().values_list("account").annotate(n=Count("pk"), since=Min(moment))
        lag = {account: (n, (now - since).total_seconds()) for account, n, since in found}
        for account in sorted({*providers, *lag}):
            n, seconds = lag.get(account, (0, 0.0))
            names = [str(account), providers.get(account, ""), queue]
            due.add_metric(names, n)
            oldest.add_metric(names, max(0.0, seconds))
    yield due
    yield oldest


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

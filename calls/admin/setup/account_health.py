"""An account's health in words, the same on the dashboard, in the list and on its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from calls.outcomes.circuit_breaker import UNREACHABLE_AFTER
from calls.reports.account_stats import REMEMBERED, Health, health_of
from calls.reports.variant_comparison import percent
from providers.models import ProviderAccount
from tenants.backoffice.local_time import local_time

Block = ProviderAccount.Block
NOT_LATELY = f"none in {REMEMBERED.days} days"


@dataclass(frozen=True)
class State:
    """Whether calls can be placed through it, and the breaker's reason why not."""

    label: str
    colour: str
    detail: str = ""


def state_of(account: ProviderAccount, now: datetime) -> State:
    if not account.is_active:
        return State("Switched off", "warning", "Nothing is placed through it.")
    if account.blocked(now):
        return State("Blocked", "danger", f"{_block(account)} {account.blocked_reason} {_until(account)}")
    if failures := account.failures_in_a_row:
        requests = "The last request" if failures == 1 else f"{failures} requests in a row"
        return State(
            "Failing",
            "warning",
            f"{requests} to place a call had no usable answer. After {UNREACHABLE_AFTER} in a row nothing is placed "
            "until it answers a harmless read.",
        )
    return State("In service", "success")


def _block(account: ProviderAccount) -> str:
    return f"{dict(Block.choices).get(account.blocked_code, 'Blocked')}."


def _until(account: ProviderAccount) -> str:
    if account.blocked_code == Block.UNREACHABLE:
        tried = f" at {local_time(account.blocked_until)}" if account.blocked_until else ""
        return f"A harmless read is tried again{tried}; once it works, one call is placed before the others follow."
    if account.blocked_until:
        return f"It lasts until {local_time(account.blocked_until)}."
    if account.blocked_code == Block.UNCONFIRMED:
        return "It lasts until the unconfirmed calls are settled, or somebody unblocks it."
    return "It lasts until somebody unblocks it."


def row_of(account: ProviderAccount, health: Health, now: datetime) -> dict[str, Any]:
    """What the pages show of one account."""
    return {
        "name": account.name,
        "url": reverse("admin:providers_provideraccount_change", args=[account.pk]),
        "state": state_of(account, now),
        "lines": f"{health.open_calls:,} of {account.max_open_calls:,}",
        "unconfirmed": health.unconfirmed,
        "ended": f"{health.ended:,}",
        "failed": failed(health),
        "median": seconds(health.median),
        "slow": seconds(health.slow),
        "last_placed": local_time(health.last_placed, NOT_LATELY),
        "last_placed_ago": ago(health.last_placed, now) if health.last_placed else NOT_LATELY,
    }


def rows_of(accounts: Sequence[ProviderAccount], now: datetime) -> list[dict[str, Any]]:
    found = health_of(accounts, now)
    return [row_of(account, found[account.pk], now) for account in accounts]


def failed(health: Health) -> str:
    return f"{health.failed:,} ({percent(health.failed / health.ended)})" if health.ended else "-"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def ago(moment: datetime, now: datetime) -> str:
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"

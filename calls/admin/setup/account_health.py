"""A provider account's status and figures in words, for the dashboard, the list and the account's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from calls.gate.capacity import UNREACHABLE_AFTER
from calls.reports.account_stats import REMEMBERED, Health, health_of
from calls.reports.figures.conditions import Share
from providers.models import ProviderAccount
from tenants.backoffice.local_time import local_time, shown_as

Block = ProviderAccount.Block
NONE_LATELY = f"none in {REMEMBERED.days} days"


@dataclass(frozen=True)
class State:
    """Whether the account can place calls, and why not."""

    label: str
    colour: str
    detail: str = ""


def state_of(account: ProviderAccount, health: Health, now: datetime) -> State:
    if not account.is_active:
        return State("Switched off", "warning", "It places no calls.")
    if account.blocked(now):
        return State("Blocked", "danger", f"{_block(account)} {account.blocked_reason} {_until(account)}")
    if failures := account.failures_in_a_row:
        requests = "The last request" if failures == 1 else f"{failures} requests in a row"
        return State(
            "Failing",
            "warning",
            f"{requests} to place a call had no usable answer. After {UNREACHABLE_AFTER} in a row, the account places "
            "no calls until the provider answers a harmless read.",
        )
    if health.failing(account):
        share = share_failed(health.ended, health.failed)
        said = f"{failed_of(health.ended, health.failed, account.failing_percent or 0)} It still places calls."
        return State(f"{share} failing", "warning", said)
    return State("In service", "success")


def share_failed(ended: int, failed: int) -> str:
    """Return the share of failed calls in whole per cent, never rounded up."""
    return Share(failed, ended).whole_text


def failed_of(ended: int, failed: int, threshold: int) -> str:
    """Return the failures of the last hour as a sentence, with the threshold of the account."""
    return (
        f"{failed:,} of the {ended:,} calls that ended in the last hour failed. From {threshold} %, the account counts "
        "as failing."
    )


def _block(account: ProviderAccount) -> str:
    return f"{dict(Block.choices).get(account.blocked_code, 'Blocked')}."


def _until(account: ProviderAccount) -> str:
    if account.blocked_code == Block.UNREACHABLE:
        retried = f" {local_time(account.blocked_until)}" if account.blocked_until else ""
        return f"Trunkline retries a harmless read{retried}. When it succeeds, one call is placed before the others."
    if account.blocked_until:
        return f"The block lasts until {local_time(account.blocked_until)}."
    if account.blocked_code == Block.UNCONFIRMED:
        return "The block lasts until the unconfirmed calls are settled or a team member unblocks the account."
    return "The block lasts until a team member unblocks the account."


def row_of(account: ProviderAccount, health: Health, now: datetime) -> dict[str, Any]:
    """Return what the pages show about one account."""
    return {
        "name": account.name,
        "url": reverse("admin:providers_provideraccount_change", args=[account.pk]),
        "state": state_of(account, health, now),
        "lines": f"{health.lines:,} of {account.max_open_calls:,}",
        "overdue": health.overdue,
        "unconfirmed": health.unconfirmed,
        "ended": f"{health.ended:,}",
        "failed": failed(health),
        "median": seconds(health.median),
        "slow": seconds(health.slow),
        "last_placed": local_time(health.last_placed, NONE_LATELY),
        "last_placed_ago": shown_as(ago(health.last_placed, now), health.last_placed)
        if health.last_placed
        else NONE_LATELY,
    }


def rows_of(accounts: Sequence[ProviderAccount], now: datetime) -> list[dict[str, Any]]:
    found = health_of(accounts, now)
    return [row_of(account, found[account.pk], now) for account in accounts]


def failed(health: Health) -> str:
    share = Share(health.failed, health.ended)
    return f"{share.counts} ({share.text})" if health.ended else "-"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def ago(moment: datetime, now: datetime) -> str:
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"

"""Rate limits of provider accounts: token buckets in the account's row, shared by all workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from providers.models import ProviderAccount


def take_for_placing(account: ProviderAccount, wanted: int, now: datetime) -> int:
    """Take up to `wanted` tokens and return how many were taken. Safe while other workers take tokens too."""
    return _take(account, "place_tokens", account.calls_per_second, wanted, now)


def take_for_reading(account: ProviderAccount, wanted: int, now: datetime) -> int:
    """Take up to `wanted` tokens for reads of calls and return how many were taken."""
    return _take(account, "read_tokens", account.reads_per_second, wanted, now)


def close_for_placing(account_id: int, seconds: float, now: datetime) -> None:
    """Let the account place no call for `seconds`. The provider answered 429."""
    reopens = now + timedelta(seconds=seconds)
    ProviderAccount.objects.filter(pk=account_id, place_tokens_at__lt=reopens).update(
        place_tokens=0, place_tokens_at=reopens
    )


def close_for_reading(account_id: int, seconds: float, now: datetime) -> None:
    """Let the account read nothing for `seconds`. The provider answered 429."""
    reopens = now + timedelta(seconds=seconds)
    ProviderAccount.objects.filter(pk=account_id, read_tokens_at__lt=reopens).update(
        read_tokens=0, read_tokens_at=reopens
    )


def closed_for_placing(account: ProviderAccount, now: datetime) -> bool:
    """Return whether the account places no call until `place_tokens_at`, because the provider answered 429."""
    return account.place_tokens <= 0 and account.place_tokens_at > now


def free_for_placing(account: ProviderAccount, now: datetime) -> int:
    """Return how many tokens for placing an account has now."""
    return (
        0
        if closed_for_placing(account, now)
        else int(_held(account, "place_tokens", account.calls_per_second, now) + 1e-9)
    )


def _held(account: ProviderAccount, column: str, rate: Decimal, now: datetime) -> float:
    held: float = getattr(account, column)
    since: datetime = getattr(account, f"{column}_at")
    passed = max(0.0, (now - since).total_seconds())
    return min(max(1.0, float(rate)), held + passed * float(rate))


def _take(account: ProviderAccount, column: str, rate: Decimal, wanted: int, now: datetime) -> int:
    held: float = getattr(account, column)
    since: datetime = getattr(account, f"{column}_at")
    if since > now or wanted <= 0:
        return 0
    available = _held(account, column, rate, now)
    taken = min(wanted, int(available + 1e-9))
    if taken <= 0:
        return 0
    unchanged = ProviderAccount.objects.filter(pk=account.pk, **{column: held, f"{column}_at": since})
    left = {column: available - taken, f"{column}_at": now}
    return taken if unchanged.update(**left) == 1 else 0

"""Rate limits of provider accounts: token buckets, shared by all workers.

Placing takes tokens from the account's row, which a claim holds. Reading takes them from a row of its own, so that it
never waits for a claim, nor a claim for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from providers.models import ProviderAccount, ReadBucket


def take_for_placing(account: ProviderAccount, wanted: int, now: datetime) -> int:
    """Take up to `wanted` tokens and return how many were taken. Safe while other workers take tokens too."""
    taken, left = _take(account.place_tokens, account.place_tokens_at, account.calls_per_second, wanted, now)
    unchanged = ProviderAccount.objects.filter(
        pk=account.pk, place_tokens=account.place_tokens, place_tokens_at=account.place_tokens_at
    )
    return taken if taken and unchanged.update(place_tokens=left, place_tokens_at=now) == 1 else 0


def take_for_reading(account: ProviderAccount, wanted: int, now: datetime) -> int:
    """Take up to `wanted` tokens for reads of calls and return how many were taken."""
    if wanted <= 0:
        return 0
    rate = account.reads_per_second
    full = {"tokens": max(1.0, float(rate)), "tokens_at": now}
    bucket, _ = ReadBucket.objects.get_or_create(account_id=account.pk, defaults=full)
    taken, left = _take(bucket.tokens, bucket.tokens_at, rate, wanted, now)
    unchanged = ReadBucket.objects.filter(pk=account.pk, tokens=bucket.tokens, tokens_at=bucket.tokens_at)
    return taken if taken and unchanged.update(tokens=left, tokens_at=now) == 1 else 0


def close_for_placing(account_id: int, seconds: float, now: datetime) -> None:
    """Let the account place no call for `seconds`. The provider answered 429."""
    reopens = now + timedelta(seconds=seconds)
    ProviderAccount.objects.filter(pk=account_id, place_tokens_at__lt=reopens).update(
        place_tokens=0, place_tokens_at=reopens
    )


def close_for_reading(account_id: int, seconds: float, now: datetime) -> None:
    """Let the account read nothing for `seconds`. The provider answered 429."""
    reopens = now + timedelta(seconds=seconds)
    ReadBucket.objects.filter(pk=account_id, tokens_at__lt=reopens).update(tokens=0, tokens_at=reopens)


def closed_for_placing(account: ProviderAccount, now: datetime) -> bool:
    """Return whether the account places no call until `place_tokens_at`, because the provider answered 429."""
    return account.place_tokens <= 0 and account.place_tokens_at > now


def free_for_placing(account: ProviderAccount, now: datetime) -> int:
    """Return how many tokens for placing an account has now."""
    if closed_for_placing(account, now):
        return 0
    return int(_held(account.place_tokens, account.place_tokens_at, account.calls_per_second, now) + 1e-9)


def _held(tokens: float, since: datetime, rate: Decimal, now: datetime) -> float:
    passed = max(0.0, (now - since).total_seconds())
    return min(max(1.0, float(rate)), tokens + passed * float(rate))


def _take(tokens: float, since: datetime, rate: Decimal, wanted: int, now: datetime) -> tuple[int, float]:
    """Return how many of the wanted tokens a bucket gives, and how many are left in it then."""
    if since > now or wanted <= 0:
        return 0, tokens
    held = _held(tokens, since, rate, now)
    taken = min(wanted, int(held + 1e-9))
    return taken, held - taken

"""Figures of caller numbers: calls in 24 hours and the cap, the share answered by a person, and rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q

from calls.models import Call
from calls.models.counts import RANG
from calls.reports.variant_comparison import REACHED, percent
from providers.models import PhoneNumber

A_DAY, DAYS = timedelta(days=1), 7


@dataclass(frozen=True)
class Use:
    """`today` and `first` cover the last 24 hours, as the cap does; `last`, `ended` and `reached` cover a week."""

    today: int = 0
    first: datetime | None = None
    last: datetime | None = None
    ended: int = 0
    reached: int = 0


def use_of(numbers: Sequence[PhoneNumber], now: datetime) -> dict[int, Use]:
    """Return the use of each number by primary key, with one query over an index of number and time."""
    day, week = Q(dialed_at__gt=now - A_DAY), now - timedelta(days=DAYS)
    calls = Call.objects.filter(phone_number__in=numbers, dialed_at__gt=week).values("phone_number").order_by()
    rows: Any = calls.annotate(
        today=Count("pk", filter=day),
        first=Min("dialed_at", filter=day),
        last=Max("dialed_at"),
        ended=Count("pk", filter=Q(status__in=RANG)),
        reached=Count("pk", filter=REACHED),
    )
    return {row.pop("phone_number"): Use(**row) for row in rows}


def used(number: PhoneNumber, use: Use) -> str:
    return f"{use.today:,} of {number.max_calls_per_day:,}" if number.max_calls_per_day else f"{use.today:,}"


def answered(use: Use) -> str:
    return f"{percent(use.reached / use.ended)} of {use.ended:,}" if use.ended else "-"


def rests_until(number: PhoneNumber, use: Use, now: datetime) -> datetime | None:
    """Return when the number may call again, counted as the gate does, or None if it may call now."""
    moments = []
    if number.rest_seconds and use.last:
        moments.append(use.last + timedelta(seconds=number.rest_seconds))
    if number.max_calls_per_day is not None and use.today >= number.max_calls_per_day and use.first:
        moments.append(use.first + A_DAY)
    latest = max(moments, default=now)
    return latest if latest > now else None

"""How caller numbers are used: calls of 24 hours beside their cap, how often somebody answers, when they rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q

from calls.models import Call
from calls.reports.variant_comparison import ENDED, REACHED, percent
from providers.models import PhoneNumber

A_DAY, DAYS = timedelta(days=1), 7


@dataclass(frozen=True)
class Use:
    """`today` and `first` are of the last 24 hours, in which the cap counts; `ended` and `reached` of a week."""

    today: int = 0
    first: datetime | None = None
    last: datetime | None = None
    ended: int = 0
    reached: int = 0


def use_of(numbers: Sequence[PhoneNumber], now: datetime) -> dict[int, Use]:
    """By internal key, in one query over an index of number and time."""
    day, week = Q(dialed_at__gt=now - A_DAY), now - timedelta(days=DAYS)
    calls = Call.objects.filter(phone_number__in=numbers, dialed_at__gt=week).values("phone_number").order_by()
    rows: Any = calls.annotate(
        today=Count("pk", filter=day),
        first=Min("dialed_at", filter=day),
        last=Max("dialed_at"),
        ended=Count("pk", filter=Q(status__in=ENDED)),
        reached=Count("pk", filter=REACHED),
    )
    return {row.pop("phone_number"): Use(**row) for row in rows}


def used(number: PhoneNumber, use: Use) -> str:
    return f"{use.today:,} of {number.max_calls_per_day:,}" if number.max_calls_per_day else f"{use.today:,}"


def answered(use: Use) -> str:
    return f"{percent(use.reached / use.ended)} of {use.ended:,}" if use.ended else "-"


def rests_until(number: PhoneNumber, use: Use, now: datetime) -> datetime | None:
    """When it may call again, as the gate counts; None when it may now."""
    moments = []
    if number.rest_seconds and use.last:
        moments.append(use.last + timedelta(seconds=number.rest_seconds))
    if number.max_calls_per_day is not None and use.today >= number.max_calls_per_day and use.first:
        moments.append(use.first + A_DAY)
    latest = max(moments, default=now)
    return latest if latest > now else None

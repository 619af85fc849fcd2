"""How caller numbers are used: calls in 24 hours, and the share that reached a person in a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q

from calls.models import Call
from calls.reports.figures.conditions import RANG, REACHED, Share
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

    @property
    def share(self) -> Share:
        return Share(self.reached, self.ended)


def use_of(numbers: Sequence[PhoneNumber], now: datetime) -> dict[int, Use]:
    """Return the use of each number by primary key, with one query over an index of number and time."""
    day, week = Q(dialed_at__gt=now - A_DAY), now - timedelta(days=DAYS)
    calls = Call.objects.filter(phone_number__in=numbers, dialed_at__gt=week).values("phone_number").order_by()
    rows: Any = calls.annotate(
        today=Count("pk", filter=day),
        first=Min("dialed_at", filter=day),
        last=Max("dialed_at"),
        ended=Count("pk", filter=RANG),
        reached=Count("pk", filter=REACHED),
    )
    return {row.pop("phone_number"): Use(**row) for row in rows}

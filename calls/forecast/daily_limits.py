"""Limits of calls in a day, as a forecast counts them: daily caps of caller numbers, and daily budgets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from calls.gate import budgets
from calls.gate.facts import UNUSED
from calls.gate.selection import Choice, Choices
from campaigns.models import Campaign
from tenants.models import Organization

A_DAY = timedelta(days=1)


class DailyLimit(Protocol):
    """A limit that allows a number of calls in a day."""

    def room(self, moment: datetime) -> tuple[int, datetime]:
        """Return how many more calls it allows, and when it allows calls again if that is none."""

    def take(self, calls: int, moment: datetime) -> None:
        """Count calls that were placed."""


class Rolling:
    """At most this many calls in any 24 hours."""

    def __init__(self, most: int) -> None:
        self.most, self._used = most, 0
        self._calls: deque[tuple[datetime, int]] = deque()

    def room(self, moment: datetime) -> tuple[int, datetime]:
        while self._calls and self._calls[0][0] <= moment - A_DAY:
            self._used -= self._calls.popleft()[1]
        return self.most - self._used, self._calls[0][0] + A_DAY if self._calls else moment + A_DAY

    def take(self, calls: int, moment: datetime) -> None:
        self._calls.append((moment, calls))
        self._used += calls


class Daily:
    """A budget for each day of the organization. Calls have their average cost; one fits while its reserve is left."""

    def __init__(self, organization: Organization, limit: float, cost: float, reserve: float, used: float) -> None:
        self.organization, self.limit, self.cost, self.reserve, self.used = organization, limit, cost, reserve, used
        self._renews_at: datetime | None = None

    def room(self, moment: datetime) -> tuple[int, datetime]:
        if self._renews_at is None or moment >= self._renews_at:
            self.used = self.used if self._renews_at is None else 0
            self._renews_at = budgets.day_of(self.organization, moment)[1]
        left = self.limit - self.used - self.reserve
        return (math.floor(left / self.cost + 1e-6) + 1 if left >= 0 else 0), self._renews_at

    def take(self, calls: int, moment: datetime) -> None:
        self.used += calls * self.cost


def daily_limits_of(campaign: Campaign, choices: Choices, billed: timedelta, begin: datetime) -> list[DailyLimit]:
    """Return the daily limits of a campaign whose calls are billed for `billed` on average.

    A limit of one assistant's account or caller numbers is divided by the assistant's share of the campaign.
    """
    shares = choices.shares()
    return [*_of_numbers(choices, shares, begin), *_of_money(campaign.organization, shares, billed, begin)]


def _of_numbers(choices: Choices, shares: Sequence[tuple[Choice, float]], begin: datetime) -> Iterator[DailyLimit]:
    for choice, share in shares:
        caps = [number.max_calls_per_day for number in choice.numbers]
        if None in caps:
            continue
        daily_limit = Rolling(math.floor(sum(cap or 0 for cap in caps) / share))
        used = [choices.use.get(number.pk, UNUSED) for number in choice.numbers]
        for first, calls in sorted((use.first, use.count) for use in used if use.first):
            daily_limit.take(math.ceil(calls / share), first)
        yield daily_limit


def _of_money(
    organization: Organization, shares: Sequence[tuple[Choice, float]], billed: timedelta, begin: datetime
) -> Iterator[DailyLimit]:
    minutes, shared, reserves = billed / timedelta(minutes=1), 0.0, [0.0]
    whole = organization.daily_limit
    for choice, share in shares:
        account = choice.account
        price, reserve = account.price, budgets.reserve_of(account)
        cost = float(price.amount if price else 0) * minutes * share
        if whole is not None and whole.currency == reserve.currency:
            shared += cost
            reserves.append(float(reserve.amount))
        if (own := account.daily_limit) is not None and cost:
            used = budgets.spending_today_through(account, begin).used.within(own.currency)
            yield Daily(organization, float(own.amount), cost, float(reserve.amount), float(used.amount))
    if whole is not None and shared:
        used = budgets.spending_today(organization, begin).used.within(whole.currency)
        yield Daily(organization, float(whole.amount), shared, max(reserves), float(used.amount))

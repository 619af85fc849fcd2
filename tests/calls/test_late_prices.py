"""Budgets with prices that come late: never more is spent than the cap plus what was in flight.

The ledger of the test adds up by itself what each call was told to cost; it reads no amount of the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from calls.dialing import enqueueing, placing
from calls.following import polling
from calls.gate import budgets
from calls.models import OPEN, Call
from campaigns import launching
from campaigns.models import Campaign
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, ProviderError
from providers.models import PhoneNumber
from tenants.models import Organization, Tenant
from tenants.money import Money
from tests.calls import support
from tests.conftest import examples

NUMBERS = {"callingbox": range(700, 712), "allomia": range(800, 812)}
MORNING = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
READ_FOR = timedelta(minutes=30)  # docs/what-is-promised.md: a price is awaited for half an hour


@dataclass
class Entry:
    """One call as the ledger knows it."""

    provider: str
    reserve: Decimal
    seconds: int = 0
    estimate: Decimal | None = None
    price: Decimal | None = None
    ended_at: datetime | None = None
    awaited: bool = True  # whether a price may still come within its time

    @property
    def in_flight(self) -> bool:
        """Whether it is placed, or has ended and is not priced. A provider without prices never prices one."""
        if self.provider == "allomia":
            return self.ended_at is None
        return self.price is None

    @property
    def counted(self) -> Decimal:
        if self.ended_at is None:
            return self.reserve
        if self.price is not None:
            return self.price
        estimate = self.estimate or Decimal(0)
        return max(estimate, self.reserve) if self.awaited else estimate


class Ledger:
    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.flying: dict[str, set[int]] = {}  # which calls were in flight at the last claim, by budget

    def of(self, provider: str = "") -> Iterator[tuple[int, Entry]]:
        return ((pk, each) for pk, each in self.entries.items() if provider in ("", each.provider))

    def counted(self, provider: str = "") -> Decimal:
        return sum((each.counted for _, each in self.of(provider)), Decimal(0))

    def claim(self, pk: int, provider: str, reserve: Decimal) -> None:
        self.entries[pk] = Entry(provider, reserve)
        for budget in ("", provider):
            self.flying[budget] = {pk for pk, each in self.of(budget) if each.in_flight}

    def beyond_what_flew(self, provider: str = "") -> Decimal:
        """Return what counts of the calls that were not in flight at the last claim."""
        flying = self.flying.get(provider, set())
        return sum((each.counted for pk, each in self.of(provider) if pk not in flying), Decimal(0))


class World:
    """One organization with a campaign at a provider that tells prices, and one at a provider that does not."""

    def __init__(self, clock: time_machine.Traveller, caps: tuple[Decimal, Decimal, Decimal], lines: int) -> None:
        self.clock, self.ledger = clock, Ledger()
        self.day_cap, self.account_cap, self.campaign_cap = caps
        self.organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="T"), name="O", default_region="US", daily_budget=self.day_cap
        )
        self.minute = {"callingbox": Decimal("0.10"), "allomia": Decimal("0.07")}
        self.lines = {name: self._line(name, lines) for name in NUMBERS}
        self.campaigns = {name: self._campaign(name) for name in NUMBERS}

    def _line(self, name: str, lines: int) -> PhoneNumber:
        given = {"price_per_minute": self.minute[name], "daily_budget": self.account_cap, "max_open_calls": lines}
        found = support.reach(self.organization, "http://127.0.0.1:9", name, **given)
        PhoneNumber.objects.filter(pk=found.pk).update(e164=f"+1646555010{len(name)}")
        found.refresh_from_db()
        return found

    def _campaign(self, name: str) -> Campaign:
        people = support.people(self.organization, [f"+16465556{n}" for n in NUMBERS[name]])
        made = support.campaign(self.lines[name], people, status="running", budget=self.campaign_cap, name=name)
        launching.step(made.pk)
        return made

    def place(self) -> None:
        """Enqueue and place what the budgets allow, and check that the ledger allowed it too."""
        support.look()
        enqueueing.feed_all(self.organization.pk)
        for name, line in self.lines.items():
            for claim in placing.claim(line.account_id):
                reserve = self.minute[name] * 3
                assert self.ledger.counted() + reserve <= self.day_cap
                assert self.ledger.counted(name) + reserve <= min(self.account_cap, self.campaign_cap)
                self.ledger.claim(claim.call.pk, name, reserve)
                placing.record(claim, Reading(CallState.DIALING, provider_call_id=f"p{claim.call.pk}"))

    def hear(self, pick: int, seconds: int, price: Decimal | None) -> None:
        """Let one call end, or hear of an ended call again, with its price or without."""
        if not self.ledger.entries:
            return
        pk, entry = sorted(self.ledger.entries.items())[pick % len(self.ledger.entries)]
        priced = (price if entry.price is None else entry.price) if entry.provider == "callingbox" else None
        settled = entry.provider == "allomia" or priced is not None
        if entry.ended_at is None:
            self.wait(seconds + 5)
            entry.ended_at, entry.seconds = timezone.now(), seconds
            entry.estimate = (self.minute[entry.provider] * seconds / 60).quantize(Decimal("0.000001"))
            entry.awaited = not settled
        entry.price = priced
        if timezone.now() >= entry.ended_at + READ_FOR:
            entry.awaited = False
        said = Reading(
            CallState.COMPLETED,
            provider_call_id=f"p{pk}",
            duration_seconds=entry.seconds,
            price=Money.known(priced, "USD"),
            settled=settled,
        )
        self._read(pk, said)

    def wait(self, seconds: int) -> None:
        """Let time pass, with a read of each call that is still read."""
        self.clock.shift(timedelta(seconds=seconds))
        for pk, entry in self.ledger.entries.items():
            if entry.ended_at and entry.awaited and timezone.now() >= entry.ended_at + READ_FOR:
                entry.awaited = False
                self._read(pk, MayBeRinging("No answer."))

    def _read(self, pk: int, answer: Reading | ProviderError) -> None:
        call = Call.objects.select_related("account", "polling").get(pk=pk)
        polling.record(polling.DueRead(call, call.account.adapter), answer, b"")

    def check(self) -> None:
        now, counted = timezone.now(), self.ledger.counted
        assert support.dollars(budgets.spending_today(self.organization, now).used) == counted()
        assert self.ledger.beyond_what_flew() <= self.day_cap
        for name, campaign in self.campaigns.items():
            account = self.lines[name].account
            through = budgets.spending_today_through(account, now).used
            assert support.dollars(budgets.spent_on(campaign)) == support.dollars(through) == counted(name)
            assert self.ledger.beyond_what_flew(name) <= min(self.account_cap, self.campaign_cap)
            open_now = {pk for pk, each in self.ledger.of(name) if each.ended_at is None}
            assert set(campaign.calls.filter(status__in=OPEN).values_list("pk", flat=True)) == open_now


AMOUNT = st.decimals("0.00", "0.90", places=2)
CAP = st.decimals("0.20", "4.00", places=2)
STEP = st.one_of(
    st.tuples(st.just("place")),
    st.tuples(st.just("hear"), st.integers(0, 23), st.integers(1, 400), st.one_of(st.none(), AMOUNT)),
    st.tuples(st.just("wait"), st.integers(60, 3000)),
)


class NoLatePriceOverspends(TestCase):
    """Claims, ends, prices and time in any order, on the engine's own paths."""

    @examples(3, proof=500)
    @given(st.lists(STEP, min_size=6, max_size=20), st.tuples(CAP, CAP, CAP), st.integers(1, 12))
    def test(self, steps: list[tuple[str, ...]], caps: tuple[Decimal, Decimal, Decimal], lines: int) -> None:
        with time_machine.travel(MORNING, tick=False) as clock:
            world = World(clock, caps, lines)
            world.place()
            world.check()
            for step, *given_to_it in steps:
                getattr(world, step)(*given_to_it)
                world.check()

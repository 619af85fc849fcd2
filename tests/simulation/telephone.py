"""The providers' side: a seeded simulation of phones that decides how each placed call ends."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Habit:
    """One way in which calls end: its share, outcome, whether a machine answers, seconds on the line, seconds paid."""

    share: float
    outcome: str
    machine: bool
    seconds: float
    paid: float = 0


HABITS = (
    Habit(0.35, "completed", False, 120, 105),
    Habit(0.15, "completed", True, 45, 30),
    Habit(0.37, "no_answer", False, 35),
    Habit(0.07, "busy", False, 10),
    Habit(0.06, "failed", False, 10),
)
# Answers to a placing other than a success, with their shares.
ANSWERS = (("not_sent", 0.004), ("refused", 0.002), ("doubt", 0.004))
DOUBT_LASTS = timedelta(minutes=12)
CENT = Decimal("0.000001")
# Words of carriers and providers for a machine that answered, and the field in which each is told.
MACHINES = (
    {"answered_by": "machine"},
    {"answered_by": "machine_end_beep"},
    {"answered_by": "Answering Machine"},
    {"provider_reason": "voicemail"},
)
OPT_OUTS: tuple[dict[str, Any], ...] = (
    {"result": {"opt_out": True}},
    {"result": {"opt_out": "true", "note": "never again"}},
    {"result_text": "opt_out: true"},
)
CLOCKS = (timedelta(hours=-4), timedelta(hours=8))  # a local time that is taken for UTC


@dataclass(frozen=True)
class Manner:
    """How a provider tells the end of one call, other than at once and in the documented words."""

    after: timedelta = timedelta()  # from the end until it is told
    clock: timedelta = timedelta()  # how far the provider's times are off
    zero_first: bool = False  # duration and price are told as 0 until the call is settled
    machine: Mapping[str, str] = field(default_factory=lambda: MACHINES[0])
    settles_after: timedelta | None = None  # from the telling until price and result are told; None: they never follow
    price: Decimal | None = None  # what the provider charges; None: it tells no price
    opt_out: Mapping[str, Any] | None = None  # a result in which the person asks for no further call


PLAIN = Manner()


@dataclass
class Dial:
    """One placing request that reached the provider or may have, and how its call ended."""

    at: datetime
    organization: str
    campaign: str
    account: str
    number: str
    phone: str
    answer: str = "placed"  # with not_sent and refused no phone rang
    outcome: str = ""
    machine: bool = False
    ended_at: datetime | None = None
    recorded_at: datetime | None = None  # when the product recorded the end, which frees the line
    paid_seconds: int = 0
    reserved: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    asked_for: bool = False  # the contact asked to be called back
    rate: Decimal | None = None  # the account's price of a minute
    manner: Manner = PLAIN
    settled_at: datetime | None = None  # when the product recorded price and result

    @property
    def rang(self) -> bool:
        return self.answer in {"placed", "doubt"}

    @property
    def estimate(self) -> Decimal:
        """Return the cost by the account's price."""
        return ((self.rate or Decimal(0)) * self.paid_seconds / 60).quantize(CENT)

    @property
    def meant(self) -> Decimal | None:
        """Return what the call costs as far as the product was told, or None while it was told nothing."""
        awaited = self.manner.settles_after is not None and self.settled_at is None
        if self.recorded_at is None or (awaited and self.manner.zero_first):
            return None
        return self.estimate if self.manner.price is None or awaited else self.manner.price


class Telephones:
    def __init__(self, seed: int, *, troubles: bool = True) -> None:
        self.seed, self.troubles = seed, troubles
        self._dialled: dict[tuple[str, str], int] = {}

    def ring(self, dial: Dial, *, odd: bool = False) -> None:
        """Decide how a dial ends. The n-th call to a phone ends the same way in every run with the same seed.

        `odd`: whether some ends are told in the manners of real providers.
        """
        who = (dial.organization, dial.phone)
        self._dialled[who] = turn = self._dialled.get(who, 0) + 1
        rng = random.Random(f"{self.seed} {who} {turn}")
        dial.answer = self._answer(rng)
        if not dial.rang:
            return
        habit = rng.choices(HABITS, [each.share for each in HABITS])[0]
        stretch = rng.uniform(0.6, 1.4)
        dial.outcome, dial.machine = habit.outcome, habit.machine
        dial.ended_at = dial.at + max(timedelta(seconds=2), timedelta(seconds=round(habit.seconds * stretch)))
        dial.paid_seconds = round(habit.paid * stretch)
        if odd:
            dial.manner = _manner(dial, rng)

    def _answer(self, rng: random.Random) -> str:
        point = rng.random()
        for answer, share in ANSWERS if self.troubles else ():
            if point < share:
                return answer
            point -= share
        return "placed"


def _manner(dial: Dial, rng: random.Random) -> Manner:
    """Draw how the end of a call is told."""
    reached = dial.outcome == "completed" and not dial.machine
    price = (dial.estimate * Decimal(rng.randrange(0, 15)) / 10).quantize(CENT) if dial.rate else None
    opt_out = rng.choice(OPT_OUTS) if reached and rng.random() < 0.03 else None
    late = timedelta(minutes=rng.uniform(1, 20)) if rng.random() < 0.4 else None
    if rng.random() < 0.3:
        price = None
    return Manner(
        after=timedelta(minutes=rng.uniform(1, 25)) if rng.random() < 0.08 else timedelta(),
        clock=rng.choice(CLOCKS) if rng.random() < 0.4 else timedelta(),
        zero_first=late is not None and price is not None and rng.random() < 0.5,
        machine=rng.choice(MACHINES),
        settles_after=late if price is not None or opt_out is not None else None,
        price=price,
        opt_out=opt_out,
    )

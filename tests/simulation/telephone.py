"""The providers' side: a seeded simulation of phones that decides how each placed call ends."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


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

    @property
    def rang(self) -> bool:
        return self.answer in {"placed", "doubt"}


class Telephones:
    def __init__(self, seed: int, *, troubles: bool = True) -> None:
        self.seed, self.troubles = seed, troubles
        self._dialled: dict[tuple[str, str], int] = {}

    def ring(self, dial: Dial) -> None:
        """Decide how a dial ends. The n-th call to a phone ends the same way in every run with the same seed."""
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

    def _answer(self, rng: random.Random) -> str:
        point = rng.random()
        for answer, share in ANSWERS if self.troubles else ():
            if point < share:
                return answer
            point -= share
        return "placed"

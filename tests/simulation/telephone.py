"""The other side of the wire: a seeded world of telephones that keeps a journal of everything that rang."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True)
class Habit:
    """How calls end: the share, the outcome, a machine or not, seconds on the line and seconds paid."""

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
# What a placing may meet instead of a plain answer.
ANSWERS = (("not_sent", 0.004), ("refused", 0.002), ("doubt", 0.004))
DOUBT_LASTS = timedelta(minutes=12)


@dataclass
class Dial:
    """One request that reached the provider, or may have. Who called whom with what, and what became of it."""

    at: datetime
    organization: str
    campaign: str
    account: str
    number: str
    phone: str
    answer: str = "placed"  # not_sent and refused rang nobody
    outcome: str = ""
    machine: bool = False
    ended_at: datetime | None = None
    recorded_at: datetime | None = None  # when its line was free again, by our knowledge
    paid_seconds: int = 0
    reserved: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    @property
    def rang(self) -> bool:
        return self.answer in {"placed", "doubt"}


class Telephones:
    def __init__(self, seed: int, *, troubles: bool = True) -> None:
        self.seed, self.troubles = seed, troubles
        self._dialled: dict[tuple[str, str], int] = {}

    def ring(self, dial: Dial) -> None:
        """Decide what becomes of a dial. The same person's n-th call ends alike in every run of a seed."""
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

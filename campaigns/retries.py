"""When a person is called again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

AGAIN = frozenset({"no_answer", "busy", "failed"})  # the endings that prove nobody was reached
MACHINES = frozenset({"no_answer", "completed"})  # the endings a machine can bring about


@dataclass(frozen=True)
class Rule:
    """After this outcome: how long to wait, and how many calls at most in all."""

    outcome: str
    wait: timedelta
    max_attempts: int


def next_attempt(
    rules: Iterable[Rule],
    outcome: str,
    voicemail: bool,
    attempts: int,
    max_attempts: int,
    ended_at: datetime,
    min_gap: timedelta,
) -> datetime | None:
    """The earliest moment of the next call, before any window is asked; None when there is none.

    `outcome` is how the call ended in our words. What is not known to have missed the person (`unknown`, `expired`) and
    what reached them is never tried again.
    """
    by_outcome = {rule.outcome: rule for rule in rules}
    rule = by_outcome.get("voicemail") if voicemail and outcome in MACHINES else None
    if rule is None and outcome in AGAIN:
        rule = by_outcome.get(outcome)
    if rule is None or attempts >= min(rule.max_attempts, max_attempts):
        return None
    return ended_at + max(rule.wait, min_gap)

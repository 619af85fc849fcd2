"""How many requests a process sent to each account, how long they took, and how they ended. Shown by `/metrics`."""

from __future__ import annotations

import time
from functools import cache

from providers.adapters.errors import ProviderError

ANSWERED = "answered"


class Tallies:
    """One for each lane that asks providers."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, type], list[float]] = {}

    def note(self, account_id: int, answer: object, began: float) -> None:
        """Count a request that began at this moment (monotonic) by what came of it."""
        counted = self._found.setdefault((account_id, type(answer)), [0, 0.0])
        counted[0] += 1
        counted[1] += time.monotonic() - began

    def figures(self) -> dict[str, dict[str, list[float]]]:
        """Return number and seconds by account and result, as JSON keeps them."""
        found: dict[str, dict[str, list[float]]] = {}
        for (account, kind), (count, seconds) in self._found.copy().items():
            found.setdefault(str(account), {})[result_of(kind)] = [count, round(seconds, 3)]
        return found


@cache
def result_of(kind: type) -> str:
    """Return `answered`, or the class of the error: `not_sent`, `rejected`, `misconfigured`, `may_be_ringing` …"""
    if not issubclass(kind, ProviderError):
        return ANSWERED
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("_")

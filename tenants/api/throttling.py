"""So many requests a second for each caller, over all web processes.

The budget is one number in one row (the generic cell rate algorithm), spent by a single conditional UPDATE. A process
takes a tenth of the burst at a time and then asks nobody, so that most requests cost no write. What one process holds
is not to be had by another: the burst is never more than the limit, and less by at most a tenth for each process.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Greatest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tenants.api.access import Access
from tenants.api.authentication import caller_of
from tenants.models import RequestBudget

ROUNDING = 1e-4  # seconds: sums of floats are not exact

_held: dict[str, int] = {}  # taken by this process, not yet spent
_turns: dict[str, threading.Lock] = {}
_lock = threading.Lock()


class CallerThrottle(BaseThrottle):
    """`API_RATE` requests a second for each key or member of staff, and `API_BURST` at once after a rest."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Access):
            return True
        self.caller = caller_of(request)
        if _spend(self.caller):
            return True
        with _taking(self.caller):  # one thread at a time, or they would hold more than they need and refuse the rest
            return _spend(self.caller) or _take(self.caller)

    def wait(self) -> float:
        """Seconds until the next request is taken."""
        return max(0.0, _stands(self.caller) - _latest(time.time(), 1))


def _taking(caller: str) -> threading.Lock:
    with _lock:
        return _turns.setdefault(caller, threading.Lock())


def _spend(caller: str) -> bool:
    with _lock:
        left = _held.get(caller, 0)
        if left:
            _held[caller] = left - 1
        return left > 0


def _take(caller: str) -> bool:
    """One request for now and some to hold; else just the one. Who has nothing left costs a read and no write."""
    now, several = time.time(), max(1, settings.API_BURST // 10)
    stands = _stands(caller)
    for count in (several, 1):
        if stands <= _latest(now, count) and _withdraw(caller, count, now):
            with _lock:
                _held[caller] = _held.get(caller, 0) + count - 1
            return True
    return False


def _stands(caller: str) -> float:
    return RequestBudget.objects.get_or_create(caller=caller)[0].spent_until


def _withdraw(caller: str, count: int, now: float) -> bool:
    """True when nobody else has taken it meanwhile."""
    budget = RequestBudget.objects.filter(caller=caller, spent_until__lte=_latest(now, count))
    return budget.update(spent_until=Greatest(F("spent_until"), Value(now)) + count / settings.API_RATE) == 1


def _latest(now: float, count: int) -> float:
    """Where the budget may stand at most for so many requests to be taken now."""
    return now + (settings.API_BURST - count) / settings.API_RATE + ROUNDING


def forget_held() -> None:
    """Give nothing back, hold nothing: the next request asks the database."""
    with _lock:
        _held.clear()

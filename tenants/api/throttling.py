"""A limit of requests per second for each caller, over all web processes.

The budget of a caller is one number in one row (the generic cell rate algorithm), spent by one conditional UPDATE. A
process reserves a tenth of the burst at a time and spends it in memory, so that most requests cost no write. Other
processes cannot spend what one process has reserved. The burst is therefore never more than the limit, and less by at
most a tenth for each process.
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

_reserved: dict[str, int] = {}  # requests reserved by this process and not yet spent, by caller
_caller_locks: dict[str, threading.Lock] = {}
_lock = threading.Lock()  # guards both


class CallerThrottle(BaseThrottle):
    """`API_RATE` requests a second for each API key or team member, and `API_BURST` at once after a pause."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Access):
            return True
        self.caller = caller_of(request)
        if _spend(self.caller):
            return True
        # One thread at a time: several would reserve more than they need, and other requests would be refused.
        with _lock_of(self.caller):
            return _spend(self.caller) or _reserve(self.caller)

    def wait(self) -> float:
        """Return the seconds until the next request is allowed."""
        return max(0.0, _spent_until(self.caller) - _latest(time.time(), 1))


def _lock_of(caller: str) -> threading.Lock:
    with _lock:
        return _caller_locks.setdefault(caller, threading.Lock())


def _spend(caller: str) -> bool:
    """Spend one reserved request. Return whether there was one."""
    with _lock:
        left = _reserved.get(caller, 0)
        if left:
            _reserved[caller] = left - 1
        return left > 0


def _reserve(caller: str) -> bool:
    """Spend one request and reserve more, or spend just the one. Return whether the budget allows it.

    An exhausted budget costs a read and no write.
    """
    spent_until, several = _spent_until(caller), max(1, settings.API_BURST // 10)
    now = time.time()
    for count in (several, 1):
        if spent_until > _latest(now, count):
            continue
        if _withdraw(caller, count, now):
            with _lock:
                _reserved[caller] = _reserved.get(caller, 0) + count - 1
            return True
        spent_until = _spent_until(caller)  # another process was quicker, or the engine deleted a row long unused
    return False


def _spent_until(caller: str) -> float:
    # Not zero, as if it were long unused: the engine deletes such rows, perhaps before the first request is withdrawn.
    return RequestBudget.objects.get_or_create(caller=caller, defaults={"spent_until": time.time()})[0].spent_until


def _withdraw(caller: str, count: int, now: float) -> bool:
    """Take `count` requests from the budget. Return False when another process has taken them meanwhile."""
    budget = RequestBudget.objects.filter(caller=caller, spent_until__lte=_latest(now, count))
    return budget.update(spent_until=Greatest(F("spent_until"), Value(now)) + count / settings.API_RATE) == 1


def _latest(now: float, count: int) -> float:
    """Return the latest `spent_until` at which the budget still allows `count` requests now."""
    return now + (settings.API_BURST - count) / settings.API_RATE + ROUNDING


def forget_held() -> None:
    """Drop what this process has reserved, without returning it: the next request asks the database."""
    with _lock:
        _reserved.clear()

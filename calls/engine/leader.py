"""The leader: one process of all workers does the maintenance. It holds a row until a moment that it keeps renewing.

The row is taken by compare-and-set, and by the database's clock alone. A leader that was frozen sees on its own clock
that its lease is over, and does nothing until it holds the row again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from calls.models import EngineLease

LEASE = timedelta(seconds=15)
MARGIN = 1.0  # seconds before the end of its lease from which a leader does not act
MAINTENANCE, UPKEEP = "maintenance", "upkeep"


class Leadership:
    """What this process knows of its lease."""

    def __init__(self, name: str, holder: str) -> None:
        self.name, self.holder = name, holder
        self.turns: Counter[str] = Counter()  # how often each step was done
        self._until = 0.0

    @property
    def leads(self) -> bool:
        return time.monotonic() < self._until

    def only(self, name: str, step: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
        """Return a step that does nothing while another process leads."""

        async def led() -> bool:
            if not self.leads:
                return False
            busy = await step()
            self.turns[name] += 1
            return busy

        return led

    async def renew(self, db: Callable[..., Awaitable[Any]]) -> bool:
        """Take or renew the lease where it is free. Return whether this process leads."""
        asked_at = time.monotonic()  # before the row is written, so that our clock ends first
        held = await db(hold, self.name, self.holder)
        self._until = asked_at + LEASE.total_seconds() - MARGIN if held else 0.0
        return self.leads

    async def resign(self, db: Callable[..., Awaitable[Any]]) -> None:
        """Let another process lead at once."""
        self._until = 0.0
        await db(release, self.holder)


def hold(name: str, holder: str) -> bool:
    """Take the lease if it is free or over, or renew it. Return whether `holder` holds it."""
    free = EngineLease.objects.filter(Q(holder=holder) | Q(expires_at__lt=Now()), name=name)
    if free.update(holder=holder, expires_at=Now() + LEASE):
        return True
    if EngineLease.objects.filter(name=name).exists():
        return False
    try:
        with transaction.atomic():
            EngineLease.objects.create(name=name, holder=holder, expires_at=Now() + LEASE)
    except IntegrityError:  # another process was first
        return False
    return True


def release(holder: str) -> None:
    """End the leases of a process: it resigns, or it is known to be dead. `holder` may be the begin of the name."""
    EngineLease.objects.filter(holder__startswith=holder).update(holder="", expires_at=Now() - LEASE)

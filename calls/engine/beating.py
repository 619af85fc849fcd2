"""Beating: a process says every few seconds that its loop, its lanes and its database work go on."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getpagesize, getrusage
from typing import Any

from calls.deadlines import LANE_TIMING
from calls.engine import slots
from calls.engine.control import Control
from calls.engine.database import Database
from calls.models import Heartbeat
from tenants.db.outage_log import REPEATS

logger = logging.getLogger(__name__)
BEAT = 5.0


class Beating:
    """The heartbeat of one slot. It stops claimers at once when another process holds the slot, or nobody may."""

    def __init__(
        self, control: Control, worker: str, role: Heartbeat.Role, slot: int, figures: Callable[[], dict[str, Any]]
    ) -> None:
        self.run_id = uuid.uuid4().hex
        self.db = Database(f"beat-{role}", statement=LANE_TIMING.claim_statement)
        self._control, self._figures = control, figures
        self._slot = (worker, role, slot, self.run_id)
        self._beaten = 0.0

    async def begin(self) -> bool:
        """Take the slot. Return False when the worker is stopping."""
        asked_at = time.monotonic()
        if not await self.db(slots.take, *self._slot):
            self._control.lose_slot()
            return False
        self._control.confirm(asked_at)
        return True

    async def keep_on(self, pause: float) -> None:
        """Beat until the stop. Only the database can make a beat fail: the next one is tried."""
        while self._control.running:
            try:
                await self._turn()
            except Exception:
                logger.exception("The heartbeat failed", extra=REPEATS)
            await self._control.sleep(pause)

    async def _turn(self) -> None:
        asked_at = time.monotonic()
        hanging = self._control.hanging
        if hanging:
            logger.error("No heartbeat, because these steps hang: %s", ", ".join(hanging))
        due = asked_at - self._beaten >= BEAT and not hanging
        if due:
            held = await self.db(slots.beat, *self._slot, self._figures())
            self._beaten = asked_at
        else:
            held = await self.db(slots.holds, *self._slot)
        if held:
            self._control.confirm(asked_at)
        else:
            self._control.lose_slot()


def memory_used() -> int:
    """Return the resident memory of this process in bytes, where the system tells it, else its peak."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
    except (OSError, ValueError, IndexError):
        return getrusage(RUSAGE_SELF).ru_maxrss * 1024

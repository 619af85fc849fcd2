"""Control: whether a process may claim work now, and the loop that repeats its steps."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from calls.deadlines import LANE_TIMING
from calls.engine.database import Database
from tenants.db import outage_log

logger = logging.getLogger(__name__)
Repeated = tuple[str, Callable[[], Awaitable[bool]], float]  # name, step, pause


class Control:
    """One for each process. All claimers stop at once, with `stop`."""

    def __init__(self) -> None:
        self.superseded = False
        self.stopped_at: float | None = None
        self.turns: Counter[str] = Counter()  # how often each step was done
        self.databases: list[Database] = []  # whose threads must not hang: a writer or a step would stop silently
        self._confirmed_until = 0.0
        self._turned_at: dict[str, float] = {}  # of the steps that must go on for the process to be alive
        self._stopped = asyncio.Event()
        self._alarms: set[asyncio.Event] = {self._stopped}

    @property
    def running(self) -> bool:
        return self.stopped_at is None

    @property
    def claiming(self) -> bool:
        """Whether new work may be claimed. A process that woke up from a long freeze has to confirm its slot first."""
        return self.running and time.monotonic() < self._confirmed_until

    def confirm(self, asked_at: float) -> None:
        """Note that the process held its slot at this moment (monotonic)."""
        self._confirmed_until = asked_at + LANE_TIMING.confirmed

    def stop(self) -> None:
        """Let all claimers end. A second call changes nothing."""
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()
            for alarm in self._alarms:
                alarm.set()

    def lose_slot(self) -> None:
        """Stop because another process holds the slot, or nobody may."""
        self.superseded = True
        self.stop()

    async def stopped(self) -> None:
        """Wait for the stop."""
        await self._stopped.wait()

    def left_of(self, seconds: float) -> float:
        """Return what is left of so many seconds since the stop."""
        return max(0.0, (self.stopped_at or time.monotonic()) + seconds - time.monotonic())

    def alarm(self) -> asyncio.Event:
        """Return an event that `stop` sets."""
        found = asyncio.Event()
        self._alarms.add(found)
        return found

    async def sleep(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Wait for the time, the event, or the stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (until or self._stopped).wait()

    async def repeat(
        self, name: str, step: Callable[[], Awaitable[bool]], pause: float, *, vital: bool = False
    ) -> None:
        """Repeat a step until the stop: at once after it found work, else after the pause.

        An exception is logged, and each one in a row doubles the pause. A `vital` step must go on for the process to
        count as alive.
        """
        failures = 0
        if vital:
            self.note_alive(name)
        while self.running:
            busy = False
            try:
                if self.claiming:
                    busy = await step()
                    self.turns[name] += 1
                    outage_log.note_success()
                failures = 0
            except Exception:
                failures += 1
                logger.exception("The engine's step %s failed", name, extra=outage_log.REPEATS)
            if vital:
                self.note_alive(name)
            if not busy:
                await self.sleep(min(pause * 2**failures, max(pause, 10.0)))

    def note_alive(self, name: str) -> None:
        """Note that a vital step goes on, also in the middle of a long turn."""
        self._turned_at[name] = time.monotonic()

    @property
    def hanging(self) -> list[str]:
        """Return what has not gone on for so long that the process counts as dead: vital steps, database threads."""
        now = time.monotonic()
        steps = [name for name, at in self._turned_at.items() if now - at > LANE_TIMING.lane]
        return steps + [f"database work of {db.name}" for db in self.databases if db.longest > LANE_TIMING.work]

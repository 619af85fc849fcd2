"""A lane: one kind of work with its own claimer, slots, database threads and writer. No lane starves another."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from calls.deadlines import LANE_TIMING
from calls.engine.control import Control
from calls.engine.database import Database
from calls.engine.tallies import Tallies
from calls.engine.writer import Writer

SOON = 0.02  # seconds between a free slot and the next claim, so that a claim is of several


class Lane(ABC):
    """`turn` claims work and spawns it. The engine repeats it until the stop, then waits for what is in flight."""

    name: str
    slots: int

    def __init__(self, control: Control, pause: float) -> None:
        self.control = control
        self.pause = pause
        self.in_flight: set[asyncio.Task[None]] = set()
        self.claims = Database(f"{self.name}-claim", statement=LANE_TIMING.claim_statement, lock=LANE_TIMING.lock)
        self.stores = Database(f"{self.name}-store", statement=LANE_TIMING.store_statement, lock=LANE_TIMING.lock)
        self.tallies = Tallies()
        self._freed = control.alarm()

    @abstractmethod
    async def turn(self) -> bool:
        """Claim what is due and spawn it. Return whether to look again at once."""

    @property
    def writer(self) -> Writer[Any] | None:
        return None

    @property
    def room(self) -> int:
        """Return how many more may be in flight. None while the writer has too much to store."""
        if self.writer is not None and self.writer.full:
            return 0
        return self.slots - len(self.in_flight)

    async def end(self) -> None:  # noqa: B027 - most lanes have nothing left then
        """Give back what was claimed and not begun. Called once, after the last turn."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.in_flight.add(task)
        task.add_done_callback(self._free)

    def _free(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        self._freed.set()

    async def rest(self, seconds: float) -> None:
        """Wait for the time, or until slots that are in use have become free."""
        if self.control.running:
            self._freed.clear()
        await self.control.sleep(seconds, self._freed)
        await self.control.sleep(min(seconds, SOON))

    def figures(self) -> dict[str, Any]:
        """Return the figures of the lane for the metrics."""
        found: dict[str, Any] = {"in_flight": len(self.in_flight), "requests": self.tallies.figures()}
        if self.writer is not None:
            found |= vars(self.writer.figures) | {"waiting": self.writer.waiting}
        return found

    def databases(self) -> list[Database]:
        return [self.claims, self.stores]

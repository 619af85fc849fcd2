"""The engine: a process that lives as long as its worker. It places calls, follows them, and delivers webhooks.

It stops in one order: all claimers at once; then the work that is in flight; then the writers, which store what is
left; then the connections. Each part has a deadline, so that nothing can hang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from calls.deadlines import CLUSTER_TIMING, PAUSES, Pauses
from calls.engine.control import Repeated
from calls.engine.lane import Lane
from calls.engine.lanes import CallbackLane, PlacingLane, WebhookLane
from calls.engine.leader import MAINTENANCE, UPKEEP
from calls.engine.maintenance import Maintenance
from calls.engine.process import Process
from calls.engine.reading_lane import ReadingLane
from calls.engine.upkeep import Upkeep
from calls.models import Heartbeat
from providers import outgoing
from providers.adapters import http


class Engine(Process):
    """One engine process. With `upkeep`, it does the long work as well: for tests, which run it in a thread."""

    role = Heartbeat.Role.ENGINE

    def __init__(
        self,
        worker: str,
        slot: int,
        *,
        claim_for: float | None = None,
        pauses: Pauses = PAUSES,
        upkeep: bool = False,
    ) -> None:
        super().__init__(worker, slot, claim_for=claim_for, pauses=pauses)
        self.lanes: list[Lane] = []
        self._upkeep = upkeep

    def figures(self) -> dict[str, Any]:
        return super().figures() | {"lanes": {lane.name: lane.figures() for lane in self.lanes}}

    async def _work(self) -> None:
        async with http.Client() as client, outgoing.Client() as hooks:
            control, pauses = self.control, self.pauses
            placing = PlacingLane(control, client, pauses.place)
            self.lanes = [
                placing,
                ReadingLane(control, client, pauses.read, placing),
                CallbackLane(control, pauses.status_callbacks),
                WebhookLane(control, hooks, pauses.deliver),
            ]
            self.databases += [db for lane in self.lanes for db in lane.databases()]
            maintenance = Maintenance(
                control,
                self.leadership(MAINTENANCE),
                client,
                self.database("maintenance", 2),
                self.database("enqueue"),
            )
            steps = maintenance.steps(pauses)
            if self._upkeep:
                steps += Upkeep(control, self.leadership(UPKEEP), self.database("upkeep", 3)).steps(pauses)
            await self._live(steps, maintenance.in_flight)

    async def _live(self, steps: list[Repeated], others: set[asyncio.Task[None]]) -> None:
        writers = [lane.writer for lane in self.lanes if lane.writer is not None]
        async with asyncio.TaskGroup() as writing:
            for writer in writers:
                writing.create_task(writer.run())
            lanes = map(self._claim, self.lanes)
            claimers = [asyncio.ensure_future(loop) for loop in (*lanes, *self.claimers(steps))]
            await self._finish(claimers, others)
            for writer in writers:
                writer.close(self.control.left_of(CLUSTER_TIMING.flush))

    async def _claim(self, lane: Lane) -> None:
        await self.control.repeat(lane.name, lane.turn, lane.pause, vital=True)
        await lane.end()

    async def _finish(self, claimers: Collection[asyncio.Future[None]], others: set[asyncio.Task[None]]) -> None:
        """Wait for the stop, for the claimers to end, and for what is in flight."""
        await self.control.stopped()
        await asyncio.wait(claimers, timeout=self.control.left_of(CLUSTER_TIMING.finish))
        in_flight = [task for lane in self.lanes for task in lane.in_flight] + list(others)
        if in_flight:
            await asyncio.wait(in_flight, timeout=self.control.left_of(CLUSTER_TIMING.finish))

"""The task of the task queue: upkeep for a while, then its successor. Losing or repeating a task changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django_q.models import OrmQ
from django_q.tasks import async_task

from calls.deadlines import CLUSTER_TIMING, PAUSES, Pauses
from calls.engine import slots
from calls.engine.leader import UPKEEP
from calls.engine.process import Process
from calls.engine.upkeep import Upkeep
from calls.models import Heartbeat

SLOT = 0


class UpkeepTask(Process):
    """Upkeep for `claim_for` seconds. `on_claimed` is called when it stops claiming and still holds the slot."""

    role = Heartbeat.Role.UPKEEP

    def __init__(
        self,
        worker: str,
        *,
        on_claimed: Callable[[], None],
        claim_for: float = CLUSTER_TIMING.claim,
        pauses: Pauses = PAUSES,
    ) -> None:
        super().__init__(worker, SLOT, claim_for=claim_for, pauses=pauses)
        self._on_claimed = on_claimed

    async def _work(self) -> None:
        upkeep = Upkeep(self.control, self.leadership(UPKEEP), self.database("upkeep", 3))
        claimers = [asyncio.ensure_future(loop) for loop in self.claimers(upkeep.steps(self.pauses))]
        await self.control.stopped()
        if not self.superseded:
            await self.beating.db(self._on_claimed)
        await asyncio.wait(claimers, timeout=self.control.left_of(CLUSTER_TIMING.drain - CLUSTER_TIMING.claim))


def upkeep(worker: str) -> None:
    """Do upkeep. The successor is queued when this task stops claiming, so that its last steps cost no time."""
    UpkeepTask(worker, on_claimed=lambda: queue_upkeep(worker)).run()


def queue_upkeep(worker: str) -> None:
    async_task("calls.engine.tasks.upkeep", worker, cluster=worker, save=False)


def prepare(worker: str) -> None:
    """Empty a worker's queue, and queue its upkeep."""
    OrmQ.objects.filter(key=worker).delete()
    slots.open_slot(worker, Heartbeat.Role.UPKEEP, SLOT)
    queue_upkeep(worker)

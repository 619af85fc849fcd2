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
_running: set[UpkeepTask] = set()  # in this process


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
    task = UpkeepTask(worker, on_claimed=lambda: queue_upkeep(worker))
    _running.add(task)
    try:
        task.run()
    finally:
        _running.discard(task)


def stop_all() -> None:
    """Let the tasks of this process stop claiming, and end. A signal handler may call it."""
    for task in list(_running):
        task.stop()


def queue_upkeep(worker: str) -> None:
    async_task("calls.engine.tasks.upkeep", worker, cluster=worker, save=False)


def prepare(worker: str) -> None:
    """Empty a worker's queue, and queue its upkeep."""
    empty_queue(worker)
    slots.open_slot(worker, Heartbeat.Role.UPKEEP, SLOT)
    queue_upkeep(worker)


def revive(worker: str) -> None:
    """Queue upkeep that has fallen silent.

    Its slot is gone too if the worker was cut off from the database for an hour.
    """
    slots.open_missing(worker, Heartbeat.Role.UPKEEP, SLOT)
    queue_upkeep(worker)


def empty_queue(worker: str) -> None:
    OrmQ.objects.filter(key=worker).delete()

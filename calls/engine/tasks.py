"""The task of the task queue: it runs engine slices. Losing or repeating a task changes nothing."""

from __future__ import annotations

from django_q.models import OrmQ
from django_q.tasks import async_task

from calls.engine.slice import Slice
from calls.models import Heartbeat


def engine_slice(worker: str, slot: int) -> None:
    """Run one slice. Its successor is queued when it stops claiming, so that draining costs no time."""
    Slice(worker, slot, on_claimed=lambda: queue_slice(worker, slot)).run()


def queue_slice(worker: str, slot: int) -> None:
    async_task("calls.engine.tasks.engine_slice", worker, slot, cluster=worker, save=False)


def prepare(worker: str, slots: int) -> None:
    """Empty a worker's queue and queue one slice for each slot."""
    OrmQ.objects.filter(key=worker).delete()
    for slot in range(slots):
        Heartbeat.objects.update_or_create(worker=worker, slot=slot, defaults={"run": "starting"})
        queue_slice(worker, slot)

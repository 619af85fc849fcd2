"""Heartbeats of the workers' slots."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now


class Heartbeat(models.Model):
    """The last sign of life of one slot of a worker. The watcher and `/readyz` read it."""

    worker = models.CharField(max_length=100)
    slot = models.PositiveSmallIntegerField()
    run = models.CharField(max_length=32, blank=True)  # the slice that holds the slot; empty: no slice may start
    beaten_at = models.DateTimeField(default=utc_now)
    started_at = models.DateTimeField(default=utc_now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["worker", "slot"], name="one_beat_per_slot")]

    def __str__(self) -> str:
        return f"{self.worker}/{self.slot}"

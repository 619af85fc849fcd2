"""The sign of life of a worker's slots."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now


class Heartbeat(models.Model):
    """A slot of a worker is alive. The watcher reads these, and so does `/readyz`."""

    worker = models.CharField(max_length=100)
    slot = models.PositiveSmallIntegerField()
    run = models.CharField(max_length=32, blank=True)  # the slice that holds the slot; empty: none shall start
    beaten_at = models.DateTimeField(default=utc_now)
    started_at = models.DateTimeField(default=utc_now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["worker", "slot"], name="one_beat_per_slot")]

    def __str__(self) -> str:
        return f"{self.worker}/{self.slot}"

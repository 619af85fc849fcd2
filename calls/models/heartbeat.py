"""Heartbeats of the workers' processes, and the lease of the leader among them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now


class Heartbeat(models.Model):
    """The last sign of life of one slot of a worker. The watcher, `/readyz` and `/metrics` read it."""

    class Role(models.TextChoices):
        ENGINE = "engine", "Engine"
        UPKEEP = "upkeep", "Upkeep"

    worker = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.ENGINE)
    slot = models.PositiveSmallIntegerField()
    run = models.CharField(max_length=32, blank=True)  # the process that holds the slot; empty: none may start
    beaten_at = models.DateTimeField(default=utc_now)
    started_at = models.DateTimeField(default=utc_now)
    figures = models.JSONField(default=dict)  # of the process, for the metrics

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["worker", "role", "slot"], name="one_beat_per_slot")]

    def __str__(self) -> str:
        return f"{self.worker}/{self.role}/{self.slot}"


class EngineLease(models.Model):
    """Work that one process of all workers does at a time, until its lease ends (`calls/engine/leader.py`)."""

    name = models.CharField(max_length=20, primary_key=True)
    holder = models.CharField(max_length=160, blank=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

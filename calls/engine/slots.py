"""Slots: a process holds its slot of a worker by the `run` of a heartbeat row, and claims only while it does."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from calls.models import Heartbeat

STARTING = "starting"


def open_slot(worker: str, role: Heartbeat.Role, slot: int) -> None:
    """Let a process take the slot, instead of the one that holds it.

    That counts as a heartbeat: after a long silence, another worker would delete the row as one that nobody needs.
    """
    opened = {"run": STARTING, "beaten_at": timezone.now()}
    Heartbeat.objects.update_or_create(worker=worker, role=role, slot=slot, defaults=opened)


def open_missing(worker: str, role: Heartbeat.Role, slot: int) -> None:
    """Open the slot if it has no row. A process that holds it keeps it."""
    Heartbeat.objects.get_or_create(worker=worker, role=role, slot=slot, defaults={"run": STARTING})


def take(worker: str, role: Heartbeat.Role, slot: int, run: str) -> bool:
    """Take a slot. Return False when the worker is stopping."""
    now = timezone.now()
    held = Heartbeat.objects.filter(worker=worker, role=role, slot=slot)
    return held.exclude(run="").update(run=run, beaten_at=now, started_at=now) == 1


def holds(worker: str, role: Heartbeat.Role, slot: int, run: str) -> bool:
    return Heartbeat.objects.filter(worker=worker, role=role, slot=slot, run=run).exists()


def beat(worker: str, role: Heartbeat.Role, slot: int, run: str, figures: dict[str, Any]) -> bool:
    """Store a heartbeat with the figures of the process. Return whether it still holds the slot."""
    mine = Heartbeat.objects.filter(worker=worker, role=role, slot=slot, run=run)
    return mine.update(beaten_at=timezone.now(), figures=figures) == 1


def close_all(worker: str) -> None:
    """Let all processes of a worker stop claiming within a second, even if they miss their signal."""
    Heartbeat.objects.filter(worker=worker).update(run="")

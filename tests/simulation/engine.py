"""The engine's own steps, run one by one in the simulation's thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from django.utils import timezone

from calls.actions import scheduled_callbacks
from calls.engine.control import Control
from calls.engine.leader import UPKEEP, Leadership
from calls.engine.upkeep import Upkeep


class Steps:
    """What the engine does beside enqueueing and placing, for those who wait."""

    def __init__(self) -> None:
        control = Control()
        control.confirm(float("inf"))
        self._upkeep = Upkeep(control, Leadership(UPKEEP, "month"), _at_once)

    def look(self) -> None:
        """See edits, and queue scheduled callbacks that are due."""
        while _run(self._upkeep.reassess_recipients()):
            pass
        scheduled_callbacks.step(timezone.now())


async def _at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


def _run(step: Coroutine[Any, Any, bool]) -> bool:
    """Run a step to its end. It never waits, because its work is done at once. Return whether it found work."""
    try:
        step.send(None)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("A step of the engine waits for something.")

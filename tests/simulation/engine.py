"""The engine's own steps, run one by one in the simulation's thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from calls.engine.slice import Database, Slice


class Steps(Slice):
    """What a slice does beside enqueueing and placing, for those who wait."""

    def __init__(self) -> None:
        super().__init__("month", 0)
        self._ends = float("inf")
        self.db = self.long_db = cast(Database, _at_once)

    def look(self) -> None:
        """See edits, and queue scheduled callbacks that are due."""
        while _run(self._reassess_recipients()):
            pass
        _run(self._scheduled_callbacks())


async def _at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


def _run(step: Coroutine[Any, Any, bool]) -> bool:
    """Run a step to its end. It never waits, because its work is done at once. Return whether it found work."""
    try:
        step.send(None)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("A step of the engine waits for something.")

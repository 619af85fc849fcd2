"""An event loop whose clock a test moves: a deadline passes when the other side hangs, and at no other moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.providers.wire import Wire

T = TypeVar("T")
DEADLINE = 3600.0  # seconds; no machine is so slow that it passes by itself


class SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0

    def time(self) -> float:
        return super().time() + self._skipped

    def skip(self, seconds: float) -> None:
        """Move the clock on, from any thread."""

        def move() -> None:
            self._skipped += seconds

        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.call_soon_threadsafe(move)


def run(work: Coroutine[Any, Any, T], wire: Wire) -> T:
    """Run `work`. Its deadlines pass once `wire` has a request that it will not answer."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SkippingLoop)
        wire.hangs = lambda: loop.skip(2 * DEADLINE)
        return runner.run(work)

"""Every Python process with this folder on PYTHONPATH imports this module at its start and moves its clock."""

from __future__ import annotations

import os
import time

import time_machine

TOGETHER = 0.001  # seconds by which the clocks of two processes may differ


def move(offset: float) -> None:
    """Move the clock of this process, and again if something held it up: what one wrote another would date later."""
    while True:
        began = time.monotonic()
        travel = time_machine.travel(time.time() + offset, tick=True)
        travel.start()
        if time.monotonic() - began < TOGETHER:
            return
        travel.stop()


if found := os.environ.get("TEST_CLOCK_OFFSET"):
    move(float(found))

"""Imported by every Python process at its start, where this folder is on PYTHONPATH: the clock is another one there."""

from __future__ import annotations

import os
import time

import time_machine

if offset := os.environ.get("TEST_CLOCK_OFFSET"):
    time_machine.travel(time.time() + float(offset), tick=True).start()

"""Every Python process with this folder on PYTHONPATH imports this module at its start and moves its clock."""

from __future__ import annotations

import os
import time

import time_machine

if offset := os.environ.get("TEST_CLOCK_OFFSET"):
    time_machine.travel(time.time() + float(offset), tick=True).start()

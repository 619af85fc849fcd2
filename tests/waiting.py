"""Wait in tests for a condition, with a limit that only a fault reaches, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import connection

PATIENCE = 240.0  # seconds; longer than any wait on a machine with a twentieth of a processor


def eventually(true: Callable[[], object], what: str = "", *, seconds: float = PATIENCE) -> None:
    """Return once the condition holds. Fail with `what` when it never does."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not true():
        assert time.monotonic() < deadline, what or "it did not happen"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05 if connection.vendor == "postgresql" else 0.1)

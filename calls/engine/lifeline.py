"""The pipe between a watcher and its cluster: whoever works ends when the watcher has died, however it died."""

from __future__ import annotations

import os
import signal
import threading
from functools import cache

LIFELINE = "TRUNKLINE_LIFELINE"  # the number of the pipe's reading end, which every process of the cluster inherits


def hold() -> None:
    """Let the whole process group end with the watcher. Every process of it holds on: any of them may be the last."""
    if LIFELINE in os.environ:
        _hold(os.getpid())


@cache  # threads do not survive a fork, so this is once for each process
def _hold(pid: int) -> None:
    threading.Thread(target=_end_with_watcher, args=(int(os.environ[LIFELINE]),), name="lifeline", daemon=True).start()


def _end_with_watcher(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when nobody holds the other end
    os.killpg(os.getpgrp(), signal.SIGKILL)

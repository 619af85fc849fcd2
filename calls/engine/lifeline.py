"""Lifeline: a pipe from the watcher to its cluster. All processes of the cluster end when the watcher dies."""

from __future__ import annotations

import os
import signal
import threading
from functools import cache

LIFELINE = "TRUNKLINE_LIFELINE"  # file descriptor of the pipe's reading end, which the cluster's processes inherit


def hold() -> None:
    """End the whole process group when the watcher dies. Each process listens, because any may be the last one."""
    if LIFELINE in os.environ:
        _hold(os.getpid())


@cache  # one thread for each process: threads do not survive a fork
def _hold(pid: int) -> None:
    threading.Thread(target=_end_with_watcher, args=(int(os.environ[LIFELINE]),), name="lifeline", daemon=True).start()


def _end_with_watcher(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the other end is closed
    os.killpg(os.getpgrp(), signal.SIGKILL)

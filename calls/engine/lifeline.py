"""Lifeline: a pipe from the watcher to its children. All of them end when the watcher dies, in whatever way."""

from __future__ import annotations

import os
import signal
import threading


class Lifeline:
    """A pipe of which only the watcher has the writing end. One serves all children."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def hold(self) -> None:
        """End this process, and the group that it leads, when the watcher dies. For a child, right after the fork."""
        os.close(self._writing)
        threading.Thread(target=self._end_with_watcher, name="lifeline", daemon=True).start()

    def _end_with_watcher(self) -> None:
        os.read(self._reading, 1)  # returns when the other end is closed
        os.killpg(os.getpgrp(), signal.SIGKILL)

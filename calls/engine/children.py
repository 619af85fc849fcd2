"""Child processes of the watcher, forked from it: they share what it has loaded. Each leads a session of its own.

The watcher forks while it has one thread, no event loop, and no open connection to the database: a child would share
the connection's socket, and would wait for ever for a lock that another thread held.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from django.db import connections

from calls.engine.lifeline import Lifeline
from tenants import telemetry

logger = logging.getLogger(__name__)
SETTLED = 30.0  # seconds after which a child that ended is started again at once
LONGEST_WAIT = 30.0
STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
LOOK = 0.02  # seconds between two looks whether a child has ended


class Child:
    """A process that does `work`, and is replaced when it ends or is silent."""

    pid: int
    status: int | None  # of the process that has ended, as `os.waitstatus_to_exitcode` says it

    def __init__(self, name: str, work: Callable[[], object], lifeline: Lifeline) -> None:
        self.name = name
        self._work, self._lifeline = work, lifeline
        self._early_ends = 0
        self._again_at = 0.0

    def start(self) -> None:
        """Fork. Raises RuntimeError where that is not safe."""
        if threading.active_count() > 1:
            raise RuntimeError("A process with several threads must not fork.")
        connections.close_all()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        gc.freeze()  # a child's collector skips what is here now; a pass over it would copy every page
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # the watcher's handlers must not run in the child
        try:
            pid = os.fork()
            if pid == 0:
                self._live(mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.pid, self.status = pid, None
        self.started = time.monotonic()

    def _live(self, mask: set[int | signal.Signals]) -> NoReturn:
        """Work, and end this process. It never returns into the code that the watcher was running."""
        code = 1
        try:
            os.setsid()
            name_process(self.name)
            self._lifeline.hold()
            signal.set_wakeup_fd(-1)
            for number in STOPS:  # until the work handles them: it has begun nothing that could be lost
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            logger.exception("The process %s ends", self.name)
        finally:
            with contextlib.suppress(Exception):
                logging.shutdown()
                sys.stdout.flush()
                telemetry.flush()
            os._exit(code)  # a thread that hangs in a broken connection does not keep the process

    @property
    def ended(self) -> bool:
        """Whether the process has ended. What it has started is killed then.

        The number of the process, and of its group, is its own only until the system has been asked for its status.
        """
        if self.status is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status is not None

    @property
    def age(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def may_start_again(self) -> bool:
        """Return whether a child that ended may be started now. One that ends at once each time waits longer."""
        if self._again_at == 0.0:
            self._early_ends = 0 if self.age > SETTLED else self._early_ends + 1
            wait = min(LONGEST_WAIT, 2.0 ** (self._early_ends - 2)) if self._early_ends > 1 else 0.0
            self._again_at = time.monotonic() + wait
        if time.monotonic() < self._again_at:
            return False
        self._again_at = 0.0
        return True

    def ask_to_end(self) -> None:
        """Send SIGTERM. What the child itself has started ends with its work."""
        if not self.ended:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Wait for the end. Return whether it came."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK)
        return True

    def kill(self) -> None:
        """End the process, and what it has started. A second call changes nothing."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):  # in the moment before it leads its group
                os.killpg(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
            self.wait(float("inf"))


def name_process(name: str) -> None:
    """Show the name in `ps` and `top`, where the system allows it: all processes of a worker have one command line."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)

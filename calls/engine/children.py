"""Child processes of the watcher: each in a session of its own, and ended with the watcher (`lifeline`)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from calls.engine.lifeline import LIFELINE

SETTLED = 30.0  # seconds after which a child that ended is started again at once
LONGEST_WAIT = 30.0


class Child:
    """A command of `manage.py` that is started, and replaced when it ends or is silent."""

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = dict(environment or {})
        self._early_ends = 0
        self._again_at = 0.0

    def start(self) -> None:
        reading, self._lifeline = os.pipe()
        os.set_inheritable(reading, True)
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *self._command],
            env=os.environ | self._environment | {LIFELINE: str(reading)},
            pass_fds=[reading],
            start_new_session=True,
        )
        os.close(reading)
        self._killed = False
        self.started = time.monotonic()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

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
        """Send SIGTERM to the main process alone: those of a task cluster would drop their running tasks."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for the end. Return whether it came."""
        try:
            self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the whole process group, whatever it does. A second call changes nothing."""
        if self._killed:
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._lifeline)

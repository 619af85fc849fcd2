"""The demo's processes: started together, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from django.conf import settings

MANAGE = str(Path(settings.BASE_DIR) / "manage.py")


class Processes:
    """Children of the demo. Their output goes to files under `var/`."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[str]]] = []
        self._commands: dict[str, list[str]] = {}
        self._logs: list[IO[str]] = []

    def start(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        log = self._log(name)
        self._running.append((name, self._spawn(command, log)))

    def start_sandbox(self) -> str:
        """Start the sandbox on a free port; answers its address. Raises RuntimeError when it does not come up."""
        self.start("sandbox", [sys.executable, MANAGE, "sandbox", "--port", "0"])
        log = Path(settings.VAR_DIR) / "demo-sandbox.log"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in log.read_text().splitlines():
                if "listening on " in line:
                    return line.rpartition(" ")[2].strip()
            time.sleep(0.1)
        raise RuntimeError(f"The sandbox did not start; see {log}.")

    def mend(self) -> None:
        """Start again what has died."""
        for index, (name, process) in enumerate(self._running):
            if process.poll() is not None and name != "sandbox":
                self._running[index] = (name, self._spawn(self._commands[name], self._log(name, "a")))

    def stop(self) -> None:
        """The worker first and gently: calls being placed are finished."""
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(90)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        for log in self._logs:
            log.close()

    def _log(self, name: str, mode: str = "w") -> IO[str]:
        log = (Path(settings.VAR_DIR) / f"demo-{name}.log").open(mode)
        self._logs.append(log)
        return log

    @staticmethod
    def _spawn(command: list[str], log: IO[str]) -> subprocess.Popen[str]:
        # A session of its own: Ctrl-C reaches the demo alone, which ends the others in order.
        return subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)  # noqa: S603

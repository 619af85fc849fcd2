"""The demo's processes: started and stopped together."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from django.conf import settings

MANAGE = str(Path(settings.BASE_DIR) / "manage.py")
GUNICORN = str(Path(settings.BASE_DIR) / "gunicorn.conf.py")

STARTS_WITHIN = 120.0  # seconds; a busy machine takes long to start Python


class Processes:
    """Child processes of the demo. Their output goes to files under `var/`."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[str]]] = []
        self._commands: dict[str, list[str]] = {}
        self._logs: list[IO[str]] = []

    def start(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        log = self._log(name)
        self._running.append((name, self._spawn(command, log)))

    def start_sandbox(self) -> str:
        """Start the sandbox on a free port. Return its address. Raises RuntimeError when it does not start.

        The address comes through a pipe: a file under `var/` may be that of another demo in this directory.
        """
        log = self._log("sandbox")
        process = self._spawn([sys.executable, MANAGE, "sandbox", "--port", "0"], log, stdout=subprocess.PIPE)
        self._running.append(("sandbox", process))
        assert process.stdout is not None  # noqa: S101
        said = ""
        if select.select([process.stdout], [], [], STARTS_WITHIN)[0]:
            said = process.stdout.readline()
        if "listening on " not in said:
            raise RuntimeError(f"The sandbox did not start; see {log.name}.")
        return said.rpartition(" ")[2].strip()

    def restart_dead(self) -> None:
        """Start again the processes that have ended, except the sandbox."""
        for index, (name, process) in enumerate(self._running):
            if process.poll() is not None and name != "sandbox":
                self._running[index] = (name, self._spawn(self._commands[name], self._log(name, "a")))

    def stop(self) -> None:
        """Stop the worker first and let it finish the calls that it is placing."""
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(90)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for log in self._logs:
            log.close()

    def _log(self, name: str, mode: str = "w") -> IO[str]:
        log = (Path(settings.VAR_DIR) / f"demo-{name}.log").open(mode)
        self._logs.append(log)
        return log

    @staticmethod
    def _spawn(command: list[str], log: IO[str], stdout: int | None = None) -> subprocess.Popen[str]:
        # In a session of its own: Ctrl-C reaches only the demo, which stops its children in order.
        output = log if stdout is None else stdout
        return subprocess.Popen(command, stdout=output, stderr=log, text=True, start_new_session=True)  # noqa: S603

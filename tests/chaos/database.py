"""The database server of a run, which can crash."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection

T = TypeVar("T")


def stubbornly(work: Callable[[], T], seconds: float = 60) -> T:
    """Return the result of `work`, retried while the database is down, for at most `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Server:
    """A PostgreSQL server on this machine that a run may crash."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            self._data = Path(cursor.fetchone()[0])
        self._control = Path((self._data / "postmaster.opts").read_text().split()[0]).with_name("pg_ctl")
        owner = self._data.stat()
        self._as: dict[str, Any] = {}
        if os.geteuid() != owner.st_uid:
            self._as = {"user": pwd.getpwuid(owner.st_uid).pw_name, "group": owner.st_gid, "extra_groups": []}

    def crash(self, seconds: float) -> None:
        """Stop the server at once, without a checkpoint or notice to its clients; then restart it with recovery."""
        self._call("-m", "immediate", "stop")
        time.sleep(seconds)
        # `restart` starts a stopped server with the options it had.
        self._call("-l", str(self._data.parent / "log"), "restart")

    def _call(self, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._data.parent), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        command = [str(self._control), "-D", str(self._data), "-w", *arguments]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=self._data.parent, env=environment, **quiet, **self._as)

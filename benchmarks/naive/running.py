"""Run the naive project: its tables, its task cluster, its import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from benchmarks.shared import worker
from benchmarks.shared.database import ROOT, Server, environment

SETTINGS = "benchmarks.naive.settings"


class Project:
    """The naive project on a database of its own."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.url = server, server.create(name, empty=True)
        self._django("migrate", "--run-syncdb", "--verbosity", "0")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | environment(self.url, DJANGO_SETTINGS_MODULE=SETTINGS)

    def _django(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=ROOT, env=self.environment, check=True)  # noqa: S603

    def calls(self, address: str, total: int, seconds: float, *, kept: int = 0) -> float:
        """Queue a task for each call and return how many are done in a second by a cluster with default settings.

        `kept`: the seconds for which a process keeps its connection to the database, 0 by default.
        """
        self._queue(address, total)
        with psycopg.connect(self.url, autocommit=True) as connection:

            def done() -> int:
                found = connection.execute("SELECT count(*) FROM naive_naivecall WHERE done_at IS NOT NULL").fetchone()
                return int(found[0]) if found else 0

            cluster = ("-m", "django", "qcluster")
            with worker.running(
                self.url, command=cluster, DJANGO_SETTINGS_MODULE=SETTINGS, NAIVE_CONN_MAX_AGE=str(kept)
            ):
                rate = worker.follow(done, total, seconds, {}).rate
            connection.execute("TRUNCATE naive_naivecall, django_q_ormq, django_q_task")
        return rate

    def _queue(self, address: str, total: int) -> None:
        words = f"from benchmarks.naive.queueing import queue; queue({address!r}, {total})"
        subprocess.run([sys.executable, "-c", words], cwd=ROOT, env=self.environment, check=True)  # noqa: S603

    def import_file(self, file: Path) -> float:
        """Return the rows of a file that are imported in a second."""
        command = [sys.executable, "-m", "benchmarks.naive.importing", str(file)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
        return float(done.stdout.splitlines()[-1])


def wait_until_open(port: int, seconds: float = 30.0) -> None:
    """Wait until a server accepts connections."""
    import socket

    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

"""B16: memory of a web process and a worker that have nothing to do, on SQLite, against 250 MB."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from benchmarks.figures.b11 import web
from benchmarks.shared import clocks, database, worker
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main
from tests.chaos.processes import family

MARK = Mark("B16", "memory of an idle web process and worker on SQLite", "250 MB", 1, 0.5, "MB", less=True)
STARTS_WITHIN = 120.0


def measure(setting: Setting) -> Found:
    found = Found()
    with tempfile.TemporaryDirectory(prefix="trunkline-b16-") as directory:
        file = Path(directory) / "idle.sqlite3"
        url = f"sqlite:///{file}"
        database.migrate(url)

        def ours() -> float:
            with (
                web(os.environ | database.environment(url), "config.wsgi") as (port, first),
                worker.running(url) as pid,
            ):
                wait_until_beating(file)
                ends, most = time.monotonic() + setting.seconds, 0.0
                while time.monotonic() < ends:
                    for page in ("healthz", "readyz", "metrics"):
                        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}") as answer:
                            answer.read()
                    roots = {"web": first, "worker": pid}
                    parts = {name: sum(map(clocks.memory_of, family(root))) for name, root in roots.items()}
                    most = max(most, sum(parts.values()))
                    time.sleep(0.5)
                found.notes["MB at the end"] = parts
                found.notes["processes"] = len(family(first)) + len(family(pid))
                return most

        return alternate(setting.rounds, ours, lambda: 250.0, found)


def wait_until_beating(file: Path) -> None:
    """Wait until an engine process and the upkeep hold their slots."""
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        with sqlite3.connect(file) as connection:
            taken = connection.execute(
                "SELECT count(DISTINCT role) FROM calls_heartbeat WHERE run NOT IN ('', 'starting')"
            ).fetchone()
        connection.close()
        if taken == (2,):
            return
        time.sleep(worker.LOOK)
    raise RuntimeError("The worker does not beat.")


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

"""A worker whose disk is full, or whose database is read-only: it says so once, waits, and goes on. Nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit, setrlimit
from threading import Thread

import pytest
from django.conf import settings
from django.db import connection

from calls.models import Heartbeat
from tenants.db.outages import Outage
from tests.calls.test_supervisor import database_url
from tests.chaos.processes import family
from tests.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@contextmanager
def worker(before: Callable[[], None] | None = None) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run production's command. Yield the process and its lines, which go through a pipe and need no disk."""
    extra = {"DATABASE_URL": database_url(), "DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"}
    extra["ENGINE_PROCESSES"] = "1"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env=os.environ | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=before,
    )
    lines: list[str] = []
    reading = Thread(target=lambda: lines.extend(process.stdout or ()))
    reading.start()
    try:
        yield process, lines
    finally:
        process.terminate()
        process.wait(PATIENCE)
        reading.join(PATIENCE)
        process.stdout.close()  # type: ignore[union-attr]


def set_read_only(on: bool) -> None:
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        change = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER DATABASE {name} {change}")


def test_a_worker_that_cannot_write_waits_with_one_sentence_and_then_starts() -> None:
    sqlite = connection.vendor == "sqlite"
    if sqlite:
        Heartbeat.objects.all().count()  # the file is there
    else:
        set_read_only(True)
    try:
        before = (lambda: setrlimit(RLIMIT_FSIZE, (0, RLIM_INFINITY))) if sqlite else None
        with worker(before) as (process, lines):
            outage = Outage.FULL if sqlite else Outage.READ_ONLY
            eventually(lambda: any(line.startswith(f"{outage.log} (") for line in lines), "it says nothing")
            time.sleep(3)  # three more tries
            (said,) = [line for line in lines if line.startswith(f"{outage.log} (")]
            assert said.endswith("Waiting for it.\n") and lines[-1] == said
            if sqlite:
                prlimit(process.pid, RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
            else:
                set_read_only(False)
            eventually(lambda: any("started 1 engine" in line for line in lines), "it does not start")
            eventually(lambda: Heartbeat.objects.filter(role="engine").exclude(run="starting").exists())
    finally:
        if not sqlite:
            set_read_only(False)


@pytest.mark.proof
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the limit of a process is not that of its server")
def test_a_worker_whose_disk_fills_up_says_so_and_goes_on_later() -> None:
    beats = Heartbeat.objects.filter(role="engine").exclude(run="starting")
    with worker() as (process, lines):
        eventually(beats.exists, "it does not start")
        limit(process.pid, 0)
        full = len(lines)
        time.sleep(20)
        written = lines[full:]
        assert any(Outage.FULL.log in line for line in written)
        # A process of the task queue that ends prints its traceback itself, past the log.
        assert sum(line.startswith("{") for line in written) < 20 and sum(map(len, written)) < 30_000, "".join(written)
        limit(process.pid, RLIM_INFINITY)
        last = beats.latest("beaten_at").beaten_at
        eventually(lambda: beats.filter(beaten_at__gt=last).exists(), "no process beats again")
        eventually(lambda: any("Over after" in line for line in lines), "the end of the outage was not said")


def limit(pid: int, size: int) -> None:
    for each in family(pid):
        with suppress(ProcessLookupError):
            prlimit(each, RLIMIT_FSIZE, (size, RLIM_INFINITY))

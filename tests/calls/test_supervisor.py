"""The real worker: its processes are started, watched, killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from calls.models import Call, Heartbeat, Status
from tenants.models import Organization
from tests.calls import support
from tests.chaos.processes import children
from tests.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.slow]
NUMBER = "+12125550101"


def database_url() -> str:
    """Return the URL of the test's database, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgresql://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


@contextmanager
def worker(log: Path, impatient: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run production's command. Once the file `impatient` exists, silence is noticed after seconds."""
    environment = os.environ | {"DATABASE_URL": database_url(), "DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"}
    command = ["manage.py", "worker"] if impatient is None else ["-m", "tests.calls.worker_process", str(impatient)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def tree(pid: int) -> list[int]:
    return [pid, *(grandchild for child in children(pid) for grandchild in tree(child))]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def beating() -> bool:
    return Heartbeat.objects.exclude(run__in=["", "starting"]).exists()


def test_a_worker_places_what_is_queued_and_stops_cleanly(callers: Organization, sandbox: Any, tmp_path: Path) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log") as process:
        eventually(beating, "the worker does not beat")
        call = support.single(number, NUMBER)
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal)
        slow = support.single(number, "+12125550114")  # its placing is answered late
        eventually(lambda: Call.objects.get(pk=slow.pk).status != Status.QUEUED)
        family = tree(process.pid)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert alive(family) == []
    assert not Call.objects.filter(status=Status.PLACING).exists(), "the worker did not wait for a response"
    assert not Heartbeat.objects.exists()
    assert len(sandbox.journal()) == 2


def test_the_whole_cluster_ends_with_its_watcher_however_it_dies(callers: Organization, tmp_path: Path) -> None:
    with worker(tmp_path / "log") as process:
        eventually(beating)
        family = tree(process.pid)
        assert len(family) >= 7
        process.kill()
        process.wait()
        eventually(lambda: not alive(family), "processes were left behind")


def test_no_process_of_a_cluster_outlives_the_watcher_whichever_died_before(
    callers: Organization, tmp_path: Path
) -> None:
    with worker(tmp_path / "log") as process:
        eventually(beating)
        family = tree(process.pid)
        (main,) = children(process.pid)
        (guard,) = children(main)
        process.send_signal(signal.SIGSTOP)  # the process has not noticed yet
        for pid in (main, *children(guard)[:-2]):  # processes that opened the lifeline themselves
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: set(children(guard)).difference(family), "the guard does not replace what it lost")
        family += tree(guard)
        process.kill()
        process.wait()
        eventually(lambda: not alive(family), "processes were left behind")


@pytest.mark.parametrize("kind", ["main", "guard"])
def test_a_cluster_that_dies_is_replaced_and_the_work_goes_on(
    callers: Organization, sandbox: Any, tmp_path: Path, kind: str
) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log") as process:
        eventually(beating)
        (main,) = children(process.pid)
        victim = main if kind == "main" else children(main)[0]
        family = tree(main)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: children(process.pid) not in ([main], []), "the cluster was not replaced")
        call = support.single(number, NUMBER)
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal)
        assert alive(family) == []
    assert len(sandbox.journal()) == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="one database is enough")
def test_a_slice_that_is_killed_is_followed_by_another_and_its_claim_is_a_doubt(
    callers: Organization, sandbox: Any, tmp_path: Path
) -> None:
    """The killed processes keep their locks on the queue: no heartbeat until the watcher replaces the cluster."""
    number = support.reach(callers, sandbox.url, "allomia")
    sandbox.control(speed=0.1)
    impatient = tmp_path / "impatient"
    with worker(tmp_path / "log", impatient) as process:
        eventually(beating)
        slow = support.single(number, "+12125550114")
        eventually(lambda: len(sandbox.journal()) == 1 or sandbox.requests()["placing"] == 1)
        (main,) = children(process.pid)
        (guard,) = children(main)
        for pid in children(guard)[:-2]:  # one of them runs the slice; the queue's own two stay alive
            os.kill(pid, signal.SIGKILL)
        impatient.touch()
        eventually(lambda: children(process.pid) not in ([main], []), "the cluster was not replaced")
        impatient.unlink()
        sandbox.control(speed=20)
        call = support.single(number, NUMBER)
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal, "work did not resume")
        slow.refresh_from_db()
        assert slow.status in (Status.PLACING, Status.UNCONFIRMED), "it is unknown whether it rang"
    assert [dial["to_number"] for dial in sandbox.journal()].count("+12125550114") <= 1


def test_a_call_ordered_while_nothing_runs_waits_and_a_second_worker_shares_the_work(
    callers: Organization, sandbox: Any, tmp_path: Path
) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    for ending in range(40, 80):
        support.single(number, f"+121255501{ending}")
    time.sleep(0.2)
    assert sandbox.journal() == []
    with worker(tmp_path / "one"), worker(tmp_path / "two"):
        eventually(lambda: not Call.objects.exclude(status__in=Status.values[7:]).exists())
    rung = [dial["to_number"] for dial in sandbox.journal()]
    assert len(rung) == len(set(rung)) == 40

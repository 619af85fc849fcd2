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
from tests.chaos.processes import children, runs
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
    """Return whether the engine and the upkeep have each taken their slot."""
    taken = Heartbeat.objects.exclude(run__in=["", "starting"]).values_list("role", flat=True)
    return set(taken) == {"engine", "upkeep"}


def child(process: subprocess.Popen[bytes], command: str) -> int:
    """Return the child of the watcher that runs this command of manage.py, or 0."""
    return next((pid for pid in children(process.pid) if runs(pid, command)), 0)


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


def test_everything_ends_with_the_watcher_however_it_dies(callers: Organization, tmp_path: Path) -> None:
    with worker(tmp_path / "log") as process:
        eventually(beating)
        family = tree(process.pid)
        assert len(family) >= 7
        process.kill()
        process.wait()
        eventually(lambda: not alive(family), "processes were left behind")


def test_no_process_outlives_the_watcher_whichever_died_before(callers: Organization, tmp_path: Path) -> None:
    with worker(tmp_path / "log") as process:
        eventually(beating)
        family = tree(process.pid)
        main = child(process, "cluster")
        (guard,) = children(main)
        process.send_signal(signal.SIGSTOP)  # the process has not noticed yet
        for pid in (main, *children(guard)[:-2]):  # processes that opened the lifeline themselves
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: set(children(guard)).difference(family), "the guard does not replace what it lost")
        family += tree(guard)
        process.kill()
        process.wait()
        eventually(lambda: not alive(family), "processes were left behind")


def test_what_dies_is_replaced_and_the_work_goes_on(callers: Organization, sandbox: Any, tmp_path: Path) -> None:
    """One after the other in one worker: starting it takes longer than all the rest."""
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log") as process:
        eventually(beating)
        for kind, command in (("guard", "cluster"), ("main", "cluster"), ("engine", "engine")):
            main = child(process, command)
            victim = children(main)[0] if kind == "guard" else main
            family = tree(main)
            os.kill(victim, signal.SIGKILL)
            eventually(
                lambda command=command, main=main: child(process, command) not in (main, 0),  # type: ignore[misc]
                f"{kind} was not replaced",
            )
            call = support.single(number, NUMBER)
            eventually(lambda call=call: Call.objects.get(pk=call.pk).is_terminal, kind)  # type: ignore[misc]
            assert alive(family) == [], kind
    assert len(sandbox.journal()) == 3


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="one database is enough")
@pytest.mark.parametrize(
    "number_of_signal",
    [
        pytest.param(signal.SIGSTOP, id="frozen"),
        pytest.param(signal.SIGKILL, id="killed", marks=pytest.mark.proof),  # `make test` kills engines in its chaos
    ],
)
def test_an_engine_and_a_cluster_that_fall_silent_are_replaced_and_a_claim_is_a_doubt(
    callers: Organization, sandbox: Any, tmp_path: Path, number_of_signal: signal.Signals
) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    sandbox.control(speed=0.1)
    impatient = tmp_path / "impatient"
    with worker(tmp_path / "log", impatient) as process:
        eventually(beating)
        slow = support.single(number, "+12125550114")
        eventually(lambda: len(sandbox.journal()) == 1 or sandbox.requests()["placing"] == 1)
        engine = child(process, "engine")
        os.kill(engine, number_of_signal)
        impatient.touch()
        eventually(lambda: child(process, "engine") not in (engine, 0), "the engine was not replaced")
        impatient.unlink()
        assert alive([engine]) == []
        sandbox.control(speed=20)
        call = support.single(number, NUMBER)
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal, "work did not resume")
        slow.refresh_from_db()
        assert slow.status in (Status.PLACING, Status.UNCONFIRMED), "it is unknown whether it rang"
        eventually(beating, "the cluster does not beat")
        a_pool_dies(process, impatient)
    assert [dial["to_number"] for dial in sandbox.journal()].count("+12125550114") <= 1


def pool_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the cluster's workers, one of which runs the upkeep, without the queue's own two processes."""
    main = child(process, "cluster")
    guards = children(main) if main else []
    return children(guards[0])[:-2] if guards else []


def a_pool_dies(process: subprocess.Popen[bytes], impatient: Path) -> None:
    """The killed processes keep their locks on the queue: no heartbeat until the watcher replaces the cluster."""
    eventually(lambda: pool_of(process))
    main = child(process, "cluster")
    for pid in pool_of(process):
        os.kill(pid, signal.SIGKILL)
    impatient.touch()
    eventually(lambda: child(process, "cluster") not in (main, 0), "the cluster was not replaced")
    impatient.unlink()
    eventually(beating, "upkeep did not resume")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="one database is enough")
def test_signals_to_every_process_and_a_second_time_do_not_hang_the_stop(
    callers: Organization, sandbox: Any, tmp_path: Path
) -> None:
    """As a service manager does that signals the whole control group: each engine process stores its answers."""
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log") as process:
        eventually(beating)
        family = tree(process.pid)
        slow = support.single(number, "+12125550114")  # its placing is answered late
        eventually(lambda: Call.objects.get(pk=slow.pk).status == Status.PLACING)
        engine = child(process, "engine")
        for _ in range(2):
            os.kill(engine, signal.SIGTERM)
            process.terminate()
        assert process.wait(PATIENCE) == 0
    assert alive(family) == []
    assert not Call.objects.filter(status=Status.PLACING).exists(), "the engine did not wait for a response"
    assert len(sandbox.journal()) == 1


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

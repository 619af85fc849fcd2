"""The real worker: its processes are started, watched, killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ

from calls.engine import leftovers
from calls.engine.supervisor import Watcher
from calls.journal import standing
from calls.models import Call, Heartbeat, Status
from campaigns.models import Campaign
from tenants.models import Organization
from tests.calls import support
from tests.chaos.processes import MARK, children, family, is_kind, marked
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
def worker(
    log: Path, impatient: Path | None = None, clock: Path | None = None, folder: Path = settings.BASE_DIR
) -> Iterator[subprocess.Popen[bytes]]:
    """Run production's command. Once the file `impatient` exists, silence is noticed after seconds.

    `clock`: a file with the seconds by which the worker's clock is ahead. `folder`: where the code is.
    """
    command = ["manage.py", "worker", "--skip-checks"]
    if impatient is not None:
        command = ["-m", "tests.calls.worker_process", str(impatient), *([str(clock)] if clock else [])]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment(**{MARK: str(log)}),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
        for pid in marked(str(log)):  # only a fault leaves one
            os.kill(pid, signal.SIGKILL)


def environment(**more: str) -> dict[str, str]:
    found = {"DATABASE_URL": database_url(), "DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true", "ENGINE_PROCESSES": "1"}
    return os.environ | found | more


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


def child(process: subprocess.Popen[bytes], kind: str) -> int:
    """Return the watcher's child of this kind, or 0."""
    return next((pid for pid in children(process.pid) if is_kind(pid, kind)), 0)


def test_a_worker_starts_only_if_the_system_checks_pass(callers: Organization) -> None:
    found = subprocess.run(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env=environment(
            DEBUG="false",
            TRUNKLINE_FAILPOINT="placed:kill",
            SECRET_KEY="4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo",
            FIELD_KEYS=",".join(settings.FIELD_KEYS),
            ALLOWED_HOSTS="127.0.0.1",
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert found.returncode == 1
    assert "calls.E004" in found.stderr
    assert not Heartbeat.objects.exists()


def test_no_process_outlives_the_watcher_whatever_the_others_do(callers: Organization, tmp_path: Path) -> None:
    with worker(tmp_path / "log") as process:
        eventually(beating)
        assert len(family(process.pid)) == 3
        replaced = child(process, "engine")
        os.kill(replaced, signal.SIGKILL)
        eventually(lambda: child(process, "engine") not in (replaced, 0), "it was not replaced")
        tasks, frozen = (
            child(process, "tasks"),
            child(process, "engine"),
        )  # the later fork
        os.kill(frozen, signal.SIGSTOP)
        process.kill()
        process.wait()
        eventually(lambda: not alive([tasks]), "it waits for one that does nothing")
        os.kill(frozen, signal.SIGCONT)
        eventually(lambda: not alive([frozen]), "it was left behind")


def test_what_dies_is_replaced_and_the_work_goes_on(callers: Organization, sandbox: Any, tmp_path: Path) -> None:
    """One after the other in one worker: starting it takes longer than all the rest."""
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log") as process:
        eventually(beating)
        for kind in ("engine", "tasks"):
            victim = child(process, kind)
            os.kill(victim, signal.SIGKILL)
            eventually(
                lambda kind=kind, victim=victim: child(process, kind) not in (victim, 0),  # type: ignore[misc]
                f"{kind} was not replaced",
            )
            call = support.single(number, NUMBER)
            eventually(lambda call=call: Call.objects.get(pk=call.pk).is_terminal, kind)  # type: ignore[misc]
            eventually(beating)
            assert alive([victim]) == [], kind
    assert len(sandbox.journal()) == 2


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="one database is enough")
@pytest.mark.parametrize(
    "number_of_signal",
    [
        pytest.param(signal.SIGSTOP, id="frozen", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, id="killed", marks=pytest.mark.proof),  # `make test` kills engines in its chaos
    ],
)
def test_an_engine_and_a_task_process_that_fall_silent_are_replaced_and_a_claim_is_a_doubt(
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
        eventually(beating, "the task process does not beat")
        a_task_process_freezes(process, impatient)
    assert [dial["to_number"] for dial in sandbox.journal()].count("+12125550114") <= 1


def a_task_process_freezes(process: subprocess.Popen[bytes], impatient: Path) -> None:
    frozen = child(process, "tasks")
    os.kill(frozen, signal.SIGSTOP)
    impatient.touch()
    eventually(lambda: child(process, "tasks") not in (frozen, 0), "it was not replaced")
    impatient.unlink()
    assert alive([frozen]) == []
    eventually(beating, "upkeep did not resume")


@pytest.mark.long
def test_a_worker_that_was_cut_off_for_an_hour_comes_back_by_itself(
    callers: Organization, sandbox: Any, tmp_path: Path
) -> None:
    """Another worker has deleted its heartbeats and its queue meanwhile, as those of a worker that was killed."""
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log", tmp_path / "impatient") as process:
        eventually(beating)
        leftovers.purge(timezone.now() + 2 * leftovers.HEARTBEATS_KEPT)
        eventually(beating, "the worker does not beat again")
        leftovers.purge(timezone.now())
        call = support.single(number, NUMBER)
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal, "no calls are placed")
        assert beating(), "the rows of a living worker were deleted"
        assert process.poll() is None
    assert len(sandbox.journal()) == 1


@pytest.mark.long
def test_a_task_queue_that_is_emptied_loses_no_work(callers: Organization, sandbox: Any, tmp_path: Path) -> None:
    """It holds only the next upkeep task. What is to be done stands in our own tables."""
    number = support.reach(callers, sandbox.url, "allomia")
    with worker(tmp_path / "log", tmp_path / "impatient"):
        eventually(beating)
        upkeep = Heartbeat.objects.filter(role=Heartbeat.Role.UPKEEP)
        upkeep.update(run="another")  # the running task ends without a successor
        eventually(lambda: not OrmQ.objects.exists(), "the task does not end")
        numbers = [f"+121255501{ending}" for ending in range(40, 50)]
        campaign = support.campaign(number, support.people(callers, numbers), status=Campaign.Status.RUNNING)
        OrmQ.objects.all().delete()
        eventually(lambda: campaign.recipients.filter(status="done").count() == len(numbers), "contacts are left")
    assert sorted(dial["to_number"] for dial in sandbox.journal()) == numbers


def test_a_refusal_is_told_though_nothing_can_be_tidied_up(
    callers: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status says that the database was restored, and the service manager does not start the worker again."""
    watcher = Watcher(name="w", say=str)
    watcher.prepare()

    def look() -> None:
        raise standing.Refused("It was restored.")

    def refuse(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    reading, _ = os.pipe()
    monkeypatch.setattr(watcher, "_handle_signals", lambda: reading)
    monkeypatch.setattr(watcher, "_starts", list)
    monkeypatch.setattr(watcher, "_look", look)
    with connection.execute_wrapper(refuse), pytest.raises(standing.Refused):
        watcher.run()
    assert Heartbeat.objects.filter(worker="w").exists(), "nothing was refused"


def signal_watcher(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


def signal_group(process: subprocess.Popen[bytes]) -> None:
    """As a terminal does with Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def signal_all(number: signal.Signals, *, watcher_last: bool = False) -> Callable[[subprocess.Popen[bytes]], None]:
    """As a service manager does that signals the whole control group; twice, because some do."""

    def signal_each(process: subprocess.Popen[bytes]) -> None:
        tree = family(process.pid)
        for pid in (tree[::-1] if watcher_last else tree) * 2:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    return signal_each


def signal_singly(process: subprocess.Popen[bytes]) -> None:
    """Each kind alone, and the next when it was replaced; then the watcher."""
    for kind in ("engine", "tasks"):
        old = child(process, kind)
        os.kill(old, signal.SIGTERM)
        eventually(lambda old=old, kind=kind: child(process, kind) not in (old, 0), f"{kind} was not replaced")  # type: ignore[misc]
        assert alive([old]) == []
    process.terminate()


# Each needs a worker of its own. "each kind" ends with SIGTERM to the watcher.
STOPS: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    "SIGTERM to the watcher": signal_watcher,
    "SIGINT to its group": signal_group,
    "SIGTERM to all": signal_all(signal.SIGTERM),
    "SIGTERM to all, the watcher last": signal_all(signal.SIGTERM, watcher_last=True),
    "SIGINT to all": signal_all(signal.SIGINT),
    "SIGTERM to each kind": signal_singly,
}


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param(["SIGTERM to each kind"], id="one"),
        pytest.param(["SIGINT to its group", "SIGTERM to all, the watcher last"], id="some", marks=pytest.mark.long),
        pytest.param(list(STOPS), id="all", marks=pytest.mark.proof),
    ],
)
def test_a_stop_ends_every_process_and_doubts_no_call_whoever_is_signalled(
    callers: Organization, sandbox: Any, tmp_path: Path, ways: list[str]
) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    for turn, way in enumerate(ways):
        with worker(tmp_path / f"log-{turn}") as process:
            eventually(beating, f"{way}: the worker does not beat")
            call = support.single(number, f"+12125{turn:02}0101")
            eventually(lambda call=call: Call.objects.get(pk=call.pk).is_terminal)  # type: ignore[misc]
            slow = support.single(number, f"+12125{turn:02}0114")  # its placing is answered late
            eventually(lambda slow=slow: Call.objects.get(pk=slow.pk).status != Status.QUEUED)  # type: ignore[misc]
            tree = family(process.pid)
            STOPS[way](process)
            assert process.wait(PATIENCE) == 0, way
        assert alive(tree) == [], way
        assert not Call.objects.filter(status__in=[Status.PLACING, Status.UNCONFIRMED]).exists(), f"{way}: a doubt"
        assert not Heartbeat.objects.exists(), way
        assert not OrmQ.objects.exists(), way
    assert len(sandbox.journal()) == 2 * len(ways)


@pytest.mark.long
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

"""The processes of a run: start them, restart them as a service manager would, and kill them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.chaos.plan import KINDS, Kind
from tests.postgresql import copy_of_the_template, free_port, throwaway_server

ROOT = Path(__file__).resolve().parent.parent.parent
Process = subprocess.Popen[bytes]
MARK = "TRUNKLINE_CHAOS"  # environment variable that marks every process of a worker, whatever its parent


def spawn(stack: ExitStack, log: Path, *arguments: str, mark: str = "") -> Process:
    """Start Python with these arguments in a session of its own."""
    out = stack.enter_context(log.open("ab"))
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {MARK: mark},
        stdout=out,
        stderr=out,
        start_new_session=True,
    )


class Workers:
    """Several `manage.py worker`, each with its tree of processes."""

    def __init__(self, stack: ExitStack, directory: Path, count: int, chance: random.Random) -> None:
        self._stack, self._directory, self._count, self._chance = stack, directory, count, chance
        self._running: list[Process] = []
        self._mark = f"{directory.name}-worker"

    def start(self) -> None:
        self._running = [self._spawn(slot) for slot in range(self._count)]

    @property
    def pids(self) -> list[int]:
        """Process ids of the watchers."""
        return [process.pid for process in self._running]

    def _spawn(self, slot: int) -> Process:
        log = self._directory / f"worker-{slot}.log"
        return spawn(self._stack, log, "manage.py", "worker", mark=self._mark)

    def supervise(self) -> None:
        """Restart workers that have ended."""
        for slot, process in enumerate(self._running):
            if process.poll() is not None:
                self._running[slot] = self._spawn(slot)

    def kill(self, kinds: Sequence[Kind]) -> Kind | None:
        """Send SIGKILL to one process of the first of these kinds found in any tree. Return its kind, or None."""
        trees = [self._tree(process) for process in self._chance.sample(self._running, len(self._running))]
        for wanted in kinds:
            for tree in trees:
                if found := tree.get(wanted):
                    with suppress(ProcessLookupError):
                        os.kill(self._chance.choice(found), signal.SIGKILL)
                        return wanted
        return None

    def _tree(self, process: Process) -> dict[Kind, list[int]]:
        """Return process ids by kind."""
        if process.poll() is not None:
            return {}
        found: defaultdict[Kind, list[int]] = defaultdict(list)
        found["watcher"].append(process.pid)
        for pid in children(process.pid):
            for kind in KINDS:
                if is_kind(pid, kind):
                    found[kind].append(pid)
        return found

    def left_behind(self) -> list[int]:
        """Return processes that run without a watcher. Check twice, because trees start and end meanwhile."""
        found = self._unwatched()
        time.sleep(1)
        return sorted(found & self._unwatched())

    def _unwatched(self) -> set[int]:
        living = set(marked(self._mark))
        return living - {pid for process in self._running for pid in family(process.pid)}

    def end(self) -> None:
        """Send SIGKILL to every process of every worker, past and present. Return when none is left."""
        deadline = time.monotonic() + 30
        while alive := marked(self._mark):
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self._running:
                process.wait()
            if time.monotonic() > deadline:
                raise RuntimeError(f"These processes do not end: {alive}")
            time.sleep(0.05)
        self._running = []


def children(pid: int) -> list[int]:
    """Return living children of a process in the order of their start."""
    found: list[tuple[int, int]] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append((int(fields[19]), int(entry.name)))
    return [child for _, child in sorted(found)]


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    return [pid, *(below for child in children(pid) for below in family(child))]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def described(pid: int) -> str:
    """Return a description of a process for the report."""
    fields = _stat(pid)
    return f"process {pid}, parent {fields[1]}, group {fields[2]}, {fields[17]} threads" if fields else f"process {pid}"


def marked(mark: str) -> list[int]:
    """Return living processes that were started with this mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended, or is not ours
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def is_kind(pid: int, kind: str) -> bool:
    """Return whether a child of a watcher is of this kind, by the name that it has given itself."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip().partition("-")[0] == kind
    return False


def environment(stack: ExitStack, database: str, directory: Path, *, alone: bool = True) -> dict[str, str]:
    """Return the environment of a run's processes, with a database that ends with `stack`. Raises Unavailable.

    Unless it must be `alone` on its server, which a crash needs, a run of the suite lends its own.
    """
    url = f"sqlite:///{directory}/calls.sqlite3"
    if database == "postgresql":
        lent = not alone and "TEST_TEMPLATE" in os.environ
        url = stack.enter_context(copy_of_the_template("chaos") if lent else throwaway_server())
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "true",
        "ALLOW_LOOPBACK_URLS": "true",
        "ENGINE_PROCESSES": "1",
        "DATABASE_URL": url,
        "DIAL_JOURNAL": str(directory / "journal"),
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }

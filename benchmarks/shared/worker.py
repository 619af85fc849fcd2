"""The worker as an operator runs it: `manage.py worker` in a process of its own, measured while it works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shared.clocks import Stopwatch, Use
from benchmarks.shared.database import ROOT, environment
from tests.chaos.processes import family

LOOK = 0.1  # seconds between two counts
STOPS_WITHIN = 30.0
STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class Progress:
    """How much was done in a stretch of time in the middle of a run, and what it cost."""

    done: int
    use: Use

    @property
    def rate(self) -> float:
        return self.done / self.use.seconds


@contextmanager
def running(
    url: str, *, processes: int = 1, command: tuple[str, ...] = ("manage.py", "worker"), **more: str
) -> Iterator[int]:
    """Start a worker on the database. Yield its process id. It stops, or is killed, with the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | environment(url, ENGINE_PROCESSES=str(processes), **more),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process.pid
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"The worker ended early:\n{log.read().decode()[-2000:]}")
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process as an operator does. Kill what is left of its tree."""
    tree = family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOPS_WITHIN)
    for pid in {*tree, *family(process.pid)}:
        if _belongs(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def _belongs(pid: int) -> bool:
    """Return whether this process id is still one of a process of this directory, not of a later one."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cwd").resolve() == ROOT and b"manage.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def follow(count: Callable[[], int], total: int, seconds: float, parties: Mapping[str, int]) -> Progress:
    """Watch a count grow to `total`, for at most `seconds` after it began to grow. Return the stretch in its middle.

    The first tenth does not count, because processes start and connections open in it, nor does the last.
    """
    started = time.perf_counter()
    while (found := count()) == 0:
        if time.perf_counter() - started > STARTS_WITHIN:
            raise RuntimeError("The worker did nothing.")
        time.sleep(LOOK)
    began = time.perf_counter()
    while found < total * 0.1 and time.perf_counter() - began < seconds * 0.2:
        time.sleep(LOOK)
        found = count()
    watch, first = Stopwatch(parties), found
    while found < total * 0.9 and time.perf_counter() - began < seconds:
        time.sleep(LOOK)
        found = count()
    if found == first:  # too quick to be seen growing
        found, first = total, 0
    return Progress(found - first, watch.stop())

"""Processor time and memory of trees of processes, read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.processes import family

TICKS = os.sysconf("SC_CLK_TCK")
FULL = 0.85  # share of one core from which a process counts as the limit


def cpu_of(pids: list[int], *, also_ended: bool = True) -> float:
    """Return the processor seconds of these processes, and of their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15] if also_ended else fields[11:13]))
    return total / TICKS


def memory_of(pid: int) -> float:
    """Return the memory of a process in MB, of which pages shared with other processes count in part."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0]) / 1024
    return 0.0


def machine_busy() -> float:
    """Return the processor seconds that all processes of this machine have used."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / TICKS


@dataclass(frozen=True)
class Use:
    """What a stretch of time cost: seconds of the clock, and processor seconds of each party."""

    seconds: float
    cpu: Mapping[str, float]

    def per_thousand(self, done: float) -> dict[str, float]:
        """Return the processor seconds of each party for 1,000 pieces of work."""
        return {name: round(spent * 1000 / max(done, 1), 2) for name, spent in self.cpu.items()}

    @property
    def limit(self) -> str:
        """Name what was full: a party that used nearly a core, the machine, or nothing, which means waiting."""
        shares = {name: spent / self.seconds for name, spent in self.cpu.items()}
        said = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        full = [name for name, share in shares.items() if share >= FULL and name != "others"]
        if full:
            return f"{' and '.join(full)} full ({said} cores)"
        if sum(shares.values()) >= FULL * (os.cpu_count() or 1):
            return f"all cores full ({said} cores)"
        return f"waiting ({said} cores)"


class Stopwatch:
    """Measure parties (name: process id of the root of a tree) and all other processes from its making on."""

    def __init__(self, parties: Mapping[str, int]) -> None:
        self._parties = dict(parties)
        self._began = time.perf_counter()
        self._before = self._read()

    def _read(self) -> dict[str, float]:
        found = {name: cpu_of(family(pid)) for name, pid in self._parties.items()}
        return found | {"others": machine_busy() - sum(found.values())}

    def stop(self) -> Use:
        after = self._read()
        seconds = max(time.perf_counter() - self._began, 1e-6)
        return Use(seconds, {name: max(0.0, round(after[name] - self._before[name], 3)) for name in after})

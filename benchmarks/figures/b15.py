"""B15: memory of a worker with 10,000 open calls that it follows, against 300 MB."""

from __future__ import annotations

import sys
import time

from benchmarks.shared import clocks, counts, provider, runs, worker
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main
from benchmarks.shared.rows import analyse
from tests.chaos.processes import family

MARK = Mark("B15", "memory of a worker with 10,000 open calls", "300 MB", 1, 0.5, "MB", less=True)
OPEN = 10_000


def measure(setting: Setting) -> Found:
    found = Found()
    total = min(OPEN, setting.size(100_000))
    with runs.stage(setting, provider.CALLING) as stage:

        def ours() -> float:
            before = stage.world.open_calls(total, provider.CALLING, age="1 second")
            analyse()
            with worker.running(stage.url) as pid:
                while counts.read(before)() < min(100, total):
                    time.sleep(worker.LOOK)
                most, ends = 0.0, time.monotonic() + setting.seconds
                while time.monotonic() < ends:
                    most = max(most, sum(map(clocks.memory_of, family(pid))))
                    time.sleep(0.5)
                found.notes["processes"] = len(family(pid))
            stage.world.clear()
            return most

        return alternate(setting.rounds, ours, lambda: 300.0, found)


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

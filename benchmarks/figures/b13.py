"""B13: placing while 5,000 calls are read every three seconds, against placing alone."""

from __future__ import annotations

import sys

from benchmarks.shared import provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B13", "placing while 5,000 calls are read", "placing alone", 0.5, 0.8, "calls/s")
READ = 5_000


def measure(setting: Setting) -> Found:
    found = Found()
    read = min(READ, setting.size(50_000))
    with runs.stage(setting, provider.CALLING) as stage:
        return alternate(
            setting.rounds, lambda: stage.placing(found, also_read=read), lambda: stage.placing(Found()), found
        )


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

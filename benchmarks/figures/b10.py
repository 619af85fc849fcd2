"""B10: recipients called, read and recorded by two engine processes, against one."""

from __future__ import annotations

import sys

from benchmarks.shared import provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B10", "two engine processes on two cores", "one engine process", 1.5, 1.9, "calls/s")


def measure(setting: Setting) -> Found:
    found = Found()
    with runs.stage(setting, provider.ENDS) as stage:
        return alternate(
            setting.rounds, lambda: stage.campaign(found, processes=2), lambda: stage.campaign(Found()), found
        )


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

"""B17: what the dial journal costs: recipients called with it, against the same without; and calls placed alone."""

from __future__ import annotations

import sys

from benchmarks.shared import provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B17", "place, read and record with the dial journal", "the same without it", 0.95, 1.0, "calls/s")
NOTHING_READ = {"reads_per_second": "0.001"}  # one read at most


def measure(setting: Setting) -> Found:
    found, other = Found(), Found()
    with runs.stage(setting, provider.ENDS) as stage:
        alternate(
            setting.rounds, lambda: stage.campaign(found), lambda: stage.campaign(other, DIAL_JOURNAL="off"), found
        )
    with runs.stage(setting, provider.CALLING, **NOTHING_READ) as stage:
        placing = alternate(
            setting.rounds, lambda: stage.placing(Found()), lambda: stage.placing(Found(), DIAL_JOURNAL="off")
        )
    found.notes["placing alone with the journal, calls/s"] = max(placing.ours)
    found.notes["placing alone without it, calls/s"] = max(placing.bare)
    return found


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

"""B3: queued calls placed by one worker: gate, intent, one POST, the answer recorded. Nothing is read."""

from __future__ import annotations

import sys

from benchmarks.shared import bare, provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B3", "placing alone, one process", "an httpx POST loop without keep-alive", 0.3, 0.6, "calls/s")
NOTHING_READ = {"reads_per_second": "0.001"}  # one read at most


def measure(setting: Setting) -> Found:
    found = Found()
    with runs.stage(setting, provider.CALLING, **NOTHING_READ) as stage:
        return alternate(
            setting.rounds,
            lambda: stage.placing(found),
            lambda: bare.rate("httpx_post", stage.server.url, setting.size(10_000)),
            found,
        )


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

"""B1: status reads with claim, parse, fold and write-back by one worker, with 10,000 open calls.

Three of four calls are still in conversation; the fourth has ended.
"""

from __future__ import annotations

import sys

from benchmarks.shared import bare, counts, provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B1", "reads with write-back, one process", "a bare aiohttp GET loop", 0.35, 0.7, "reads/s")
OPEN = 10_000
MIXED = f"CASE WHEN g %% 4 = 0 THEN '{provider.ENDS}-' ELSE '{provider.CALLING}-' END || md5(g::text || random())"


def measure(setting: Setting) -> Found:
    found = Found()
    total = min(OPEN, setting.size(100_000))
    with runs.stage(setting, provider.CALLING) as stage:

        def ours() -> float:
            before = stage.world.open_calls(total, provider.CALLING, provider_call_id=MIXED)
            return stage.follow(found, counts.read(before), total, "reads")

        bare_size = setting.size(100_000)
        return alternate(setting.rounds, ours, lambda: bare.rate("get", stage.server.url, bare_size), found)


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

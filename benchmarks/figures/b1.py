"""B1: status reads with claim, parse, fold and write-back by one worker, with 10,000 open calls.

Three of four calls are still in conversation; the fourth has ended.
"""

from __future__ import annotations

import sys

from benchmarks.shared import bare, counts, provider, worker
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B1", "reads with write-back, one process", "a bare aiohttp GET loop", 0.35, 0.7, "reads/s")
OPEN = 10_000
MIXED = f"CASE WHEN g %% 4 = 0 THEN '{provider.ENDS}-' ELSE '{provider.CALLING}-' END || md5(g::text || random())"


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World, analyse

    url = setting.database()
    found = Found()
    total = min(OPEN, setting.size(100_000))
    with provider.running() as server:
        world = World(server.address(provider.CALLING))

        def ours() -> float:
            before = world.open_calls(total, provider.CALLING, provider_call_id=MIXED)
            analyse()
            with worker.running(url) as pid:
                parties = {"worker": pid, "database": setting.server.pid, "provider": server.pid}
                progress = worker.follow(counts.read(before), total, setting.seconds, parties)
            found.limit = progress.use.limit
            found.notes["CPU seconds per 1,000 reads"] = progress.use.per_thousand(progress.done)
            world.clear()
            return progress.rate

        return alternate(setting.rounds, ours, lambda: bare.rate("get", server.url, setting.size(100_000)), found)


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

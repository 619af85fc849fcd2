"""Measure what a call costs with 10,000, 100,000 and 1,000,000 finished calls and as many pending recipients.

python -m benchmarks.growth [--scale 1] [--seconds 20] [--rounds 1]

A worker of its own places, reads and records calls of four campaigns for some seconds in each database. The cost is the
processor time of the worker and of PostgreSQL for 1,000 calls.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.shared import counts, database, provider, worker
from benchmarks.shared.figure import Setting, said, say, short

SIZES = (10_000, 100_000, 1_000_000)
LONG_AGO = "now() - interval '20 days'"
ENDED = {
    "status": "'completed'", "due_at": "NULL", "created_at": LONG_AGO, "dialed_at": LONG_AGO, "placed_at": LONG_AGO,
    "answered_at": LONG_AGO, "ended_at": LONG_AGO, "terminal_at": LONG_AGO, "duration_seconds": "g %% 180",
    "cost_price": "g %% 180 / 600.0", "provider_call_id": "'old-' || g",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with database.server() as server, provider.running() as answers:
        setting = Setting(given.scale, given.rounds, given.seconds, server, "growth")
        say(f"{'rows of each kind':>18} {'calls/s':>8}  CPU seconds per 1,000 calls")
        for size in SIZES:
            count = setting.size(size)
            url = setting.database(f"_{size}")
            filled(answers, count)
            for _ in range(given.rounds):
                say(line(setting, url, answers, count))
            server.drop_all(f"bench_growth_{size}")
    return 0


def filled(answers: provider.Provider, count: int) -> None:
    """Fill the database with finished calls, whose recipients are done, and with due recipients."""
    from benchmarks.shared.rows import World, analyse
    from campaigns.models import Recipient

    world = World(answers.address(provider.ENDS))
    world.calls(count, **ENDED)
    Recipient.objects.update(status="done", outcome="completed", attempts=1)
    world.recipients(count)
    analyse()


def line(setting: Setting, url: str, answers: provider.Provider, count: int) -> str:
    last: Any = counts.rows("SELECT coalesce(max(id), 0) FROM calls_call")()
    with worker.running(url) as pid:
        parties = {"worker": pid, "database": setting.server.pid}
        progress = worker.follow(counts.ended(last), count, setting.seconds, parties)
    return f"{count:18,} {short(progress.rate):>8}  {said(progress.use.per_thousand(progress.done))}"


if __name__ == "__main__":
    sys.exit(main())

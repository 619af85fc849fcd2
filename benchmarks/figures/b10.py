"""B10: recipients called, read and recorded by two engine processes, against one."""

from __future__ import annotations

import sys

from benchmarks.shared import provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B10", "two engine processes on two cores", "one engine process", 1.5, 1.9, "calls/s")


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    url = setting.database()
    found = Found()
    with provider.running() as server:
        world = World(server.address(provider.ENDS))
        return alternate(
            setting.rounds,
            lambda: runs.campaign(setting, url, world, server, found, slices=2),
            lambda: runs.campaign(setting, url, world, server, Found()),
            found,
        )


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

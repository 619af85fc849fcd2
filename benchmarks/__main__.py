"""Measure the figures, each beside its baseline in the same run, and print them as one table (docs/performance.md).

python -m benchmarks [--scale 0.1] [--rounds 3] [--seconds 15] [--count 100] [--only B4,B6] [--json FILE]

All figures share one PostgreSQL server of this run. Each runs in a process of its own, with a database of its own, and
drops it afterwards. Everything is on 127.0.0.1 and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.shared import database
from benchmarks.shared.figure import Found, Mark, load, said, say, table

NAMES = tuple(f"B{number}" for number in range(1, 21))
AT_MOST = 3_600  # seconds for one figure
ENDS_WITHIN = 120  # seconds, after it was asked to


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--scale", type=float, default=0.1, help="1 is the scale of the marks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="at most, for one run of a worker")
    parser.add_argument("--count", type=int, default=0, help="orders of B14, instead of as many as the scale says")
    parser.add_argument("--only", default="", help="names of figures, with commas between them")
    parser.add_argument("--json", type=Path, help="where the figures are written as well")
    given = parser.parse_args()
    names = [name.strip().upper() for name in given.only.split(",") if name.strip()] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error(f"There is no figure {', '.join(sorted(unknown))}. There are {', '.join(NAMES)}.")
    options = ["--scale", str(given.scale), "--rounds", str(given.rounds), "--seconds", str(given.seconds)]
    options += ["--count", str(given.count)]
    done: list[tuple[Mark, Found]] = []
    with database.server() as server:
        for name in names:
            if found := one(name, options, server):
                done.append((load(name).MARK, found))
            if given.json:
                rows = {mark.name: vars(mark) | vars(figure) | {"ratio": figure.ratio} for mark, figure in done}
                given.json.write_text(json.dumps(rows, indent=1))
    for line in table(done):
        say(line)
    return int(len(done) < len(names))


def one(name: str, options: list[str], server: database.Server) -> Found | None:
    """Measure one figure in a process of its own. Return None if it failed."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-W", "ignore", "-m", load(name).__name__, *options, "--json", file.name]
        process = subprocess.Popen(command, cwd=database.ROOT, env=os.environ)  # noqa: S603
        try:
            status = process.wait(AT_MOST)
            found = Found(**json.loads(Path(file.name).read_text()))
        except (subprocess.TimeoutExpired, ValueError) as error:
            say(f"{name} failed: {error}" if process.returncode is None else f"{name} failed with status {status}")
            return None
        finally:
            process.terminate()  # it ends what it started
            process.wait(ENDS_WITHIN)
            server.drop_all(f"bench_{name.lower()}")
    say(f"{name}: ratio {said(found.ratio)} after {time.monotonic() - began:.0f} s")
    return found


if __name__ == "__main__":
    sys.exit(main())

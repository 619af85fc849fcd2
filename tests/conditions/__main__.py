"""Run a command under another condition: no test's result may depend on the machine's speed or on the date.

    python -m tests.conditions busy make test
    python -m tests.conditions new-year-paris .venv/bin/python -m pytest -q tests/calls

`busy` runs the command at nice 19 beside four busy loops. `quick` runs the tests that start no process and no engine
with a clock that hardly moves, as on an infinitely fast machine. `slow-pages` delays every answer to a browser by 0.3
to 1 second. The other conditions start the clock of every Python process at another moment, and that of the suite's
databases (`database_clock`). Chromium keeps the real clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK, PARIS = "America/New_York", "Europe/Paris"
MOMENTS = {
    "new-year-new-york": ("2026-12-31T23:30", NEW_YORK),
    "new-year-paris": ("2026-12-31T23:30", PARIS),
    "spring-new-york": ("2027-03-14T02:30", NEW_YORK),  # this time does not exist: the clock reads 03:30
    "spring-paris": ("2027-03-28T02:30", PARIS),
    "autumn-new-york": ("2027-11-07T02:30", NEW_YORK),
    "autumn-paris": ("2027-10-31T02:30", PARIS),  # the first 02:30 of this night
}
LOOPS = 4
PLUGINS = {"quick": "tests.conditions.quick", "slow-pages": "tests.conditions.slow_pages"}  # of pytest
SITE = Path(__file__).parent / "site"


def main(condition: str, command: list[str]) -> int:
    environment = dict(os.environ)
    with ExitStack() as stack:
        if condition == "busy":
            for _ in range(LOOPS):
                loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(loop.kill)
            command = ["nice", "-n", "19", *command]
        elif condition in PLUGINS:
            environment["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} -p {PLUGINS[condition]}"
        else:
            moment, zone = MOMENTS[condition]
            there = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
            early = "-W ignore::pytest.PytestAssertRewriteWarning"  # time-machine is imported before pytest rewrites it
            environment["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} {early}"
            environment["TZ"] = zone
            environment["TEST_CLOCK_OFFSET"] = str(there.timestamp() - time.time())
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SITE), environment.get("PYTHONPATH")]))
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in {"busy", *PLUGINS, *MOMENTS}:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))

"""python -m tests.simulation [--contacts N] [--seed S] [--database sqlite|postgresql] [--season spring|autumn]
                       [--only PART]

Exits with 1 when a promise was broken, with 2 when it could not run. When interrupted, it judges the part simulated so
far.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.postgresql import Unavailable, throwaway_server
from tests.simulation import months, plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", allow_abbrev=False)
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--season", choices=sorted(months.SEASONS), default="spring")
    parser.add_argument("--only", choices=months.PARTS, help="simulate one part of the organizations")
    options = parser.parse_args()
    with ExitStack() as stack:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true", "DIAL_JOURNAL": "off"}
        os.environ.pop("DATABASE_URL", None)
        if options.database == "postgresql":
            try:
                os.environ["DATABASE_URL"] = stack.enter_context(throwaway_server())
            except Unavailable as reason:
                say(f"PostgreSQL cannot be used: {reason}")
                return 2
        import django

        django.setup()
        _database(stack, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-month-"))))
        return _run(options)


def _database(stack: ExitStack, directory: Path) -> None:
    """Create a database for this run alone. It does not wait for the disk."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = directory / "month.sqlite3"
        connection.settings_dict["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    old = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    stack.callback(connection.creation.destroy_test_db, old, 0)


def _run(options: argparse.Namespace) -> int:
    import gc
    import logging

    from django.conf import settings

    logging.disable(logging.CRITICAL)  # the injected errors are part of the plan
    settings.DEBUG = False  # with DEBUG, Django keeps every SQL statement
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    plans = months.plans(options.contacts, options.seed, options.season, options.only)
    broken = sum([_play(wanted, options) for wanted in plans])
    say("Every promise was kept." if not broken else "A PROMISE WAS BROKEN.")
    return 1 if broken else 0


def _play(wanted: plan.Plan, options: argparse.Namespace) -> int:
    """Play one plan, judge it and print what was found. Return how many rules were broken."""
    from tests.conftest import empty_tables
    from tests.simulation import oracle, report
    from tests.simulation.run import Month

    began = time.monotonic()
    month = Month(wanted, options.seed, say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: month.stop())
    journal = month.run()
    played = time.monotonic() - began
    found = oracle.judge(month.plan, journal)
    for line in report.lines(month.plan, journal, found):
        say(line)
    say(
        f"{options.database}, seed {options.seed}, {options.season}: {played:.0f} s, judged in "
        f"{time.monotonic() - began - played:.0f} s."
    )
    empty_tables()  # the next plan begins with none
    return len(found.violations)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

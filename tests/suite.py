"""Run the suite: all of it on a PostgreSQL server of its own, and on SQLite what SQLite can change.

python -m tests.suite [--only sqlite|postgresql|pgbouncer] [--proof small|medium|large] [arguments for pytest]

Where PostgreSQL's programs are not installed, the whole suite runs on SQLite. `--proof` runs the long proofs instead,
and the property tests with more examples. The small ones run as the suite does, the others once: on PostgreSQL where it
is installed. Paths among the arguments run on both databases. `--only pgbouncer` runs what a pooler can change, through
PgBouncer. See docs/testing.md.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.conditions.database_clock import move_clock
from tests.pgbouncer import throwaway_pooler
from tests.postgresql import Unavailable, throwaway_server

ROOT = Path(__file__).resolve().parent.parent
NOTHING_COLLECTED = 5
ELSEWHERE = "--ignore=tests/config/test_schemathesis.py"  # `make proof` runs it with more examples
# The tests of each size of the proofs. A profile of Hypothesis has the same name.
PROOFS = {"small": "long or hypothesis"} | dict.fromkeys(("medium", "large"), "long or proof or hypothesis")
WORKERS = 3  # on two cores: tests with a browser or with other processes wait for a part of their time
TEMPLATE = "template_of_tests"
# No standby and no checkpoints in a run. No compiled plans: a table without statistics looks large to the planner.
SETTINGS = "-c wal_level=minimal -c max_wal_senders=0 -c checkpoint_timeout=1h -c max_wal_size=8GB -c jit=off"

BEFALLS_IN_A_TRANSACTION = "test_whatever_befalls_a_process_in_a_transaction_nobody_rings_twice_and_nobody_is_lost"
FAULTY_ANSWERS = "test_a_fifth_of_all_answers_faulty_rings_nobody_twice_and_loses_nothing"
# What SQLite can change, and why: modules, and single tests of modules that otherwise do not depend on the database.
# Everything else tests rules and pages that reach the database through the ORM alone. `tests/test_suite.py` fails when
# a module of the product asks for its database and nothing here covers it.
ON_SQLITE = {
    "tests/test_demo.py": "the demo runs on SQLite, with its own processes",
    "tests/browser/test_journey.py": "the demo in a browser",
    "tests/test_operations.py": "readiness asks the database itself",
    "tests/test_database_away.py": "a file that is gone, locked or read-only",
    "tests/test_system_page.py": "the database's clock, and one query over all queues",
    "tests/test_upgrade.py": "SQLite makes an altered table anew, which its triggers hinder",
    "tests/tenants/test_schema.py": "the columns of every table",
    "tests/calls/test_outcomes.py": "the trigger that freezes the end of a call; claims and fences without row locks",
    "tests/calls/test_undo.py": "the database's clock and its spans of time",
    "tests/calls/test_polling.py": "reads are leased and rescheduled by SQL of our own; constraints of two tables",
    "tests/calls/test_enqueueing.py": "enqueueing without row locks",
    "tests/calls/test_batches.py": "answers in batches: statements for many rows, one writer",
    "tests/calls/test_counts.py": "counts are kept by triggers for each row",
    "tests/calls/test_engine_database.py": "threads with connections of their own",
    "tests/calls/test_results_csv.py::test_a_row_tells_what_became_of_a_person": (
        "rows that PostgreSQL would write itself"
    ),
    "tests/campaigns/test_segments.py": "texts in a JSON column; a launch is SQL of our own",
    "tests/tenants/test_bulk_updates.py": "statements for many rows",
    "tests/tenants/test_owners.py": "lists of many owners without arrays",
    "tests/tenants/test_audit_chain.py": "triggers that refuse to change the audit log",
    f"tests/calls/test_engine.py::{FAULTY_ANSWERS}[25-callingbox]": "two processes at once: SQLite has one writer",
    "tests/calls/test_engine.py::test_a_campaign_ends_with_every_outcome_stored[callbacks-allomia]": (
        "a process beside the web server: SQLite has one writer"
    ),
    f"tests/calls/test_failpoints.py::{BEFALLS_IN_A_TRANSACTION}": "a dead process leaves the database locked, or not",
    "tests/calls/journal/test_reconciling.py": "backups are copies of a file",
    "tests/calls/journal/test_standing.py": "no server tells one database from another",
    "tests/calls/test_webhooks.py": "SQL of our own and a partial index",
    "tests/calls/test_account_stats.py": "window functions",
    "tests/calls/test_dashboard.py": "hours of the day by date functions",
    "tests/calls/test_campaign_page.py": "hours of the day by date functions",
    "tests/calls/test_figures_oracle.py": "hours and days of many zones by date functions",
    "tests/campaigns/test_launching.py": "SQL of our own, JSON, random UUIDs",
    "tests/campaigns/test_name_search.py": "words of names without their index, and a trigger for names",
    "tests/campaigns/test_tags.py": "tags are held without locks of rows",
    "tests/campaigns/test_import_job.py": "bulk statements: SQLite takes fewer parameters",
    "tests/campaigns/test_import_undo.py": "bulk statements",
    "tests/campaigns/test_do_not_call_import.py": "bulk statements",
    "tests/config/test_search.py": "search by prefix without operator classes",
}
# What a pooler can change: claims, leases, locks, limits of statements, batches, files in parts, bulk statements. What
# a file says does not depend on it, nor what each provider answers.
THROUGH_POOLER = [
    "tests/calls/test_batches.py",
    "tests/calls/test_counts.py",
    f"tests/calls/test_engine.py::{FAULTY_ANSWERS}[25-callingbox]",
    "tests/calls/test_engine.py::test_a_campaign_ends_with_every_outcome_stored[callbacks-allomia]",
    "tests/calls/test_enqueueing.py",
    "tests/calls/test_evidence_csv.py::test_the_history_of_do_not_call_is_told_in_order",
    "tests/calls/test_interleavings.py",
    "tests/calls/test_leader.py",
    "tests/calls/test_outages.py",
    "tests/calls/test_placing.py",
    "tests/calls/test_polling.py",
    "tests/calls/test_results_csv.py::test_postgresql_writes_the_bytes_that_python_writes",
    "tests/calls/test_results_csv.py::test_rows_are_made_while_they_are_read",
    "tests/calls/test_webhooks.py",
    "tests/campaigns/test_import_job.py",
    "tests/campaigns/test_launching.py",
    "tests/tenants/test_audit_chain.py",
    "tests/tenants/test_bulk_updates.py",
    "tests/tenants/test_exports.py::test_a_longer_list_asks_no_more_than_each_piece",
    "tests/tenants/test_exports.py::test_of_fifty_chunks_never_more_than_two_are_held",
]


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--only", choices=["sqlite", "postgresql", "pgbouncer"])
    parser.add_argument("--proof", choices=PROOFS)
    options, rest = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server ends with this process
    if options.proof:
        rest = ["-m", PROOFS[options.proof], "--hypothesis-profile", options.proof, ELSEWHERE, *rest]
    results = {}
    with TemporaryDirectory(prefix="trunkline-sqlite-") as folder, database(options.only) as server:
        if options.only in ("postgresql", "pgbouncer") and not server:
            return 1
        if options.only == "pgbouncer":
            results["PgBouncer"] = through_pooler(rest, server)
        elif server:
            results["PostgreSQL"] = run(rest, {"DATABASE_URL": server, "TEST_TEMPLATE": TEMPLATE})
        if options.only == "sqlite" or not server:
            results["SQLite"] = run(rest, on_sqlite(folder))
        elif options.only is None and options.proof in (None, "small"):
            asked = named(rest)
            code = run(rest if asked else [*rest, *ON_SQLITE], on_sqlite(folder))
            results["SQLite"] = 0 if rest and code == NOTHING_COLLECTED else code
    say("; ".join(f"{name}: {'passed' if code == 0 else 'FAILED'}" for name, code in results.items()))
    return max(results.values(), default=1)


def named(arguments: Iterable[str]) -> bool:
    """Return whether an argument is the path of a test."""
    return any((ROOT / argument.partition("::")[0]).exists() for argument in arguments if not argument.startswith("-"))


@contextmanager
def database(only: str | None) -> Iterator[str]:
    """Yield the URL of a server for this run, with the template of the workers' databases; "" for SQLite."""
    if only == "sqlite":
        yield ""
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(throwaway_server(SETTINGS))
        except Unavailable as reason:
            say(f"PostgreSQL cannot be used: {reason}")
            say("The whole suite runs on SQLite." if only is None else "Nothing was run.")
            url = ""
        if url:
            migrate_template(url)
        yield url


def migrate_template(url: str) -> None:
    """Migrate the template. Each worker copies it in 0.1 seconds; a migration takes seconds, as that of a file does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    template = url.rpartition("/")[0] + f"/{TEMPLATE}"
    migrate(template)
    move_clock(template)


def on_sqlite(folder: str) -> dict[str, str]:
    """Migrate a file in `folder`, and return the environment in which each worker uses a copy of it."""
    template = f"{folder}/template.sqlite3"
    migrate(f"sqlite:///{template}")
    return {"TEST_TEMPLATE": template}


def migrate(url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment({"DATABASE_URL": url}), check=True)


def run(arguments: list[str], extra: dict[str, str]) -> int:
    """Run pytest in its own process. Return its exit status. The database is DATABASE_URL, SQLite by default."""
    seed = random.randrange(2**32)  # said here, because a quiet pytest does not say it
    say(f"pytest on {'PostgreSQL' if 'DATABASE_URL' in extra else 'SQLite'} --randomly-seed={seed}")
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), "--dist", "worksteal"]
    command += [f"--randomly-seed={seed}", *arguments]
    return subprocess.run(command, env=environment(extra), check=False).returncode


def environment(extra: dict[str, str]) -> dict[str, str]:
    # Bytecode is kept: otherwise each process compiles what it imports, and each worker rewrites every test module.
    dropped = {"DATABASE_URL", "DATABASE_POOLER", "PUBLIC_BASE_URL", "TEST_TEMPLATE", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    # Tests read the project's files as UTF-8, whatever the locale of the machine.
    return kept | {"DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true", "PYTHONUTF8": "1"} | extra


def through_pooler(arguments: list[str], server: str) -> int:
    """Run pytest through PgBouncer. The databases are kept: the pooler's connections go with the server."""
    try:
        with throwaway_pooler(server, size=40) as url:
            extra = {"DATABASE_URL": url, "DATABASE_POOLER": "true", "TEST_TEMPLATE": TEMPLATE}
            asked = arguments if named(arguments) else [*arguments, *THROUGH_POOLER]
            return run(["--reuse-db", *asked], extra)
    except Unavailable as reason:
        say(f"PgBouncer cannot be used: {reason}")
        return 1


def say(text: str) -> None:
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

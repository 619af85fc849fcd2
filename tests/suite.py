"""Runs the suite on SQLite, and what a database can change on a PostgreSQL server of its own, where the programs are
installed. Then the browser's tests run on that alone; `--only sqlite` runs all of them on SQLite.

python -m tests.suite [--only sqlite|postgresql] [arguments for pytest]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack

from tests.postgresql import Unavailable, throwaway_server


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    options, rest = parser.parse_known_args()
    results = {}
    with ExitStack() as stack:
        server = None
        if options.only != "sqlite":
            try:
                server = stack.enter_context(throwaway_server())
            except Unavailable as reason:
                say(f"Not run on PostgreSQL: {reason}")
                if options.only:
                    return 1
        if options.only != "postgresql":
            # The pages are the same: looked at once, on the database that organizations run on, where it is installed.
            once = ["--ignore=tests/browser"] if server and not rest else []
            results["SQLite"] = run([*once, *rest], {})
        if server:
            results["PostgreSQL"] = run(["--database-only", *rest], {"DATABASE_URL": server})
    say("; ".join(f"{name}: {'passed' if code == 0 else 'FAILED'}" for name, code in results.items()))
    return max(results.values(), default=1)


def run(arguments: list[str], extra: dict[str, str]) -> int:
    """One run of pytest in its own process. The database is whatever DATABASE_URL says, SQLite by default."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PUBLIC_BASE_URL"}}
    environment |= {"DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"} | extra
    say("pytest on " + ("PostgreSQL" if extra else "SQLite"))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def say(text: str) -> None:
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

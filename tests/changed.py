"""Run the tests of what changed since the branch left `main`, on one database.

python -m tests.changed [arguments for pytest]

The rule, by the path of a changed file:

- a test module: that module;
- another file in a folder of tests: that folder; directly in `tests/`: the whole suite;
- a room of the product (`calls`, `campaigns` ...): its folder of tests, and the modules directly in `tests/`;
- a template, script or style: `tests/browser` as well;
- a document: the tests that read documents;
- anything else that is not listed in `NO_TESTS`: the whole suite.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests import suite

ROOMS = ("calls", "campaigns", "config", "providers", "tenants")
SHOWN = (".html", ".js", ".css")
READ_DOCUMENTS = ("tests/config/test_contract.py", "tests/calls/test_webhook_docs.py", "tests/mutants")
NO_TESTS = (".ci", "benchmarks", "LICENSE", ".gitignore", "Makefile")
EVERYTHING = "tests"


def main() -> int:
    wanted = wanted_by(changed())
    if not wanted:
        suite.say("Nothing changed that has tests.")
        return 0
    suite.say("Tests of what changed: " + " ".join(wanted))
    with suite.database(None) as server:
        extra = {"DATABASE_URL": server, "TEST_TEMPLATE": suite.TEMPLATE} if server else {}
        code = suite.run([*wanted, *sys.argv[1:]], extra)
    return 0 if code == suite.NOTHING_COLLECTED else code


def changed() -> set[str]:
    """Return the paths changed since the branch left `main`, committed or not."""
    base = _git("merge-base", "HEAD", "main")[0]
    return {*_git("diff", "--name-only", base), *_git("ls-files", "--others", "--exclude-standard")}


def wanted_by(paths: Iterable[str]) -> list[str]:
    """Return the tests to run, without tests that another entry contains."""
    wanted = {test for path in paths for test in _wanted_by(path)}
    found = {test for test in wanted if (suite.ROOT / test).exists()}
    return sorted(test for test in found if not any(str(parent) in found for parent in Path(test).parents))


def _wanted_by(path: str) -> set[str]:
    room, _, rest = path.partition("/")
    if room == "tests":
        if Path(path).name.startswith("test_"):
            return {path}
        return {f"tests/{rest.partition('/')[0]}" if "/" in rest else EVERYTHING}
    found = {"tests/browser"} if path.endswith(SHOWN) else set()
    if room in ROOMS:
        return found | {f"tests/{room}", *_directly_in_tests()}
    if room in {"docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"}:
        return {*READ_DOCUMENTS}
    if room in {"templates", "static"}:
        return found
    return set() if room in NO_TESTS else {EVERYTHING}


def _directly_in_tests() -> Iterable[str]:
    return (f"tests/{path.name}" for path in sorted((suite.ROOT / "tests").glob("test_*.py")))


def _git(*arguments: str) -> list[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=suite.ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())

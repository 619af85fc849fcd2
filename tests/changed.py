"""Run the tests of what changed since the branch left `main`, on one database.

On `main` itself, that is what is not on `origin/main` yet.

python -m tests.changed [arguments for pytest]

The rule, by the path of a changed file:

- a test module: that module;
- another file in a folder of tests: that folder; directly in `tests/`: the whole suite;
- a room of the product (`calls`, `campaigns` ...): its folder of tests, and the modules directly in `tests/`; of the
  other rooms' tests those that import the changed module;
- a template, script or style: `tests/browser` as well;
- a document: the tests that read documents;
- anything else that is not listed in `NO_TESTS`: the whole suite.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests import suite

ROOMS = ("calls", "campaigns", "config", "providers", "tenants")
SHOWN = (".html", ".js", ".css")
READ_DOCUMENTS = (
    "tests/test_docs.py",
    "tests/config/test_contract.py",
    "tests/calls/test_webhook_docs.py",
    "tests/mutants",
)
NO_TESTS = (".ci", "benchmarks", "LICENSE", ".gitignore", "Makefile")
EVERYTHING = "tests"


def main() -> int:
    try:
        wanted = wanted_by(changed())
    except NoHistory as reason:
        suite.say(f"What changed is not known: {reason} Run `make lint test` instead.")
        return 1
    if not wanted:
        suite.say("Nothing changed that has tests.")
        return 0
    suite.say("Tests of what changed: " + " ".join(wanted))
    with suite.database(None) as server:
        extra = {"DATABASE_URL": server, "TEST_TEMPLATE": suite.TEMPLATE} if server else {}
        code = suite.run([*wanted, *sys.argv[1:]], extra)
    return 0 if code == suite.NOTHING_COLLECTED else code


class NoHistory(Exception):
    """Git does not tell what changed. A sentence."""


def changed(root: Path = suite.ROOT) -> set[str]:
    """Return the paths changed since the branch left `main`, committed or not. Raises NoHistory."""
    base = _git(root, "merge-base", "HEAD", _main(root))[0]
    return {
        *_git(root, "diff", "--name-only", "--relative", "-z", base),
        *_git(root, "ls-files", "--others", "--exclude-standard", "-z"),
    }


def _main(root: Path) -> str:
    """Return the name of the branch to compare with. A clone of one branch has no `main` of its own."""
    known = _git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads/main", "refs/remotes/origin/main")
    on_main = _git(root, "branch", "--show-current") == ["main"]
    for name in ("origin/main", "main") if on_main else ("main", "origin/main"):
        if name in known:
            return name
    raise NoHistory("there is neither a branch `main` nor `origin/main`.")


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
        return found | {f"tests/{room}", *_directly_in_tests(), *_importing(path)}
    if room in {"docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"}:
        return {*READ_DOCUMENTS}
    if room in {"templates", "static"}:
        return found
    return set() if room in NO_TESTS else {EVERYTHING}


def _directly_in_tests() -> Iterable[str]:
    return (f"tests/{path.name}" for path in sorted((suite.ROOT / "tests").glob("test_*.py")))


def _importing(path: str) -> Iterable[str]:
    """Return the test modules that import a module of the product."""
    if not path.endswith(".py"):
        return
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, name = module.rpartition(".")
    imports = re.compile(
        rf"^(?:from {re.escape(module)} import |import {re.escape(module)}$"
        rf"|from {re.escape(package)} import (?:\([^)]*|[^\n]*)\b{re.escape(name)}\b)",
        re.MULTILINE,
    )
    for test in sorted((suite.ROOT / "tests").rglob("test_*.py")):
        if imports.search(test.read_text("utf-8")):
            yield str(test.relative_to(suite.ROOT))


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NoHistory("Git is not installed.") from None
    except subprocess.CalledProcessError as error:
        raise NoHistory(error.stderr.strip() or "the branch has no commit in common with `main`.") from None
    return done.stdout.rstrip("\0\n").replace("\0", "\n").split("\n") if done.stdout else []


if __name__ == "__main__":
    sys.exit(main())

"""Plant each deliberate bug in a copy of the code and expect a test to catch it. Exit 1 when a bug survives.

python -m tests.mutants [--model EXAMPLES] [words of the names of the bugs to run]

With `--model`, run only the model, with this many examples, on the bugs that it is expected to find.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.mutants.bugs import BUGS
from tests.mutants.planting import MODEL, Bug, Database, MovedOn, planted
from tests.postgresql import Unavailable, throwaway_server

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2
TIMEOUT = 180


@dataclass
class Run:
    """The results of the named tests, by node id without parameters."""

    passed: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # with the first line of the failure
    other: set[str] = field(default_factory=set)  # skipped, or an error before the test began
    output: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", allow_abbrev=False)
    parser.add_argument("--model", type=int, default=0, metavar="EXAMPLES")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    words: list[str] = options.words
    bugs = [bug for bug in BUGS if not words or any(word in bug.name for word in words)]
    try:
        with tempfile.TemporaryDirectory(prefix="trunkline-mutants-") as directory:
            if options.model:
                asked = [bug for bug in bugs if bug.model or words]
                return test_against_the_model(asked, Path(directory), options.model)
            with throwaway_server() as url:
                return run_all(bugs, Path(directory), {"SQLite": "", "PostgreSQL": url})
    except (Unavailable, MovedOn) as reason:
        say(str(reason))
        return 1


def run_all(bugs: Sequence[Bug], directory: Path, urls: Mapping[Database, str]) -> int:
    clean = directory / "clean"
    copy(clean)
    for bug in bugs:
        planted(clean, bug)  # before any test runs, so that an outdated bug is reported at once
    with ThreadPoolExecutor(AT_ONCE) as pool:
        if not all(list(pool.map(lambda database: baseline(bugs, database, clean, urls[database]), urls))):
            return 1
        verdicts = list(pool.map(lambda bug: plant(bug, clean, directory, urls[bug.database]), bugs))
    table(bugs, verdicts)
    survived = sum(not caught for caught, _ in verdicts)
    say(f"{len(bugs)} bugs, {len(bugs) - survived} caught, {survived} survived.")
    return 1 if survived else 0


def test_against_the_model(bugs: Sequence[Bug], directory: Path, examples: int) -> int:
    """Run the model alone on each bug. Return the exit status."""
    clean = directory / "clean"
    copy(clean)
    for bug in bugs:
        planted(clean, bug)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        caught = list(pool.map(lambda bug: ask_the_model(bug, clean, directory, examples), bugs))
    say(f"{len(bugs)} bugs, {sum(caught)} found by the model alone.")
    return 0 if all(caught) else 1


def ask_the_model(bug: Bug, clean: Path, directory: Path, examples: int) -> bool:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        write(bug, clean, Path(place))
        found = pytest(Path(place), [MODEL], "", examples)
    what = found.failed.get(MODEL, "")
    say(f"{'found' if what else 'NOT FOUND'}: {bug.name} ({what[:150] if what else found.output[-300:]})")
    return bool(what)


def write(bug: Bug, clean: Path, place: Path) -> None:
    """Write a copy of the tree with the bug to `place`."""
    shutil.copytree(clean, place, dirs_exist_ok=True)
    for name, text in planted(clean, bug).items():
        (place / name).write_text(text)


def copy(to: Path) -> None:
    """Copy the working tree, without the files that Git ignores."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def baseline(bugs: Iterable[Bug], database: Database, clean: Path, url: str) -> bool:
    """Return whether every named test passes without a bug."""
    names = {name for bug in bugs if bug.database == database for name in (*bug.tests, bug.still_passes)}
    if not names:
        return True
    found = pytest(clean, sorted(names), url)
    if found.passed >= names and not found.failed and not found.other:
        say(f"{database}: without a bug, all {len(names)} named tests pass.")
        return True
    say(f"{database}: a named test does not pass even without a bug.\n{found.output}")
    return False


def plant(bug: Bug, clean: Path, directory: Path, url: str) -> tuple[bool, str]:
    """Return whether the bug was caught, and the tests that caught it or the reason why none did."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        write(bug, clean, Path(place))
        found = pytest(Path(place), [*bug.tests, bug.still_passes], url)
    by = [name for name in bug.tests if name in found.failed]
    if bug.still_passes not in found.passed or bug.still_passes in found.failed:
        verdict = False, "it breaks more than it should: " + bug.still_passes.rpartition("::")[2]
    elif by:
        verdict = True, ", ".join(dict.fromkeys(name.rpartition("::")[2] for name in by))
    else:
        verdict = False, "no test"
    say(f"{'caught' if verdict[0] else 'SURVIVED'}: {bug.name} ({verdict[1]})")
    for name in by:
        say(f"    {found.failed[name][:150]}")
    if not verdict[0]:
        say(found.output)
    return verdict


def pytest(root: Path, names: Sequence[str], url: str, examples: int = 0) -> Run:
    """Run tests of one tree in a separate process."""
    dropped = {"DATABASE_URL", "PUBLIC_BASE_URL", "PYTHONPATH", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"DATABASE_URL": url} if url else {}
    environment |= {"MODEL_EXAMPLES": str(examples), "MODEL_SHRINKS": ""} if examples else {}
    timeout = TIMEOUT + 5 * examples
    report = root / ("report-postgresql.xml" if url else "report-sqlite.xml")  # both may run in one tree
    options = ["-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--hypothesis-profile=small"]
    options += ["-m", "not long and not proof" if examples else "not proof", "--tb=short", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", "-q", *options, *names]
    run = Run()
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, check=False, capture_output=True, text=True, timeout=timeout
        )
        run.output = (done.stdout + done.stderr)[-4000:]
    except subprocess.TimeoutExpired:
        run.output = f"It did not end within {timeout} seconds."
        return run
    if not report.exists():
        return run
    by_key = {name.replace("/", ".").replace(".py::", ".").replace("::", "."): name for name in names}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest's own report
        key = f"{case.get('classname')}.{str(case.get('name')).partition('[')[0]}"
        name = by_key.get(key, key)
        children = {child.tag for child in case}
        if "failure" in children:
            run.failed[name] = next(child.get("message", "") for child in case if child.tag == "failure").split("\n")[0]
        else:
            (run.other if children & {"error", "skipped"} else run.passed).add(name)
    return run


def table(bugs: Sequence[Bug], verdicts: Sequence[tuple[bool, str]]) -> None:
    heads = ("bug", "what it breaks", "caught by", "database")
    widths = (34, 52, 52, 10)
    rows = [(bug.name, bug.breaks, by, bug.database) for bug, (_, by) in zip(bugs, verdicts, strict=True)]
    lines = []
    for row in (heads, *rows):
        cells = [textwrap.wrap(text, width) or [""] for text, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            parts = (cell[number] if number < len(cell) else "" for cell in cells)
            lines.append(" | ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())
        lines.append("-+-".join("-" * width for width in widths))
    say("\n" + "\n".join(lines))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

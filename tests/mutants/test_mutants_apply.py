"""The list of deliberate bugs is current: each applies to the code, names existing tests and is in docs/mutants.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.bugs import BUGS
from tests.mutants.planting import planted

ROOT = Path(__file__).resolve().parents[2]


def test_the_old_text_of_every_bug_occurs_exactly_once(subtests: pytest.Subtests) -> None:
    for bug in BUGS:
        with subtests.test(bug.name):
            for path, text in planted(ROOT, bug).items():
                assert text != (ROOT / path).read_text()


def test_the_tests_that_should_catch_a_bug_exist(subtests: pytest.Subtests) -> None:
    for bug in BUGS:
        with subtests.test(bug.name):
            for node in (*bug.tests, bug.still_passes):
                path, _, name = node.partition("::")
                sources = [ROOT / path, ROOT / "tests/providers/contract.py"]
                assert (ROOT / path).is_file()
                assert any(f"def {name.rpartition('::')[2]}(" in source.read_text() for source in sources), node


def test_the_page_tells_every_bug_and_no_other() -> None:
    rows = [line for line in (ROOT / "docs/mutants.md").read_text().splitlines() if line.startswith("| ")][1:]
    listed = [row.split("|")[1].strip() for row in rows]
    assert listed == [bug.name for bug in BUGS]
    assert len(set(listed)) == len(listed)
    found = [row.split("|")[1].strip() for row in rows if row.split("|")[-2].strip() == "finds it"]
    assert found == [bug.name for bug in BUGS if bug.model]

"""The suite's own rules: what runs on SQLite, and which tests `make check` runs."""

from __future__ import annotations

import re

import pytest

from tests.changed import EVERYTHING, READ_DOCUMENTS, ROOMS, wanted_by
from tests.suite import ON_SQLITE, ROOT, named

BY_DATABASE = re.compile(r"vendor [=!]= |\[connection\.vendor\]|OnPostgresql\(")
# Module of the product that behaves differently on SQLite -> a test module that runs there.
COVERED_BY = {
    "calls/triggers.py": "tests/calls/test_outcomes.py",
    "campaigns/launching.py": "tests/campaigns/test_launching.py",
    "tenants/failpoints.py": "tests/calls/test_failpoints.py",
    "tenants/db/migrations_support.py": "tests/config/test_search.py",
}


def test_what_runs_on_sqlite_is_there() -> None:
    assert [path for path in ON_SQLITE if not (ROOT / path).is_file()] == []


def test_code_that_asks_for_the_database_is_tested_on_sqlite() -> None:
    modules = (path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)
    found = {str(path.relative_to(ROOT)) for path in modules if BY_DATABASE.search(path.read_text())}
    assert found == set(COVERED_BY)
    assert set(COVERED_BY.values()) <= set(ON_SQLITE)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], []),
        (["benchmarks/pages.py", "Makefile"], []),
        (["tests/calls/test_gate.py"], ["tests/calls/test_gate.py"]),
        (["tests/calls/test_gate.py", "tests/calls/support.py"], ["tests/calls"]),
        (["tests/conftest.py", "tests/calls/test_gate.py"], [EVERYTHING]),
        (["pyproject.toml"], [EVERYTHING]),
        (["docs/api.md"], sorted(READ_DOCUMENTS)),
        (["tests/calls/test_gone.py"], []),
        (["templates/admin/index.html"], ["tests/browser"]),
    ],
)
def test_a_changed_file_has_its_tests(changed: list[str], expected: list[str]) -> None:
    assert wanted_by(changed) == expected


def test_a_room_has_its_folder_and_the_tests_of_all_rooms() -> None:
    found = wanted_by(["calls/gate/decision.py"])
    assert {"tests/calls", "tests/test_admin.py"} <= set(found)
    assert "tests/browser" not in found and "tests/campaigns" not in found
    assert "tests/browser" in wanted_by(["config/static/trunkline/trunkline.js"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["-x", "-k", "gate"], False),
        (["-x", "tests/calls"], True),
        (["tests/test_suite.py::test_x"], True),
    ],
)
def test_paths_among_the_arguments_are_recognised(arguments: list[str], expected: bool) -> None:
    assert named(arguments) is expected

"""The suite's own rules: what runs on SQLite, and which tests `make check` runs."""

from __future__ import annotations

import inspect
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenants.models import Tenant
from tests.changed import EVERYTHING, READ_DOCUMENTS, ROOMS, NoHistory, changed, wanted_by
from tests.conftest import dealt
from tests.suite import ON_SQLITE, ROOT, THROUGH_POOLER, environment, named
from tests.tables import cases, rolled_back

BY_DATABASE = re.compile(r"vendor [=!]= |\[connection\.vendor\]|OnPostgresql\(")
# Module of the product that behaves differently on SQLite -> a test module that runs there.
COVERED_BY = {
    "calls/triggers.py": "tests/calls/test_outcomes.py",
    "calls/following/due_reads.py": "tests/calls/test_polling.py",
    "calls/following/rescheduling.py": "tests/calls/test_polling.py",
    "calls/storage.py": "tests/calls/test_polling.py",
    "calls/journal/standing.py": "tests/calls/journal/test_standing.py",
    "calls/engine/database.py": "tests/calls/test_engine_database.py",
    "calls/outcomes/batches.py": "tests/calls/test_batches.py",
    "calls/outcomes/writing.py": "tests/calls/test_batches.py",
    "calls/reports/results_csv.py": "tests/calls/test_results_csv.py",
    "tenants/db/collations.py": "tests/test_system_page.py",
    "campaigns/contact_locks.py": "tests/campaigns/test_do_not_call_import.py",
    "campaigns/name_keys.py": "tests/campaigns/test_name_search.py",
    "campaigns/newest.py": "tests/campaigns/test_name_search.py",
    "tenants/db/first_keys.py": "tests/campaigns/test_name_search.py",
    "campaigns/tagging.py": "tests/campaigns/test_tags.py",
    "campaigns/launching.py": "tests/campaigns/test_launching.py",
    "config/findings.py": "tests/test_system_page.py",
    "tenants/db/append_only.py": "tests/tenants/test_audit_chain.py",
    "tenants/db/bulk_statements.py": "tests/tenants/test_bulk_updates.py",
    "tenants/db/bulk_updates.py": "tests/tenants/test_bulk_updates.py",
    "tenants/db/bulk_values.py": "tests/campaigns/test_import_undo.py",
    "tenants/db/copying.py": "tests/campaigns/test_import_job.py",
    "tenants/db/counters.py": "tests/calls/test_counts.py",
    "tenants/db/owners.py": "tests/tenants/test_owners.py",
    "tenants/db/sqlite_triggers.py": "tests/test_upgrade.py",
    "tenants/db/time_limits.py": "tests/test_database_away.py",
    "tenants/db/schema.py": "tests/tenants/test_schema.py",
    "tenants/failpoints.py": "tests/calls/test_failpoints.py",
    "tenants/db/migrations_support.py": "tests/config/test_search.py",
}


def test_a_table_runs_every_case_and_names_those_that_fail() -> None:
    tried: list[tuple[int, str, int]] = []

    @cases(("first", "second"), [(1, "a"), (2, "b")])
    @cases("third", (10, 20))
    def number(shared: int, first: int, second: str, third: int) -> None:
        tried.append((first, second, third))
        assert shared + first + third != 12

    with pytest.raises(ExceptionGroup, match=r"^1 of 2 cases failed:\n{'first': 1, 'second': 'a'}\n$") as caught:
        number(shared=1)
    assert tried == [(1, "a", 10), (1, "a", 20), (2, "b", 10), (2, "b", 20)]
    [inner] = caught.value.exceptions
    assert str(inner).startswith("1 of 2 cases failed:\n{'third': 10}\n")
    assert list(inspect.signature(number).parameters) == ["shared"]


@pytest.mark.django_db
def test_a_case_that_is_rolled_back_leaves_nothing_to_the_next() -> None:
    @cases("name", ["Acme", "Other"])
    @rolled_back
    def only(name: str) -> None:
        Tenant.objects.create(name=name)
        assert [tenant.name for tenant in Tenant.objects.all()] == [name]

    only()
    assert not Tenant.objects.exists()


def test_what_runs_on_sqlite_and_through_a_pooler_is_there() -> None:
    for path, _, test in (one.partition("::") for one in (*ON_SQLITE, *THROUGH_POOLER)):
        assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text(), (path, test)


def test_code_that_asks_for_the_database_is_tested_on_sqlite() -> None:
    modules = (path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)
    found = {str(path.relative_to(ROOT)) for path in modules if BY_DATABASE.search(path.read_text())}
    assert found == set(COVERED_BY)
    assert set(COVERED_BY.values()) <= {one.partition("::")[0] for one in ON_SQLITE}


@pytest.mark.parametrize(
    ("paths", "expected"),
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
def test_a_changed_file_has_its_tests(paths: list[str], expected: list[str]) -> None:
    assert wanted_by(paths) == expected


def test_a_room_has_its_folder_and_the_tests_of_all_rooms() -> None:
    found = wanted_by(["calls/gate/decision.py"])
    assert {"tests/calls", "tests/test_admin.py"} <= set(found)
    assert "tests/browser" not in found and "tests/campaigns" not in found
    assert "tests/browser" in wanted_by(["config/static/trunkline/trunkline.js"])


def test_a_changed_module_has_the_tests_of_higher_rooms_that_import_it() -> None:
    """Ways to import a module: from its package, a name from it, and from a package whose names take many lines."""
    assert "tests/calls/test_closures.py" in wanted_by(["campaigns/launching.py"])
    assert "tests/calls/test_pacing.py" in wanted_by(["providers/adapters/base.py"])
    assert "tests/calls/test_campaign_wizard.py" in wanted_by(["campaigns/models/__init__.py"])
    assert "tests/calls/test_costs.py" not in wanted_by(["campaigns/launching.py"])


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


def test_the_suite_keeps_bytecode_and_its_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody/else")
    assert not {"PYTHONDONTWRITEBYTECODE", "DATABASE_URL"} & environment({}).keys()


def _git(where: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True)


def _commit(where: Path, name: str) -> None:
    (where / name).parent.mkdir(parents=True, exist_ok=True)
    (where / name).touch()
    _git(where, "add", ".")
    _git(where, "commit", "-m", name)


def test_what_changed_since_main_is_known_in_every_kind_of_clone(tmp_path: Path) -> None:
    first, clone = tmp_path / "first", tmp_path / "clone"
    first.mkdir()
    with pytest.raises(NoHistory, match="not a git repository"):
        changed(first)
    _git(first, "init", "--initial-branch", "main")
    _commit(first, "product/one.py")
    _git(tmp_path, "clone", str(first), str(clone))
    _commit(clone, "product/on main.py")
    assert changed(clone) == {"product/on main.py"}, "on main: what was not pushed"
    _git(clone, "switch", "--create", "work")
    _commit(clone, "product/é.py")
    (clone / "new.py").touch()
    assert changed(clone) == {"product/é.py", "new.py"}
    assert changed(clone / "product") == {"é.py"}, "the project may be a folder of a repository"
    _git(clone, "branch", "--delete", "--force", "main")
    assert changed(clone) == {"product/on main.py", "product/é.py", "new.py"}, "a clone without a main of its own"
    _git(clone, "remote", "remove", "origin")
    with pytest.raises(NoHistory, match="neither"):
        changed(clone)


def test_slow_tests_of_a_module_stay_together() -> None:
    """Two processes: the largest module to one, the two others to the other. By hand."""
    names = ["a.py::1", "a.py::2", "b.py::1", "a.py::3[x]", "c.py::1"]
    items: Any = [SimpleNamespace(nodeid=name) for name in names]
    shares = [[item.nodeid for item in share] for share in dealt(items, 2)]
    assert shares == [["a.py::1", "a.py::2", "a.py::3[x]"], ["b.py::1", "c.py::1"]]

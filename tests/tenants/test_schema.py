"""The schema of the database against the code's: each difference is a sentence, and the start waits or ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext

from tenants.db import schema, waiting
from tenants.db.postgresql.refusal import SET_DATABASE_POOLER, PoolerFound
from tenants.management.tables import DATABASE_SILENT, TABLES_DIFFER, demand_tables

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorder() -> MigrationRecorder:
    return MigrationRecorder(connection)


def test_a_migrated_database_is_as_the_code_wants_it_and_looking_is_cheap() -> None:
    assert schema.what_is_wrong() == ""
    with CaptureQueriesContext(connection) as queries:
        assert schema.what_is_wrong() == ""
    assert len(queries) <= 3


def test_every_difference_is_named(recorder: MigrationRecorder) -> None:
    recorder.record_applied("an_app_that_was_removed", "0001_initial")
    assert schema.what_is_wrong() == ""
    recorder.record_unapplied("calls", "0001_initial")
    assert schema.what_is_wrong() == "1 migration is not applied: calls.0001_initial. Run manage.py migrate."
    recorder.record_unapplied("tenants", "0001_initial")
    assert schema.what_is_wrong().startswith("2 migrations are not applied: calls.0001_initial, tenants.0001_initial.")
    recorder.record_applied("calls", "0002_later")  # newer comes first: migrating with old code is no way out
    assert schema.what_is_wrong().startswith("The database is newer than this program, which does not know calls.0002_")
    recorder.flush()
    assert schema.what_is_wrong() == "The database has no tables. Run manage.py migrate."


def test_tables_of_another_version_are_found_whatever_is_recorded() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_alert RENAME COLUMN seen_by TO seen_before")
    assert "1 columns are missing, such as tenants_alert.seen_by" in schema.what_is_wrong()


def test_a_squashed_migration_counts_as_what_it_replaces(
    recorder: MigrationRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = schema._loader()
    old, squashed = ("calls", "0001_initial"), ("calls", "0001_squashed")
    migration = SimpleNamespace(replaces=[old])
    monkeypatch.setattr(loader, "disk_migrations", {**loader.disk_migrations, squashed: migration})
    monkeypatch.setattr(loader, "replacements", {squashed: migration})
    nodes = {node: None for node in loader.graph.nodes if node != old} | {squashed: None}
    monkeypatch.setattr(loader.graph, "nodes", nodes)
    assert schema.what_is_wrong() == ""
    recorder.record_unapplied(*old)
    assert "calls.0001_squashed" in schema.what_is_wrong()
    recorder.record_applied(*squashed)
    assert schema.what_is_wrong() == ""


def answers(monkeypatch: pytest.MonkeyPatch, *given: str | Exception) -> list[str]:
    """Let the schema be so at each look, and the last for ever. Return what is said while it is waited for."""
    left, clock = list(given), SimpleNamespace(now=0.0)

    def look() -> str:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(schema, "what_is_wrong", look)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return []


def test_the_start_ends_at_once_or_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction lives on it
    half, silent = "1 migration is not applied.", OperationalError("secret words")
    away = "The database does not answer (OperationalError)."
    cases: list[tuple[float, list[Any], int | None, list[str]]] = [
        (0, [""], None, []),
        (0, [half], TABLES_DIFFER, []),
        (0, [silent], DATABASE_SILENT, []),
        (60, [half, half, ""], None, [f"{half} Waiting for it."]),
        (60, [silent, half, ""], None, [f"{away} Waiting for it."]),
        (2, [silent], DATABASE_SILENT, [f"{away} Waiting for it."]),
        (2, [half], TABLES_DIFFER, [f"{half} Waiting for it."]),
    ]
    for seconds, looks, status, said in cases:
        with monkeypatch.context() as patch:
            spoken = answers(patch, *looks)
            if status is None:
                demand_tables(seconds, spoken.append)
            else:
                with pytest.raises(CommandError) as refused:
                    demand_tables(seconds, spoken.append)
                assert refused.value.returncode == status and "secret" not in str(refused.value)
            assert spoken == said


def test_what_is_no_outage_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as tables that the user of the database may not read."""
    error = ProgrammingError("permission denied")
    answers(monkeypatch, error)
    with pytest.raises(ProgrammingError):
        demand_tables(60, print)
    answers(monkeypatch, PoolerFound())
    with pytest.raises(CommandError, match=SET_DATABASE_POOLER):
        demand_tables(60, print)

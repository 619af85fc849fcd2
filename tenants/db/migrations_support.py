"""Migration operations for one kind of database."""

from __future__ import annotations

from typing import Any

from django.db import migrations


class OnPostgresql(migrations.RunSQL):
    """SQL that runs only on PostgreSQL. SQLite has no operator classes, and serves only small installations."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)


def prefix_index(name: str, table: str, column: str) -> OnPostgresql:
    """Return an index for prefix searches in one organization, independent of the database's collation."""
    return OnPostgresql(
        f"CREATE INDEX {name} ON {table} (organization_id, {column} varchar_pattern_ops)", f"DROP INDEX {name}"
    )


def built_beside(name: str, of: str, *, removed: bool = False) -> OnPostgresql:
    """Return an index that is built while others write; or removed, and built again by a migration backwards.

    For migrations that are not atomic. An attempt that was interrupted has left an invalid index, which is removed.
    """
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    create: Any = [drop, f"CREATE INDEX CONCURRENTLY {name} ON {of}"]  # one at a time: not in one transaction
    return OnPostgresql([drop], create) if removed else OnPostgresql(create, [drop])


class AddIndexBeside(migrations.AddIndex):
    """An index of a model that PostgreSQL builds while others write. For migrations that are not atomic.

    An attempt that was interrupted has left an invalid index, which is removed.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}")
        schema_editor.add_index(to_state.apps.get_model(app_label, self.model_name), self.index, concurrently=True)

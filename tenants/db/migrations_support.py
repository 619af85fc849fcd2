"""Steps of migrations that only one database takes."""

from __future__ import annotations

from typing import Any

from django.db import migrations


class OnPostgresql(migrations.RunSQL):
    """SQL for PostgreSQL alone: SQLite serves one small machine and has no operator classes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)


def prefix_index(name: str, table: str, column: str) -> OnPostgresql:
    """Rows of an organization by how a column begins, whatever the collation of the database."""
    return OnPostgresql(
        f"CREATE INDEX {name} ON {table} (organization_id, {column} varchar_pattern_ops)", f"DROP INDEX {name}"
    )

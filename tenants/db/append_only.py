"""Triggers that refuse to change or delete rows of the audit log, on both databases."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

# Table -> what the database refuses. Erasing a person deletes personal values. SQLite has no TRUNCATE.
REFUSED = {
    "tenants_auditentry": ("UPDATE", "DELETE", "TRUNCATE"),
    "tenants_auditseal": ("UPDATE", "DELETE", "TRUNCATE"),
    "tenants_auditpersonal": ("UPDATE", "TRUNCATE"),
}
MESSAGE = "the audit log is not changed"

_FUNCTION = f"""
CREATE OR REPLACE FUNCTION tenants_append_only() RETURNS trigger AS $$ BEGIN
    RAISE EXCEPTION '{MESSAGE} (%)', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$ LANGUAGE plpgsql
"""


def install(using: str = "default", **_: Any) -> None:
    """Install the triggers. A receiver of `post_migrate`, because SQLite drops triggers when a table is altered."""
    connection = connections[using]
    if not set(REFUSED) <= set(connection.introspection.table_names()):
        return
    with transaction.atomic(using), connection.cursor() as cursor:
        for statement in _statements(connection.vendor == "postgresql"):
            cursor.execute(statement)


def trigger_of(table: str, event: str) -> str:
    """Return the name of the trigger that refuses an event."""
    return f"{table}_no_{event.lower()}"


def _statements(postgresql: bool) -> list[str]:
    found = [_FUNCTION] if postgresql else []
    for table, events in REFUSED.items():
        for event in events:
            begins = f"{trigger_of(table, event)} BEFORE {event} ON {table} FOR EACH"
            if postgresql:
                each = "STATEMENT" if event == "TRUNCATE" else "ROW"  # TRUNCATE runs no trigger for rows
                found.append(f"CREATE OR REPLACE TRIGGER {begins} {each} EXECUTE FUNCTION tenants_append_only()")
            elif event != "TRUNCATE":
                refusal = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE} ({table})'); END"
                found.append(f"CREATE TRIGGER IF NOT EXISTS {begins} ROW {refusal}")
    return found

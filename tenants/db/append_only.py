"""Triggers that refuse to change or delete rows of the audit log, on both databases."""

from __future__ import annotations

from typing import Any

from django.db import connections

# Table -> what the database refuses. Erasing a person deletes personal values.
REFUSED = {
    "tenants_auditentry": ("UPDATE", "DELETE"),
    "tenants_auditseal": ("UPDATE", "DELETE"),
    "tenants_auditpersonal": ("UPDATE",),
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
    with connection.cursor() as cursor:
        for statement in _statements(connection.vendor == "postgresql"):
            cursor.execute(statement)


def _statements(postgresql: bool) -> list[str]:
    found = [_FUNCTION] if postgresql else []
    for table, events in REFUSED.items():
        for event in events:
            name = f"{table}_no_{event.lower()}"
            begins = f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW"
            if postgresql:
                found += [
                    f"DROP TRIGGER IF EXISTS {name} ON {table}",
                    f"{begins} EXECUTE FUNCTION tenants_append_only()",
                ]
            else:
                refusal = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE} ({table})'); END"
                found += [f"DROP TRIGGER IF EXISTS {name}", f"{begins} {refusal}"]
    return found


def remove(using: str = "default") -> None:
    """Remove the triggers, for tests that empty the tables or play an intruder."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for table, events in REFUSED.items():
            for event in events:
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event.lower()}{on}")

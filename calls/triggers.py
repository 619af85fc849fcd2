"""A database trigger that refuses to change how a call ended. Installed after every migrate, on both databases."""

from __future__ import annotations

from typing import Any

from django.db import connections

from calls.models import TERMINAL, UNRESOLVED

_TERMINAL = ", ".join(f"'{status}'" for status in TERMINAL)
_UNRESOLVED = ", ".join(f"'{status}'" for status in UNRESOLVED)
_RESOLVED = ", ".join(f"'{status}'" for status in TERMINAL if status not in UNRESOLVED)

# A terminal status changes in two cases alone: `expired` or `unknown` becomes a real end, which then cannot change; or
# a team member's decision to make exactly this change is stored and not applied yet.
_FORBIDDEN = f"""
    OLD.status IN ({_TERMINAL}) AND NEW.status <> OLD.status
    AND NOT (OLD.status IN ({_UNRESOLVED}) AND NEW.status IN ({_RESOLVED}))
    AND NOT EXISTS (
        SELECT 1 FROM calls_staffdecision d
        WHERE d.call_id = OLD.id AND d.from_status = OLD.status AND d.to_status = NEW.status AND NOT d.applied
    )
"""  # noqa: S608 - built from our own constants

MESSAGE = "the end of a call does not change"

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION calls_freeze_end() RETURNS trigger AS $$
BEGIN
    IF {_FORBIDDEN} THEN
        RAISE EXCEPTION '{MESSAGE} (% to %)', OLD.status, NEW.status USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS calls_freeze_end ON calls_call;
CREATE TRIGGER calls_freeze_end BEFORE UPDATE OF status ON calls_call
    FOR EACH ROW EXECUTE FUNCTION calls_freeze_end();
"""

_SQLITE = (
    "DROP TRIGGER IF EXISTS calls_freeze_end",
    f"""
    CREATE TRIGGER calls_freeze_end BEFORE UPDATE OF status ON calls_call FOR EACH ROW WHEN {_FORBIDDEN}
    BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END
    """,
)


def install(using: str = "default", **_: Any) -> None:
    """Install the trigger. A receiver of `post_migrate`, because SQLite drops triggers when a table is altered."""
    connection = connections[using]
    if "calls_call" not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        for statement in (_POSTGRESQL,) if connection.vendor == "postgresql" else _SQLITE:
            cursor.execute(statement)

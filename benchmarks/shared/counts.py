"""Where a run's work stands in the database: counts of finished rows, and when calls are read next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def rows(statement: str, *values: Any) -> Callable[[], int]:
    """Return a function that counts rows by a statement."""

    def count() -> int:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return int(cursor.fetchone()[0])

    return count


def placed(after: int) -> Callable[[], int]:
    """Count the calls, made after a key, whose placing was answered."""
    return rows("SELECT count(*) FROM calls_call WHERE id > %s AND placed_at IS NOT NULL", after)


def ended(after: int) -> Callable[[], int]:
    return rows("SELECT count(*) FROM calls_call WHERE id > %s AND terminal_at IS NOT NULL", after)


def read(after: int) -> Callable[[], int]:
    """Count the calls, made after a key, that were read."""
    table, key = _polling()
    return rows(f"SELECT count(*) FROM {table} WHERE {key} > %s AND last_read_at IS NOT NULL", after)  # noqa: S608


def make_due(calls: list[int]) -> None:
    """Make these calls due for a read."""
    from django.db import connection

    table, key = _polling()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET next_read_at = now() - interval '1 second' WHERE {key} = ANY(%s)", [calls])  # noqa: S608


def _polling() -> tuple[str, str]:
    """Return the table that holds when a call was read last, and its column with the call's key."""
    from django.db import connection

    if "calls_polling" in connection.introspection.table_names():
        return "calls_polling", "call_id"
    return "calls_call", "id"

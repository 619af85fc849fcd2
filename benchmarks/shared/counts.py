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
    """Count the calls, made after a key, that were read: their polling row says so, or they have ended."""
    return rows(
        "SELECT count(*) FROM calls_call c LEFT JOIN calls_polling p ON p.id = c.polling_id"
        " WHERE c.id > %s AND (p.last_read_at IS NOT NULL OR c.terminal_at IS NOT NULL)",
        after,
    )

"""Triggers of SQLite while tables are altered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections


def remove_before_migrations(using: str = "default", plan: Sequence[Any] = (), **_: Any) -> None:
    """Remove all triggers if there is something to migrate. A receiver of `pre_migrate`, for SQLite.

    Django alters a table of SQLite by making it anew. SQLite refuses that while a trigger of another table names it.
    Receivers of `post_migrate` install the triggers again, also after an attempt that was interrupted.
    """
    connection = connections[using]
    if connection.vendor != "sqlite" or not plan:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER IF EXISTS {connection.ops.quote_name(name)}")

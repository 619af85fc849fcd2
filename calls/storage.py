"""How PostgreSQL stores the busiest table. Set after every migrate; SQLite has no such settings."""

from __future__ import annotations

from typing import Any

from django.db import connections

from calls.models import Polling

# Every row is written twice per read. With room beside it, the new version stays on its page, so the log gets the
# difference alone: a fifth less. The calls are not stored so: their table would grow by a third for 4 % less log.
POLLING = {"fillfactor": "60", "autovacuum_vacuum_scale_factor": "0.05", "autovacuum_vacuum_threshold": "1000"}


def install(using: str = "default", **_: Any) -> None:
    """Apply the settings. A receiver of `post_migrate`."""
    connection = connections[using]
    table = Polling._meta.db_table
    if connection.vendor != "postgresql" or table not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        settings = ", ".join(f"{name} = {value}" for name, value in POLLING.items())
        cursor.execute(f"ALTER TABLE {table} SET ({settings})")

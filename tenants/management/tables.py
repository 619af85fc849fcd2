"""The question with which a process starts that needs the database's tables."""

from __future__ import annotations

from collections.abc import Callable

from django.core.management.base import CommandError

from tenants.db import schema
from tenants.db.postgresql.refusal import PoolerFound
from tenants.db.waiting import Away, wait_until_fine

TABLES_DIFFER, DATABASE_SILENT = 3, 4  # exit statuses


def demand_tables(seconds: float, say: Callable[[str], object]) -> None:
    """Raise CommandError, with an exit status, if the tables are not those of this version after so many seconds."""
    try:
        wrong = wait_until_fine(schema.what_is_wrong, say, seconds)
    except PoolerFound as error:
        raise CommandError(str(error)) from error
    except Away as away:
        raise CommandError(str(away), returncode=DATABASE_SILENT) from away
    if wrong:
        raise CommandError(wrong, returncode=TABLES_DIFFER)

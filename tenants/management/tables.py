"""The question with which a process starts that needs the database's tables."""

from __future__ import annotations

from collections.abc import Callable

from django.core.management.base import CommandError

from tenants.db import schema

TABLES_DIFFER, DATABASE_SILENT = 3, 4  # exit statuses


def demand_tables(seconds: float, say: Callable[[str], object]) -> None:
    """Raise CommandError, with an exit status, if the tables are not those of this version after so many seconds."""
    wrong = schema.wait(seconds, say)
    if wrong:
        raise CommandError(wrong, returncode=DATABASE_SILENT if wrong == schema.UNREACHABLE else TABLES_DIFFER)

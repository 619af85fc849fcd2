"""The refusal of a connection through a pooler that the settings do not name. It needs no driver of PostgreSQL."""

from __future__ import annotations

from django.db import OperationalError

SET_DATABASE_POOLER = (
    "A connection pooler is between Trunkline and PostgreSQL. "
    "Set DATABASE_POOLER=true, or connect to PostgreSQL itself."
)


class PoolerFound(OperationalError):
    """The connection goes through a pooler, and the settings do not say so. The message is a sentence."""

    def __init__(self) -> None:
        super().__init__(SET_DATABASE_POOLER)

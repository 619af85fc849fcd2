"""Set when calls are read next, many in one statement that touches the polling rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import connection

from calls.models import Polling


@dataclass(frozen=True)
class NextRead:
    """What a read leaves behind in the polling row of its call.

    `lease`: the row as the read claimed it. A row that was claimed again meanwhile is left alone.
    """

    lease: Polling
    at: datetime
    last_read_at: datetime | None
    read_errors: int
    retention_at: datetime | None

    @classmethod
    def after_success(
        cls, lease: Polling, at: datetime, read_at: datetime, retention_at: datetime | None = None
    ) -> NextRead:
        return cls(lease, at, read_at, 0, retention_at)

    @classmethod
    def after_error(cls, lease: Polling, at: datetime) -> NextRead:
        return cls(lease, at, lease.last_read_at, lease.read_errors + 1, lease.retention_at)

    @classmethod
    def postponed(cls, lease: Polling, at: datetime) -> NextRead:
        """The provider was not asked, or did not answer the question: nothing is known about the call."""
        return cls(lease, at, lease.last_read_at, lease.read_errors, lease.retention_at)


_ROW = {
    "id": "bigint",
    "reads": "integer",
    "leased_until": "timestamptz",
    "at": "timestamptz",
    "last_read_at": "timestamptz",
    "read_errors": "integer",
    "retention_at": "timestamptz",
}
# Evidence that came during the read may have set another time, which is kept.
_SETS = """
    SET next_read_at = CASE WHEN p.next_read_at = v.leased_until THEN v.at ELSE p.next_read_at END,
        last_read_at = v.last_read_at, read_errors = v.read_errors, retention_at = v.retention_at
"""
# The rows are locked by key, as in every other transaction that changes several.
_POSTGRESQL = f"""
    WITH v AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%s) AS v({", ".join(f"{name} {kind}" for name, kind in _ROW.items())})
    ), mine AS MATERIALIZED (
        SELECT p.id FROM calls_polling p JOIN v USING (id) ORDER BY p.id FOR UPDATE OF p
    )
    UPDATE calls_polling AS p {_SETS} FROM v JOIN mine USING (id) WHERE p.id = v.id AND p.reads = v.reads
"""  # noqa: S608 - built from our own constants
_SQLITE = f"""
    WITH v({", ".join(_ROW)}) AS (VALUES (%s, %s, %s, %s, %s, %s, %s))
    UPDATE calls_polling AS p {_SETS} FROM v WHERE p.id = v.id AND p.reads = v.reads
"""


def store(reads: Sequence[NextRead]) -> None:
    """Store when each call is read next. A row that is gone, or that a later read has claimed, stays as it is."""
    if not reads:
        return
    moment = connection.ops.adapt_datetimefield_value
    rows = [
        (
            *(read.lease.pk, read.lease.reads, moment(read.lease.next_read_at), moment(read.at)),
            *(moment(read.last_read_at), read.read_errors, moment(read.retention_at)),
        )
        for read in sorted(reads, key=lambda read: read.lease.pk)
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            records = [dict(zip(_ROW, row, strict=True)) for row in rows]
            cursor.execute(_POSTGRESQL, [orjson.dumps(records).decode()])
        else:
            cursor.executemany(_SQLITE, rows)

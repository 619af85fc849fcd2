"""A replica of the database, for files of many rows. Whatever decides, claims or writes reads the database itself.

Readers ask `source` and name its alias: no router sends a query anywhere by itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tenants.db.outages import words_of

ALIAS = "replica"
LATE = timedelta(seconds=60)  # a file that is older says of when it is
TOO_LATE = timedelta(minutes=15)  # an older replica is not read: a file could have whom an erasure has removed
AGAIN = 10.0  # seconds after which a replica that failed is asked again


@dataclass(frozen=True)
class Source:
    """Where to read from. `as_of`: the moment of the rows if they are late. `why`: why it is not the replica."""

    alias: str = DEFAULT_DB_ALIAS
    as_of: datetime | None = None
    why: str = ""


class _Failure:
    """The last failure of this process, so that not every request waits for a server that is away."""

    why = ""
    until = 0.0


_failure = _Failure()


def source() -> Source:
    """Return where files of many rows are read: the replica, or the database itself while the replica is unfit."""
    if ALIAS not in connections.settings:
        return Source()
    if time.monotonic() < _failure.until:
        return Source(why=_failure.why)
    position, now = _asked(connection)
    try:
        found = standing(connections[ALIAS], position, now)
    except (DatabaseError, InterfaceError) as error:
        connections[ALIAS].close()
        found = Source(why=f"it does not answer ({words_of(error)})")
    _failure.why, _failure.until = found.why, time.monotonic() + AGAIN if found.why else 0.0
    return found


def _asked(primary: BaseDatabaseWrapper) -> tuple[str, datetime]:
    """Return the position up to which the database has written, and its time."""
    with primary.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text, clock_timestamp()")
        position, now = cursor.fetchone()
    return position, now


def standing(replica: BaseDatabaseWrapper, position: str, now: datetime) -> Source:
    """Return what the replica is good for, given the position and the time of the database.

    A replica that has replayed all is up to date, however long ago the last transaction was. One that has not has
    everything up to the last transaction that it has replayed.
    """
    with replica.cursor() as cursor:
        cursor.execute(
            "SELECT pg_is_in_recovery(), COALESCE(pg_last_wal_replay_lsn() >= %s::pg_lsn, false), "
            "pg_last_xact_replay_timestamp()",
            [position],
        )
        follows, has_all, last = cursor.fetchone()
    if not follows:
        return Source(why="it is no streaming replica")
    if has_all:
        return Source(ALIAS)
    if last is None or now - last > TOO_LATE:
        return Source(why="it is more than 15 minutes behind" if last else "it has not replayed anything yet")
    return Source(ALIAS, last if now - last > LATE else None)

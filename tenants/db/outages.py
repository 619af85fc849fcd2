"""Recognise that the database or a disk is away, full or too slow: a fault of the moment, and not one of the request.

The driver's error decides, by its class and code. Of its words only the phrases of `_REASONS` are repeated: the others
may quote rows, addresses and names.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from enum import Enum

from django.db import DatabaseError, InterfaceError, OperationalError


class Outage(Enum):
    """What is wrong: for the log, and in a sentence for whoever asked; and in how many seconds to ask again.

    A time limit or a lock that was not to be had (SLOW) is no outage for the log: it befalls one statement.
    """

    GONE = "The database does not answer", "The database does not answer. Try again in a moment.", 10
    SLOW = "", "The database took too long for this. Try again later, or ask for less at once.", 30
    READ_ONLY = (
        "The disk or database is read-only",
        "The database cannot store anything at present. Try again later.",
        30,
    )
    FILES = (
        "The bucket of uploads does not answer or refuses",
        "The uploaded files cannot be reached at present. Try again later.",
        30,
    )
    FULL = "The disk is full", "The database cannot store anything at present. Try again later.", 30

    def __init__(self, log: str, sentence: str, retry_after: int) -> None:
        self.log, self.sentence, self.retry_after = log, sentence, retry_after


# PostgreSQL's codes, whole or their class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_OF_STATE = {
    "57014": Outage.SLOW,  # a statement was canceled: it reached its limit
    "55P03": Outage.SLOW,  # a lock was not to be had in time
    "40": Outage.SLOW,  # a deadlock, or a conflict with another transaction
    "25006": Outage.READ_ONLY,
    "53100": Outage.FULL,
    "08": Outage.GONE,  # the connection failed
    "25P03": Outage.GONE,  # the server ended an idle transaction
    "25P04": Outage.SLOW,  # the whole transaction reached its limit
    "53": Outage.GONE,  # too many connections, out of memory
    "57P": Outage.GONE,  # stopping, stopped by an operator, starting
    "58": Outage.GONE,  # errors of the operating system
}
# SQLite's codes (https://www.sqlite.org/rescode.html).
_OF_SQLITE = {
    5: Outage.SLOW,  # busy: another process writes
    6: Outage.SLOW,  # locked
    8: Outage.READ_ONLY,
    10: Outage.FULL,  # an error of the disk: what SQLite says when a file may not grow
    13: Outage.FULL,
    14: Outage.GONE,  # the file cannot be opened
    15: Outage.SLOW,  # locking protocol
}
_OF_ERRNO = {
    errno.ENOSPC: Outage.FULL,
    errno.EDQUOT: Outage.FULL,
    errno.EFBIG: Outage.FULL,
    errno.EROFS: Outage.READ_ONLY,
}
# Of connections that failed, for which the driver has no code.
_REASONS = (
    "connection refused",
    "timeout expired",
    "failed to resolve host",
    "no such file or directory",
    "password authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
    "too many clients",
    "starting up",
)


def outage_in(error: BaseException | None) -> Outage | None:
    """Return the outage, of the database or of the disk, that an error or one of its causes tells of. Not SLOW."""
    for each in _causes(error):
        found = outage_of(each)
        if isinstance(each, OSError) and not isinstance(each, ConnectionError):
            found = found or _OF_ERRNO.get(each.errno or 0)
        if found and found.log:
            return found
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__


def outage_of(error: BaseException | None) -> Outage | None:
    """Return the outage that an error of Django's database layer, or of a bucket, tells of. None for other errors."""
    if isinstance(error, OSError) and error.errno == errno.EHOSTDOWN:
        return Outage.FILES
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    cause = error.__cause__
    if (code := getattr(cause, "sqlite_errorcode", None)) is not None:
        return _OF_SQLITE.get(code & 0xFF)
    if state := getattr(cause, "sqlstate", None):
        return next((_OF_STATE[state[:length]] for length in (5, 3, 2) if state[:length] in _OF_STATE), None)
    # Without a code: the server was not reached, or the connection is lost.
    return Outage.GONE if isinstance(error, OperationalError | InterfaceError) else None


def words_of(error: BaseException) -> str:
    """Return the class and the code of an error, for a log line. Without a code: a reason that is known here."""
    name, causes = type(error).__name__, list(_causes(error))
    if code := next(filter(None, map(_code, causes)), None):
        return f"{name} {code}"
    said = " ".join(str(each).lower() for each in causes if isinstance(each, DatabaseError | InterfaceError))
    reason = next((phrase for phrase in _REASONS if phrase in said), None)
    return f"{name}: {reason}" if reason else name


def _code(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0)
    return getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)

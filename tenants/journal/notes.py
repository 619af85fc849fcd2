"""Note in the journal what forbids calls: do-not-call entries, stops, erasures. Written when they are committed.

A note has a row in the database, which commits with what the note tells of. A restored database lacks the row, so the
note is noticed and what it tells of is done again (`calls/journal`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from tenants.journal.writer import DatabaseIsOlder, NotCompared, NotWritten, writer
from tenants.models import JournalNote, Organization

logger = logging.getLogger(__name__)
_is_done_again: ContextVar[bool] = ContextVar("is_done_again", default=False)


@contextmanager
def done_again() -> Iterator[None]:
    """Write nothing: what is done now has its lines in a journal already, which are known when all is done."""
    token = _is_done_again.set(True)
    try:
        yield
    finally:
        _is_done_again.reset(token)


def note(organization: Organization, kind: str, **detail: Any) -> None:
    """Write a line when the caller's transaction commits, and before anybody is answered.

    `detail`: JSON without names and numbers; a number is given as its keyed hash. If the journal cannot be written,
    the change holds all the same, and readiness says what is wrong.
    """
    if writer() is None or _is_done_again.get():
        return
    row = JournalNote.objects.create()
    line = {"kind": kind, "at": timezone.now().isoformat(), "organization": str(organization.uuid), **detail}
    line["token"] = str(row.token)
    transaction.on_commit(lambda: _write(line))


def _write(line: dict[str, Any]) -> None:
    found = writer()
    if found is None:
        return
    try:
        found.append([line])
        told = found.told()
        with transaction.atomic():
            found.mark(told)
    except NotWritten:
        logger.exception("A change is not in the dial journal: %s", line["kind"])
    except (DatabaseIsOlder, NotCompared, DatabaseError, InterfaceError):  # it is written; the next start compares
        logger.exception("The database was not told of a line of the dial journal")

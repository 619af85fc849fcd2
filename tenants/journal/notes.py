"""Note in the journal what forbids calls: do-not-call entries, stops, erasures. Written when they are committed.

A note has a row in the database, which commits with what the note tells of. A restored database lacks the row, so the
note is noticed and what it tells of is done again (`calls/journal`). The row keeps the line until it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from tenants.journal.lines import Line
from tenants.journal.writer import DatabaseIsOlder, NotCompared, NotWritten, writer
from tenants.models import JournalNote, Organization

logger = logging.getLogger(__name__)
LEFT_AFTER = timedelta(seconds=30)  # by then a process that lives has written its line
AT_ONCE = 500
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
    the change holds all the same, and readiness says what is wrong. The line is written later.
    """
    if writer() is None or _is_done_again.get():
        return
    token, now = uuid4(), timezone.now()
    line: Line = {"kind": kind, "at": now.isoformat(), "organization": str(organization.uuid), **detail}
    line["token"] = str(token)
    JournalNote.objects.create(token=token, at=now, line=line)
    transaction.on_commit(lambda: _write([line]))


def write_left() -> None:
    """Write the lines that are left from processes that died after the commit, or that could not write.

    A line that is written twice does no harm: its token says that it is the same.
    """
    left = JournalNote.objects.filter(line__isnull=False, at__lt=timezone.now() - LEFT_AFTER).order_by("at")
    if lines := [row.line for row in left[:AT_ONCE] if row.line]:
        _write(lines)


def _write(lines: list[Line]) -> None:
    found = writer()
    if found is None:
        return
    try:
        found.append(lines)
        told = found.told()
        with transaction.atomic():
            found.mark(told)
            JournalNote.objects.filter(token__in=[line["token"] for line in lines]).update(line=None)
    except NotWritten:
        kinds = ", ".join(sorted({line["kind"] for line in lines}))
        logger.exception("A change is not in the dial journal yet: %s", kinds)
    except (DatabaseIsOlder, NotCompared, DatabaseError, InterfaceError):  # it is written; the next start compares
        logger.exception("The database was not told of a line of the dial journal")

"""Write the dial journal: each process has a file of its own for each day, and one write for each batch.

What has to be on the disk before something else happens is written with `append`; what is only useful, with `add`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models.functions import Greatest

from tenants import failpoints
from tenants.journal import folder as folders
from tenants.journal.keeping import remove_old
from tenants.journal.lines import encode
from tenants.models import DialJournal, History, JournalFile

logger = logging.getLogger(__name__)
TRY_AGAIN = 5.0  # seconds after which a journal that could not be written is tried again


class NotWritten(Exception):
    """The journal cannot be written. The message is a sentence that says why."""


class DatabaseIsOlder(Exception):
    """The database knows less of the journal than this process has told it: it was restored meanwhile."""


def history() -> History:
    """Return the history of the database."""
    return History.objects.get_or_create(pk=1)[0]


def begin_history(using: str = "default", **_: Any) -> None:
    """Give a new database its history. A receiver of `post_migrate`: each backup has it, and so the same."""
    if History._meta.db_table in connections[using].introspection.table_names():
        History.objects.using(using).get_or_create(pk=1)


class Writer:
    """The file of this process. Threads share it; a process that is forked makes its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = os.getpid()
        self.trouble = ""
        self._lock = threading.RLock()
        self._again_at = 0.0
        self._day: date | None = None
        self._descriptor = -1
        self._size = 0
        self._row: int | None = None  # the key of the file in the database
        self._journal: int | None = None
        self._synced = self._marked = 0  # bytes on the disk, and bytes that the database was told of

    def ready(self) -> bool:
        """Return whether the journal can be written, as far as is known. After a failure, try from time to time."""
        with self._lock:
            if not self.trouble:
                return True
            if time.monotonic() < self._again_at:
                return False
            with suppress(NotWritten):
                self.append([{"kind": "again"}])
            return not self.trouble

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines and return when they are on the disk. Raises NotWritten."""
        words = b"".join(map(encode, lines))
        with self._lock:
            try:
                self._open()
                failpoints.reach("journal.begun")
                self._write(words)
                os.fdatasync(self._descriptor)
            except (OSError, ValueError, DatabaseError, InterfaceError) as error:
                raise NotWritten(self._fail(error)) from error
            self._synced = self._size
            if self.trouble:
                self.trouble = ""
                self._tell()
        failpoints.reach("journal.written")

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines without waiting for the disk. Nobody is told when that fails: they are useful, not needed."""
        words = b"".join(map(encode, lines))
        with self._lock:
            if not words or self._descriptor < 0:
                return
            try:
                self._write(words)
            except OSError as error:
                self._fail(error)

    def mark(self) -> None:
        """Tell the database, in the caller's transaction, how much is on the disk. Raises DatabaseIsOlder."""
        if self._row is None or self._synced == self._marked:
            return
        row, synced = self._row, self._synced
        known = JournalFile.objects.filter(pk=row, position__gte=self._marked)
        if not known.update(position=Greatest("position", synced)):  # another thread may have told it of more
            raise DatabaseIsOlder("The database was restored while this process ran. Start the worker anew.")

        def remember() -> None:
            if self._row == row:
                self._marked = max(self._marked, synced)

        transaction.on_commit(remember)

    def close(self) -> None:
        """Close the file. The next line opens another one."""
        with self._lock:
            if self._descriptor >= 0 and self.pid == os.getpid():
                with suppress(OSError):
                    os.close(self._descriptor)
            self._descriptor, self._day, self._row = -1, None, None

    def _open(self) -> None:
        today = datetime.now(UTC).date()
        if self._descriptor >= 0 and self._day == today:
            return
        self.close()
        known = history()
        identity, is_new = folders.made_identity(self.folder, known.installation)
        if identity.installation != known.installation:
            raise ValueError(f"The journal in {self.folder} belongs to another database.")
        journal = self._known_journal(identity, known, is_new)
        name, self._descriptor = folders.new_file(self.folder, today)
        self._size = self._synced = self._marked = 0
        self._write(encode({"kind": "file", "journal": str(identity.journal), "host": identity.host}))
        self._row = JournalFile.objects.create(journal=journal, name=name).pk
        self._journal, self._day = journal.pk, today
        remove_old(self.folder, journal)

    def _known_journal(self, identity: folders.Identity, known: History, is_new: bool) -> DialJournal:
        """Return the row of the journal, made with it. A restored database may lack it, and is compared first."""
        if is_new:
            given = {"host": identity.host, "folder": str(self.folder), "presented": known.epoch}
            return DialJournal.objects.get_or_create(uuid=identity.journal, defaults=given)[0]
        if found := DialJournal.objects.filter(uuid=identity.journal).first():
            return found
        raise ValueError("The database does not know it. Start a worker here, or run manage.py reconcile_journal.")

    def _write(self, words: bytes) -> None:
        written = os.write(self._descriptor, words)
        if written != len(words):
            raise OSError("The disk is full.")
        self._size += written

    def _fail(self, error: Exception) -> str:
        """Begin another file next time, so that what is torn is the end of its file. Return the sentence."""
        self.close()
        self._again_at = time.monotonic() + TRY_AGAIN
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        if isinstance(error, DatabaseError | InterfaceError):
            why = "the database does not answer"
        if not self.trouble:
            logger.error("The dial journal in %s cannot be written: %s", self.folder, why)
            self.trouble = f"The dial journal in {self.folder} cannot be written: {why.rstrip('.')}."[:300]
            self._tell()
        return self.trouble

    def _tell(self) -> None:
        """Let the web processes know. If the database does not answer, they have more to say than this."""
        if self._journal is not None:
            with suppress(DatabaseError, InterfaceError):
                DialJournal.objects.filter(pk=self._journal).update(trouble=self.trouble)


_held: dict[Path, Writer] = {}
_holding = threading.Lock()


def writer() -> Writer | None:
    """Return the writer of this process, or None when the journal is off."""
    folder: Path | None = settings.DIAL_JOURNAL
    if folder is None:
        return None
    with _holding:
        found = _held.get(folder)
        if found is None or found.pid != os.getpid():
            found = _held[folder] = Writer(folder)
        return found


def forget() -> None:
    """Close the files of this process, for a test that goes on with another database."""
    with _holding:
        for found in _held.values():
            found.close()
        _held.clear()

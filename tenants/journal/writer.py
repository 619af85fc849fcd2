"""Write the dial journal: each process has a file of its own for each day, and one write for each batch.

What has to be on the disk before something else happens is written with `append`; what is only useful, with `add`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import Exists, Subquery
from django.db.models.functions import Greatest

from tenants import failpoints
from tenants.journal import folder as folders
from tenants.journal.lines import encode
from tenants.models import DialJournal, History, JournalFile

logger = logging.getLogger(__name__)
TRY_AGAIN = 5.0  # seconds after which a journal that could not be written is tried again


class NotWritten(Exception):
    """The journal cannot be written. The message is a sentence that says why."""


class NotCompared(Exception):
    """The journal was not compared since the database was restored or moved: nothing may be claimed before."""


class DatabaseIsOlder(Exception):
    """The database knows less of the journal than this host has told it: it was restored meanwhile."""


OLDER = "The database was restored while this process ran. Start web and workers anew."
NOT_COMPARED = "The database was restored or moved, and its dial journals were not compared since."


@dataclass
class _File:
    """The file of a process for a day."""

    name: str
    day: date
    descriptor: int
    telling: int = -1  # descriptor of what the other processes read
    row: int = 0  # the key of the file in the database
    size: int = 0
    synced: int = 0  # bytes on the disk
    marked: int = 0  # bytes that the database was told of


def history() -> History:
    """Return the history of the database."""
    return History.objects.get_or_create(pk=1)[0]


def begin_history(using: str = "default", **_: Any) -> None:
    """Give a new database its history. A receiver of `post_migrate`: each backup has it, and so the same."""
    if History._meta.db_table in connections[using].introspection.table_names():
        History.objects.using(using).get_or_create(pk=1)


def _unknown(folder: Path) -> None:
    raise ValueError(f"The database does not know {folder}.")


_introduce: Callable[[Path], None] = _unknown


def introduced_by(work: Callable[[Path], None]) -> None:
    """Set what compares a folder that the database does not know, and registers it if nothing is wrong."""
    global _introduce
    _introduce = work


class Writer:
    """The file of this process. Threads share it; a process that is forked makes its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = os.getpid()
        self.trouble = ""
        self.refused = ""  # why this process writes no new file and claims nothing, until it ends
        self._lock = threading.RLock()
        self._again_at = 0.0
        self._file: _File | None = None
        self._journal: int | None = None
        self._left: list[str] = []  # files of this process that it has left for another one

    def ready(self) -> bool:
        """Return whether the journal can be written, as far as is known. After a failure, try from time to time.

        The file is opened here, before a claim, so that `mark` has something to compare. Raises DatabaseIsOlder.
        """
        with self._lock:
            if self.trouble and not self.refused and time.monotonic() < self._again_at:
                return False
            with suppress(NotWritten):
                if self.trouble or self._file is None or self._file.day != datetime.now(UTC).date():
                    self.append([])
            if self.refused:
                raise DatabaseIsOlder(self.refused)
            return not self.trouble

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines and return when they are on the disk. Raises NotWritten."""
        words = b"".join(map(encode, lines))
        with self._lock:
            try:
                file = self._open()
                if words:
                    failpoints.reach("journal.begun")
                    self._write(file, words)
                    os.fdatasync(file.descriptor)
            except (OSError, ValueError, DatabaseIsOlder, DatabaseError, InterfaceError) as error:
                raise NotWritten(self._fail(error)) from error
            file.synced = file.size
            if not self.refused:
                self.trouble = ""
        if words:
            failpoints.reach("journal.written")

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines without waiting for the disk. Nobody is told when that fails: they are useful, not needed."""
        words = b"".join(map(encode, lines))
        with self._lock:
            if not words or self._file is None:
                return
            try:
                self._write(self._file, words)
            except OSError:
                self.close()  # what is torn is the end of its file

    def told(self) -> dict[str, int]:
        """Return what the processes of this folder have told the database so far, for `mark`. Raises NotCompared.

        Read it before the transaction, which holds locks: each of them was told before it said so.
        """
        try:
            return folders.told(self.folder)
        except OSError as error:
            raise NotCompared(f"The dial journal in {self.folder} cannot be read: {error.strerror}.") from error

    def mark(self, told: Mapping[str, int]) -> None:
        """Tell the database, in the caller's transaction, how much is on the disk, and ask it what it knows.

        It has to know what each process of this host has `told` it, also of other files: the claims of others are as
        much in a restored queue as this one's. Raises DatabaseIsOlder, NotCompared.
        """
        file = self._file
        if self.refused:
            raise DatabaseIsOlder(self.refused)
        if file is None:
            raise NotCompared("The dial journal is not open.")
        synced = file.synced
        mine = JournalFile.objects.filter(pk=file.row, position__gte=file.marked)
        epoch = History.objects.values("epoch")[:1]
        awaited = DialJournal.objects.filter(presented__lt=Subquery(epoch))  # of any host: it may know of any call
        # Another thread may have told it of more.
        if not mine.filter(~Exists(awaited)).update(position=Greatest("position", synced)):
            if mine.exists():  # a journal was awaited, though it may have been compared since
                raise NotCompared(NOT_COMPARED)
            self._refuse()
        # Twice, because a number that is being written may read as a larger one.
        if self._is_behind(told) and self._is_behind(self.told()):
            self._refuse()
        transaction.on_commit(lambda: self._remember(file, synced))

    def _is_behind(self, told: Mapping[str, int]) -> bool:
        """Return whether the database knows less than it was told. A file of which it was told nothing proves nothing.

        Its process may not have come to its row yet, or have died before.
        """
        names = [name for name, position in told.items() if position]
        known = JournalFile.objects.filter(journal=self._journal, name__in=names).values_list("name", "position")
        positions = dict(known)
        return any(positions.get(name, -1) < told[name] for name in names)

    def _remember(self, file: _File, synced: int) -> None:
        with self._lock:
            if file is self._file and synced > file.marked:
                file.marked = synced
                with suppress(OSError):
                    folders.tell(file.telling, synced)
                    # A database that knows this knows all that the process told it before.
                    folders.forget_told(self.folder, self._left)
                    self._left = []

    def _refuse(self) -> NoReturn:
        if not self.refused:
            logger.error(OLDER)
            self.refused = self.trouble = OLDER
        raise DatabaseIsOlder(OLDER)

    def close(self) -> None:
        """Close the file. The next line opens another one."""
        with self._lock:
            if self._file is not None and self.pid == os.getpid():
                self._left.append(self._file.name)
                for descriptor in (self._file.descriptor, self._file.telling):
                    if descriptor >= 0:
                        with suppress(OSError):
                            os.close(descriptor)
            self._file = None

    def _open(self) -> _File:
        today = datetime.now(UTC).date()
        if self._file is not None:
            if self._file.day == today:
                return self._file
            self._leave(self._file)
        if self.refused:
            raise DatabaseIsOlder(self.refused)
        journal = self._known_journal()
        self._journal = journal.pk
        name, descriptor = folders.new_file(self.folder, today)
        file = self._file = _File(name, today, descriptor)
        file.telling = folders.begin_telling(self.folder, name)
        self._write(file, encode({"kind": "file"}))
        os.fdatasync(descriptor)  # so each claim tells the database of more than the one before, the first as well
        file.synced = file.size
        # Who compares the folder meanwhile may have made the row, with what was told so far: nothing.
        file.row = JournalFile.objects.get_or_create(journal=journal, name=name)[0].pk
        self._store_trouble("")  # also of a process that has ended
        return file

    def _leave(self, file: _File) -> None:
        """Tell the database where a file ends, and close it. Raises DatabaseIsOlder."""
        known = JournalFile.objects.filter(pk=file.row, position__gte=file.marked)
        if not known.update(position=Greatest("position", file.synced)):
            self._refuse()
        self._remember(file, file.synced)
        self.close()

    def _known_journal(self) -> DialJournal:
        """Return the row of the journal. A restored database may lack it, and is compared first. Raises ValueError."""
        known, identity = history(), folders.identity_of(self.folder)
        if identity and identity.installation != known.installation:
            raise ValueError(f"The journal in {self.folder} belongs to another database.")
        if identity is None or not DialJournal.objects.filter(uuid=identity.journal).exists():
            _introduce(self.folder)
            known, identity = history(), folders.identity_of(self.folder)
        found = DialJournal.objects.filter(uuid=identity.journal).first() if identity else None
        if found is None or found.presented != known.epoch:
            raise ValueError(NOT_COMPARED)
        return found

    def _write(self, file: _File, words: bytes) -> None:
        written = os.write(file.descriptor, words)
        if written != len(words):
            raise OSError("The disk is full.")
        file.size += written

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
        if not self.refused:
            self._store_trouble(self.trouble)  # each time: another process may have removed it
        return self.trouble

    def _store_trouble(self, trouble: str) -> None:
        """Let the web processes know. If the database does not answer, they have more to say than this."""
        if self._journal is not None:
            with suppress(DatabaseError, InterfaceError):
                DialJournal.objects.filter(pk=self._journal).exclude(trouble=trouble).update(trouble=trouble)


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

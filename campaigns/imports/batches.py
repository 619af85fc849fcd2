"""The rows of a file in batches: each batch is read while the one before is written.

Reading is arithmetic and writing is mostly waiting for the database, so both go on at once: the rows are read in a
thread of their own, one batch ahead. That thread touches no database. A column whose digits fit two numbers is read by
the caller's thread, which renews the lease and keeps the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from campaigns.imports.number_reading import ReadingOf
from campaigns.imports.readings import NotReadYet, Readings
from campaigns.imports.rows import ContactRow, RejectedRow
from campaigns.imports.text_records import ReadRow

MOST_BYTES = 4 * 1024 * 1024  # of the file, in a batch: rows may be long, and a batch is in memory several times
Read = Callable[[ReadRow, ReadingOf], ContactRow | RejectedRow]


@dataclass
class Batch:
    """The rows that are written in one transaction."""

    contacts: list[ContactRow] = field(default_factory=list)
    cells: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of the contacts, by line
    rejected: list[RejectedRow] = field(default_factory=list)
    read: int = 0  # rows of the file, blank ones too
    bytes: int = 0
    rows: int = 0
    line: int = 0
    end: int = 0


class Batches:
    """Reads rows in batches of a size. Close the iterator before the file: it reads ahead."""

    def __init__(self, rows: Iterator[ReadRow], begin: int, size: int, read: Read, readings: Readings) -> None:
        """`begin` is the offset of the first row."""
        self._rows, self._end, self._size, self._read, self._readings = rows, begin, size, read, readings
        self._waiting: ReadRow | None = None  # for a column that is not read yet

    def __iter__(self) -> Generator[Batch, None, None]:
        with ThreadPoolExecutor(1, thread_name_prefix="import-rows") as beside:
            batch = Batch()
            complete = self._fill(batch, self._readings)
            while complete and batch.read:
                following = Batch()
                coming = beside.submit(self._fill, following, self._readings.known)
                yield batch
                batch = following
                complete = coming.result() or self._fill(batch, self._readings)

    def _fill(self, batch: Batch, reading_of: ReadingOf) -> bool:
        """Read rows until the batch is full or the file ends. Return False if a column has to be read first."""
        while batch.read < self._size and batch.bytes < MOST_BYTES:
            row = self._waiting or next(self._rows, None)
            if row is None:
                break
            self._waiting = row
            if not row.blank:
                try:
                    found = self._read(row, reading_of)
                except NotReadYet:
                    return False
                batch.rows += 1
                if isinstance(found, ContactRow):
                    batch.contacts.append(found)
                    batch.cells[found.line] = row.cells
                else:
                    batch.rejected.append(found)
            self._waiting = None
            batch.read += 1
            batch.bytes += row.end - self._end
            batch.line, batch.end = row.line, row.end
            self._end = row.end
        return True

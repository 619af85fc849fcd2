"""Read a workbook by way of a child process: its rows become a file of lines, which can be read from any row on. Pure.

A file of rows begins with ROWS and the names of the sheets. Each further line is a row: its number in the sheet, its
cells and its fault, as JSON. The child writes straight into the file, so the parent never holds a sheet.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from campaigns.imports.columns import UnreadableFile
from campaigns.imports.workbooks.refusals import SENTENCES, Reason

logger = logging.getLogger(__name__)

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls
ROWS = b"\x1eTrunkline rows 1\n"
CHILD = "campaigns.imports.workbooks.child"
HOME = Path(__file__).resolve().parents[3]
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(HOME), *filter(None, sys.path)]), "PYTHONIOENCODING": "utf-8"}
WAIT_SECONDS = 150  # longer than the child allows itself
CHILDREN = threading.BoundedSemaphore(2)  # of this process: each may take its MEMORY, and a thread waits for each
TURN_SECONDS = 3.0  # until a file is refused because others are being read
BUSY = "Other workbooks are being read at the moment; try again in a minute, or save the sheet as 'CSV UTF-8'."
PIECE = 256 * 1024
MAX_BLANK_ROWS = 1_000  # rows before the header
MAX_LINE = 8 * 1024 * 1024  # bytes; the child keeps 1,000,000 characters of a row
HEAD_BYTES = 4 * 1024 * 1024  # of the rows among which the header must be
MAX_ROW = 1_048_576
MAX_CELLS = 2_000  # the child keeps no more
FAULT = re.compile(r"|[^\W\d_][^\0]{0,500}")
HALF = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")

Row = tuple[int, tuple[str, ...], int, str]  # number, cells, offset after the row, fault


class RowsFile(io.BufferedRandom):
    """Rows in a file without a name. It is closed, and so deleted, when nothing reads it any more."""

    def __init__(self) -> None:
        super().__init__(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def again(self) -> Iterator[BinaryIO]:
        """Open the rows once more, at their start, wherever they are read at the moment."""
        with io.BufferedReader(_Again(self.fileno())) as file:
            yield file


class _Again(io.RawIOBase):
    """Reads an open file from its start, with a position of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count


def is_workbook(head: bytes) -> bool:
    """Return whether a file with these first bytes is a workbook, or the rows of one."""
    return head.startswith((ZIP, OLE, ROWS))


def readable(file: BinaryIO) -> BinaryIO:
    """Return the rows of an open workbook, and any other file as it is. Raises UnreadableFile."""
    head = file.read(len(ROWS))
    file.seek(0)
    return rows_file(file) if is_workbook(head) else file


def rows_file(file: BinaryIO) -> BinaryIO:
    """Return the rows of an open workbook as a temporary file; the file itself if it has rows. Raises UnreadableFile.

    Waits for the child, which ends by itself within WALL_SECONDS.
    """
    file.seek(0)
    head = file.read(len(ROWS))
    file.seek(0)
    return file if head == ROWS else rows_of(iter(lambda: file.read(PIECE), b""))


def rows_of(pieces: Iterable[bytes]) -> BinaryIO:
    """Return the rows of a workbook, or of a file of rows, as a temporary file. Raises UnreadableFile."""
    rows = RowsFile()
    with tempfile.TemporaryFile(buffering=0) as source:
        for piece in pieces:
            source.write(piece)
        source.seek(0)
        if source.read(len(ROWS)) == ROWS:
            source.seek(0)
            shutil.copyfileobj(source, rows)
        else:
            source.seek(0)
            rows.write(ROWS)
            rows.flush()
            _run(source, rows)
    rows.seek(0)
    return rows


def _run(source: object, rows: object) -> None:
    """Run the child to its end when it is its turn. Raises UnreadableFile, also if that does not come."""
    if not CHILDREN.acquire(timeout=TURN_SECONDS):
        raise UnreadableFile(BUSY)
    try:
        _run_child(source, rows)
    finally:
        CHILDREN.release()


def _run_child(source: object, rows: object) -> None:
    """Run the child. Raises UnreadableFile if it refuses the workbook, breaks a limit or crashes."""
    command = [sys.executable, "-s", "-P", "-m", CHILD]
    try:
        status = subprocess.run(  # noqa: S603
            command,
            stdin=source,  # type: ignore[call-overload]
            stdout=rows,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=WAIT_SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(SENTENCES[Reason.TOO_LARGE]) from error
    if status in SENTENCES:
        raise UnreadableFile(SENTENCES[Reason(status)])
    if status:
        # SIGABRT is Rust's end of a process to which the system refused memory: a cell of 512 GB, for example.
        logger.warning("The process that reads a workbook ended with the status %s.", status)
        raise UnreadableFile(SENTENCES[Reason.TOO_LARGE if status < 0 else Reason.DAMAGED])


class Workbook:
    """The first visible sheet of a workbook. The constructor and `rows` raise UnreadableFile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = rows_file(file)
        self.size = self._file.seek(0, 2)
        self._file.seek(len(ROWS))
        self.sheet_names = self._names(self._file.readline(MAX_LINE))
        self._begin = self._file.tell()
        first = self.first_rows(MAX_BLANK_ROWS)
        self.header = next((cells for _, cells, _, _ in first if any(map(str.strip, cells))), ())

    def first_rows(self, most: int) -> Iterator[Row]:
        """Yield the first rows that are not empty, also fewer than `most`: no more than about HEAD_BYTES."""
        for row in islice(self.rows(), most):
            yield row
            if row[2] - self._begin > HEAD_BYTES:
                return

    def rows(self, offset: int = 0, number: int = 0) -> Iterator[Row]:
        """Yield every row that is not empty; with `offset` and `number` of an earlier row, the rows after it."""
        self._file.seek(offset or self._begin)
        end = self._file.tell()
        while line := self._file.readline(MAX_LINE):
            end += len(line)
            row = _row(line)
            if row[0] <= number:
                raise UnreadableFile(SENTENCES[Reason.DAMAGED])
            number = row[0]
            yield number, row[1], end, row[2]

    @staticmethod
    def _names(line: bytes) -> list[str]:
        names = _json(line)
        if isinstance(names, list) and names and all(isinstance(name, str) and "\0" not in name for name in names):
            return names
        raise UnreadableFile(SENTENCES[Reason.DAMAGED])


def _row(line: bytes) -> tuple[int, tuple[str, ...], str]:
    found = _json(line)
    match found:
        case [int(number), list(cells), str(fault)] if all(isinstance(cell, str) for cell in cells):
            if number <= MAX_ROW and len(cells) <= MAX_CELLS and FAULT.fullmatch(fault):
                return number, tuple(cells), fault
    raise UnreadableFile(SENTENCES[Reason.DAMAGED])


def _json(line: bytes) -> object:
    try:
        if HALF.search(line):  # half a character: no database stores it, and the child never writes it
            raise ValueError
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(SENTENCES[Reason.DAMAGED]) from error

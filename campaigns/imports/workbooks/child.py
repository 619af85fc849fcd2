"""The child process that reads a workbook: from standard input to rows on standard output. It knows no Django.

It limits its own memory, time and output before it looks at the file. The parent is `reading`.
"""

from __future__ import annotations

import ctypes
import errno
import json
import resource
import signal
import sys
import zipfile
from collections.abc import Iterator
from itertools import accumulate, chain
from typing import BinaryIO

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    WorksheetNotFound,
    load_workbook,
)

from campaigns.imports.workbooks import ods, xls, xlsb, xlsx
from campaigns.imports.workbooks.archive import Archive, checked
from campaigns.imports.workbooks.marks import Mark, by_row
from campaigns.imports.workbooks.refusals import Reason, Refused, reporting_damage
from campaigns.imports.workbooks.values import Value, as_text

MEMORY = 1024 * 1024 * 1024  # bytes; 1,000,000 rows of 6 cells take 690 MB
CPU_SECONDS = 60
WALL_SECONDS = 120
OUTPUT = 1024 * 1024 * 1024  # bytes
MAX_ROW = 1_048_576
MAX_COLUMN = 16_384
KEPT_COLUMNS = 2_000  # cells after these are not kept: no import reads so many
KEPT_ROW = 1_000_000  # characters; the parent holds a row as a whole
LONG_ROW = f"This row is longer than {KEPT_ROW:,} characters; shorten its cells."
PARENT_DIED = 1  # PR_SET_PDEATHSIG of prctl(2)
SHEETS_NAMED = 100
MARKS = {"xlsx": xlsx.marks, "xlsb": xlsb.marks, "ods": ods.marks}
ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Row = tuple[int, list[str], str]  # number, cells, fault


def main() -> int:
    """Write the rows. Return the exit status: 0, or a Reason."""
    _limit()
    out = sys.stdout
    try:
        with reporting_damage():
            for line in lines(sys.stdin.buffer, "/dev/stdin"):
                out.write(line)
        out.flush()
    except Refused as refused:
        return refused.reason
    except MemoryError:
        return Reason.TOO_LARGE
    except OSError as error:
        return Reason.TOO_LARGE if error.errno in (errno.EFBIG, errno.ENOSPC) else Reason.DAMAGED
    return 0


def _limit() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    signal.alarm(WALL_SECONDS)


def lines(file: BinaryIO, source: str | BinaryIO) -> Iterator[str]:
    """Yield the lines of the output: the names of the sheets, then each row that is not empty. Raises Refused."""
    archive = _archive(file)
    old = b"" if archive else xls.workbook_stream(file)
    try:
        book = load_workbook(source)
        visible = [
            each.name
            for each in book.sheets_metadata
            if each.visible == SheetVisibleEnum.Visible and each.typ == SheetTypeEnum.WorkSheet
        ]
        if not visible:
            raise Refused(Reason.NO_SHEET)
        yield _line([name[:60] for name in visible[:SHEETS_NAMED]])
        found = MARKS[archive.kind](archive, visible[0]) if archive else xls.marks(old)
        # The marks are begun first: they notice what is wrong with a part before all of it is in memory.
        marked = by_row(found)
        first = list(_first(marked))
        yield from map(_line, rows(_values(book, visible[0]), chain(first, marked)))
    except PasswordError as error:
        raise Refused(Reason.LOCKED) from error
    except WorksheetNotFound as error:
        raise Refused(Reason.NO_SHEET) from error
    except CalamineError as error:
        raise Refused(Reason.DAMAGED if archive else Reason.OLD) from error


def _archive(file: BinaryIO) -> Archive | None:
    """Return the parts of a zip file; None for an old workbook. Raises Refused."""
    head = file.read(4)
    file.seek(0)
    return checked(zipfile.ZipFile(file)) if head.startswith(b"PK") else None


def _first(marked: Iterator[tuple[int, dict[int, Mark]]]) -> Iterator[tuple[int, dict[int, Mark]]]:
    if (one := next(marked, None)) is not None:
        yield one


def _line(value: object) -> str:
    return f"{ENCODE(value)}\n"


def _values(book: CalamineWorkbook, name: str) -> Iterator[tuple[int, list[Value]]]:
    """Yield number and values of each row that has some, from the first column on. Raises Refused.

    Rows are counted from the first of the sheet, columns from the first that has a value.
    """
    sheet: CalamineSheet = book.get_sheet_by_name(name)
    if sheet.start is None or sheet.end is None:
        return
    if sheet.end[0] >= MAX_ROW or sheet.end[1] >= MAX_COLUMN:
        raise Refused(Reason.DAMAGED)
    before: list[Value] = [""] * min(sheet.start[1], KEPT_COLUMNS)
    for number, values in enumerate(sheet.iter_rows(), 1):
        if values.count("") < len(values):
            yield number, [*before, *values][:KEPT_COLUMNS]


def rows(values: Iterator[tuple[int, list[Value]]], marked: Iterator[tuple[int, dict[int, Mark]]]) -> Iterator[Row]:
    """Yield the rows that hold text or have a fault. A row may have marks and no values."""
    pending = next(marked, None)
    for number, cells in values:
        while pending and pending[0] < number:
            yield _row(pending[0], [], pending[1])
            pending = next(marked, None)
        own: dict[int, Mark] = {}
        if pending and pending[0] == number:
            own, pending = pending[1], next(marked, None)
        yield _row(number, cells, own)
    for rest in chain([pending] if pending else [], marked):
        yield _row(rest[0], [], rest[1])


def _row(number: int, values: list[Value], marks: dict[int, Mark]) -> Row:
    cells = [as_text(value) if value != "" else "" for value in values]
    fault = ""
    for column, mark in sorted(marks.items()):
        fault = fault or mark.fault
        if column <= len(cells) and (mark.text or mark.zeros):
            cells[column - 1] = mark.text or as_text(values[column - 1], mark.zeros)
    while cells and not cells[-1]:
        cells.pop()
    if sum(map(len, cells)) > KEPT_ROW:
        ends = accumulate(map(len, cells))
        cells = [cell for cell, end in zip(cells, ends, strict=True) if end <= KEPT_ROW]
        fault = fault or LONG_ROW
    return number, cells, fault


if __name__ == "__main__":
    sys.exit(main())

"""From bytes to contacts and complaints. Pure: nothing here knows the database, and nothing holds a whole file.

A file is read line by line, and every row carries the offset behind it, so that reading can go on from any row. One bad
line costs that line alone: a stray quote, which would make one cell of all that follows, is noticed and rejected.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO
from zoneinfo import available_timezones

from campaigns.imports.columns import (
    MAX_VARIABLES,
    ColumnMapping,
    UnreadableFile,
    chosen_mapping,
    guess_mapping,
    mapping_faults,
)
from campaigns.imports.file_format import (
    MAX_COLUMNS,
    SAMPLE_BYTES,
    UTF_8_MARK,
    UTF_16,
    WORKBOOK,
    FileFormat,
    format_of,
    sniff,
)
from campaigns.imports.xlsx.workbook import Workbook
from campaigns.phones import NotCallable, normalise

__all__ = [
    "SAMPLE_BYTES",
    "ColumnMapping",
    "ContactRow",
    "FileFormat",
    "ReadRow",
    "RejectedRow",
    "UnreadableFile",
    "chosen_mapping",
    "contact_of",
    "format_of",
    "guess_mapping",
    "mapping_faults",
    "read_rows",
    "sniff",
]

CHUNK_BYTES = 256 * 1024
MAX_CELL = 10_000  # characters
MAX_LINE_BYTES = 1024 * 1024
MAX_RECORD_LINES = 100  # a cell may hold line breaks; more of them are a stray quote
MAX_RECORD_BYTES = 200_000
MAX_VARIABLES_BYTES = 16 * 1024
NUL_REASON = "This line holds NUL bytes, which are not text; type the line again."
QUOTE_REASON = 'A quote (") is opened on this line and never closed properly; close it, or remove it.'
LONG_REASON = f"A cell is longer than {MAX_CELL:,} characters; shorten it, or look for a stray quote."


@dataclass(frozen=True)
class ReadRow:
    """One row as it stands in the file. `end` is the offset behind it; `fault` says why its cells are of no use."""

    line: int  # as a spreadsheet counts
    cells: tuple[str, ...]
    end: int
    fault: str = ""

    @property
    def blank(self) -> bool:
        return not self.fault and not any(cell.strip().strip("\x1a") for cell in self.cells)  # \x1a: the end, in DOS


@dataclass(frozen=True)
class ContactRow:
    """What a row becomes."""

    line: int
    phone: str
    name: str
    external_id: str
    language: str
    timezone: str
    variables: dict[str, str]


@dataclass(frozen=True)
class RejectedRow:
    """One row that is not imported, as the person wrote it."""

    line: int
    cells: tuple[str, ...]
    reason: str


class _Lines:
    """The physical lines of a file from an offset on, with the offset behind each; some can be put back."""

    def __init__(self, file: BinaryIO, encoding: str, offset: int) -> None:
        self._file = file
        self._wide = encoding in UTF_16
        self._encoding = encoding
        self._waiting: deque[tuple[bytes, int]] = deque()
        file.seek(0)
        mark = UTF_16.get(encoding, UTF_8_MARK)
        begin = len(mark) if offset == 0 and file.read(len(mark)) == mark else offset
        file.seek(begin)
        self._lines = self._read(begin)

    def next(self) -> tuple[bytes, int] | None:
        if self._waiting:
            return self._waiting.popleft()
        return next(self._lines, None)

    def put_back(self, lines: Sequence[tuple[bytes, int]]) -> None:
        self._waiting.extendleft(reversed(lines))

    def _read(self, end: int) -> Iterator[tuple[bytes, int]]:
        """Lines with their ends of line. A line that is far too long arrives shortened, but its offset is true."""
        rest, dropped = b"", 0
        while chunk := self._file.read(CHUNK_BYTES):
            *whole, rest = self._split(rest + chunk)
            for line in whole:
                end += len(line) + dropped
                dropped = 0
                yield line, end
            if len(rest) > MAX_LINE_BYTES + 4:
                dropped += len(rest) - MAX_LINE_BYTES - 2
                rest = rest[: MAX_LINE_BYTES + 1] + rest[-1:] if not self._wide else rest[:MAX_LINE_BYTES] + rest[-2:]
        if rest:
            yield rest, end + len(rest) + dropped

    def _split(self, data: bytes) -> list[bytes]:
        """Whole lines, and last what may go on in the next chunk."""
        if self._wide:
            return self._split_wide(data)
        lines = data.splitlines(keepends=True)
        if lines and lines[-1].endswith(b"\n"):
            lines.append(b"")
        return lines

    def _split_wide(self, data: bytes) -> list[bytes]:
        newline = "\n".encode(self._encoding)
        lines, start, at = [], 0, 0
        while (at := data.find(newline, at)) >= 0:
            if at % 2:  # half of two other characters
                at += 1
                continue
            at += 2
            lines.append(data[start:at])
            start = at
        return [*lines, data[start:]]


def read_rows(
    file: BinaryIO, form: FileFormat, offset: int = 0, line: int = 0, phone: int | None = None
) -> Iterator[ReadRow]:
    """Every row below the header, blank ones too. Goes on at `offset` behind row `line` of an earlier reading.

    `phone`, the column of the number, helps to notice rows that a stray quote swallowed.
    """
    waiting_for_header = offset == 0
    if form.encoding == WORKBOOK:
        records = _workbook_records(file, form, offset, line)
    else:
        records = _records(_Lines(file, form.encoding, offset), form, line, phone)
    for record in records:
        if waiting_for_header:
            waiting_for_header = record.blank or _separator_line(record.cells)
            continue
        yield record


def _workbook_records(file: BinaryIO, form: FileFormat, offset: int, line: int) -> Iterator[ReadRow]:
    """Rows of a sheet. `end` is where each begins: reading again there leaves out what was read before."""
    for number, cells, begin, fault in Workbook(file).rows(offset, line):
        yield _checked(number, cells, begin, fault, form)


def _records(lines: _Lines, form: FileFormat, number: int, phone: int | None) -> Iterator[ReadRow]:
    while (first := lines.next()) is not None:
        number += 1
        raw, end = first
        text, fault = _decode(raw, form.encoding)
        if fault or '"' not in text:
            cells = _split(text, form.delimiter)
        else:
            cells, taken, fault = _quoted(text, lines, form, phone)
            end = taken[-1][1] if taken else end
        yield _checked(number, cells, end, fault, form)


def _checked(line: int, cells: Sequence[str], end: int, fault: str, form: FileFormat) -> ReadRow:
    """The row, with a fault where a cell is too long or there are more cells than columns."""
    width = len(form.header)
    if not fault and any(len(cell) > MAX_CELL for cell in cells):
        fault = LONG_REASON
    if not fault and len(cells) > width:
        extra, cells = cells[width:], cells[:width]
        if any(cell.strip() for cell in extra):
            cells = [*cells, *extra]
            fault = f"This line has {len(cells)} columns but the header has {width}; " + (
                "name the column, or empty it."
                if form.encoding == WORKBOOK
                else f"remove the extra '{_name_of(form.delimiter)}', or put the cell in quotes."
            )
    return ReadRow(line, tuple(_short(cell) for cell in cells) if fault else tuple(cells), end, fault)


def _quoted(
    text: str, lines: _Lines, form: FileFormat, phone: int | None
) -> tuple[list[str], list[tuple[bytes, int]], str]:
    """The cells of a record with quotes in it, the further lines it takes, and what is wrong with it."""
    taken: list[tuple[bytes, int]] = []
    texts = [text]
    refused = ""

    def feed() -> Iterator[str]:
        nonlocal refused
        yield text + "\n"
        size = len(text)
        while (following := lines.next()) is not None:
            taken.append(following)
            more, fault = _decode(following[0], form.encoding)
            size += len(more)
            if fault or len(taken) >= MAX_RECORD_LINES or size > MAX_RECORD_BYTES:
                refused = QUOTE_REASON
                return
            texts.append(more)
            yield more + "\n"

    try:
        cells = next(csv.reader(feed(), delimiter=form.delimiter, strict=True), [])
    except csv.Error:
        cells, refused = [], refused or QUOTE_REASON
    if not refused and taken and _swallowed(texts, cells, form, phone):
        refused = QUOTE_REASON
    if not refused:
        return cells, taken, ""
    lines.put_back(taken)
    alone = _alone(text, form.delimiter)
    return (alone, [], "") if alone is not None else (_split(text, form.delimiter), [], QUOTE_REASON)


def _swallowed(texts: list[str], cells: list[str], form: FileFormat, phone: int | None) -> bool:
    """Whether a record of several lines is really several rows with a stray quote before and after."""
    width = len(form.header)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        return True
    for inner in texts[1:-1] if phone is not None else ():
        parts = _split(inner, form.delimiter)
        if len(parts) == width > 1 and phone is not None:
            number = parts[phone].strip(' "')
            if sum(character.isdigit() for character in number) >= 7 and not re.search("[^\\W\\d_]", number):
                return True
    return phone is not None and "\n" in cells[phone]


def _alone(text: str, delimiter: str) -> list[str] | None:
    """One line read leniently, as `12" pipe` or `"Bob" Smith`; None when its quote stays open."""
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        cells = next(csv.reader([text + "\n"], delimiter=delimiter), [])
        return None if any("\n" in cell for cell in cells) else cells
    return cells


def _decode(raw: bytes, encoding: str) -> tuple[str, str]:
    """The line without its end, and what is wrong with it."""
    if len(raw) > MAX_LINE_BYTES:
        return raw[:2000].decode(encoding, "replace"), LONG_REASON
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode(encoding, "replace").rstrip("\r\n")
        return text, f"This line is not valid {encoding}; save the file as 'CSV UTF-8', or choose its encoding."
    text = text.rstrip("\r\n")
    return text, NUL_REASON if "\0" in text else ""


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter)[: MAX_COLUMNS * 2]


def _short(cell: str) -> str:
    return cell if len(cell) <= MAX_CELL else cell[:MAX_CELL] + "…"


def _name_of(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else delimiter


def _separator_line(cells: Sequence[str]) -> bool:
    """Excel's own first line: `sep=;`."""
    return cells[0].strip().strip('"').lower().startswith("sep=") and not any(cell.strip() for cell in cells[1:])


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def contact_of(row: ReadRow, columns: ColumnMapping, region: str, allowed: Collection[str]) -> ContactRow | RejectedRow:
    """What a row becomes, or why it is rejected."""
    if row.fault:
        return RejectedRow(row.line, row.cells, row.fault)
    cells = [cell.strip() for cell in row.cells]
    cells += [""] * (len(columns.header) - len(cells))
    try:
        phone = normalise(cells[columns.phone], region, allowed)
    except NotCallable as error:
        return RejectedRow(row.line, row.cells, str(error))
    contact = ContactRow(
        line=row.line,
        phone=phone,
        name=" ".join(filter(None, (cells[index] for index in columns.names))),
        external_id=cells[columns.external_id] if columns.external_id is not None else "",
        language=cells[columns.language] if columns.language is not None else "",
        timezone=cells[columns.timezone] if columns.timezone is not None else "",
        variables={name: cells[index] for name, index in columns.variables if cells[index]},
    )
    if reason := _complaint(contact):
        return RejectedRow(row.line, row.cells, reason)
    return contact


def _complaint(contact: ContactRow) -> str:
    for label, text, limit in (
        ("name", contact.name, 200),
        ("id", contact.external_id, 200),
        ("language", contact.language, 35),
    ):
        if len(text) > limit:
            return f"The {label} is {len(text)} characters long; shorten it to {limit}."
    if contact.timezone and contact.timezone not in _zones():
        return f"'{contact.timezone[:60]}' is not a time zone; write it like Europe/Paris, or leave it empty."
    if len(contact.variables) > MAX_VARIABLES:
        return f"There are {len(contact.variables)} variables; at most {MAX_VARIABLES} are kept."
    if sum(len(name) + len(value.encode()) for name, value in contact.variables.items()) > MAX_VARIABLES_BYTES:
        return "The variables of this line are larger than 16 KB in all; shorten them."
    return ""

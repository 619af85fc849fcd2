"""Read the rows of a file: bytes become contacts and rejected rows. Pure: no database, and no whole file in memory.

A file is read line by line. Every row has the offset after it, so that reading can continue after any row. A bad line
affects only itself: a stray quote, which would turn all following lines into one cell, is detected and rejected.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

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
from campaigns.rules.zone_words import NotAZone, read_zone
from tenants.texts import NotText, one_line, several_lines

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
MAX_RECORD_LINES = 100  # a cell may have line breaks; more lines than this are a stray quote
MAX_RECORD_BYTES = 200_000
MAX_VARIABLES_BYTES = 16 * 1024
NUL_REASON = "This line holds NUL bytes, which are not text; type the line again."
QUOTE_REASON = 'A quote (") is opened on this line and never closed properly; close it, or remove it.'
LONG_REASON = f"A cell is longer than {MAX_CELL:,} characters; shorten it, or look for a stray quote."


@dataclass(frozen=True)
class ReadRow:
    """One row as it is in the file.

    `end` is the offset after the row. `fault` says why its cells cannot be used; "" if they can.
    """

    line: int  # as a spreadsheet counts lines
    cells: tuple[str, ...]
    end: int
    fault: str = ""

    @property
    def blank(self) -> bool:
        return not self.fault and not any(cell.strip().strip("\x1a") for cell in self.cells)  # \x1a: end of file in DOS


@dataclass(frozen=True)
class FurtherNumber:
    """A number of the row after the one that is called."""

    phone: str
    kind: str = ""  # a value of NumberKind


@dataclass(frozen=True)
class ContactRow:
    """A row as the fields of a contact."""

    line: int
    phone: str
    name: str
    external_id: str
    language: str
    timezone: str
    variables: dict[str, str]
    written_zone: str = ""  # the file's word for the time zone, where it is another one
    phone_kind: str = ""
    further_numbers: tuple[FurtherNumber, ...] = ()
    do_not_call: bool = False  # the row asks that none of its numbers is called
    consent_basis: str = ""
    consent_at: datetime | None = None
    consent_evidence: str = ""


@dataclass(frozen=True)
class RejectedRow:
    """A row that is not imported, with its original cells."""

    line: int
    cells: tuple[str, ...]
    reason: str


class _Lines:
    """The physical lines of a file from an offset on, each with the offset after it. Lines can be put back."""

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
        """Yield lines with their line ends. A line over the limit is shortened, but its offset is correct."""
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
        """Return the whole lines, and last the rest that may continue in the next chunk."""
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
            if at % 2:  # the bytes of two other characters
                at += 1
                continue
            at += 2
            lines.append(data[start:at])
            start = at
        return [*lines, data[start:]]


def read_rows(
    file: BinaryIO, form: FileFormat, offset: int = 0, line: int = 0, phone: int | None = None
) -> Iterator[ReadRow]:
    """Yield every row below the header, blank rows too.

    With `offset` and `line` of an earlier row, reading continues after that row. `phone`, the index of the column of
    numbers, helps to detect rows that a stray quote swallowed.
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
    """Yield the rows of a sheet. `end` is the offset where a row begins; reading from there skips the row itself."""
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
    """Return the row, with a fault if a cell is too long or there are more cells than columns."""
    width = len(form.header)
    if not fault and any(len(cell) > MAX_CELL for cell in cells):
        fault = LONG_REASON
    if not fault and len(cells) > width:
        extra, cells = cells[width:], cells[:width]
        if any(cell.strip() for cell in extra):
            cells = [*cells, *extra]
            remedy = f"remove the extra '{_name_of(form.delimiter)}', or put the cell in quotes."
            if form.encoding == WORKBOOK:
                remedy = "name the column, or empty it."
            fault = f"This line has {len(cells)} columns but the header has {width}; {remedy}"
    return ReadRow(line, tuple(_short(cell) for cell in cells) if fault else tuple(cells), end, fault)


def _quoted(
    text: str, lines: _Lines, form: FileFormat, phone: int | None
) -> tuple[list[str], list[tuple[bytes, int]], str]:
    """Return the cells of a record with quotes, the further lines it takes, and its fault ("" if none)."""
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
    cells_of_line = _read_alone(text, form.delimiter)
    return (cells_of_line, [], "") if cells_of_line is not None else (_split(text, form.delimiter), [], QUOTE_REASON)


def _swallowed(texts: list[str], cells: list[str], form: FileFormat, phone: int | None) -> bool:
    """Return whether a record of several lines is really several rows between two stray quotes."""
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


def _read_alone(text: str, delimiter: str) -> list[str] | None:
    """Read one line leniently, like `12" pipe` or `"Bob" Smith`. Return None if its quote stays open."""
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        cells = next(csv.reader([text + "\n"], delimiter=delimiter), [])
        return None if any("\n" in cell for cell in cells) else cells
    return cells


def _decode(raw: bytes, encoding: str) -> tuple[str, str]:
    """Return the line without its line end, and its fault ("" if none)."""
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
    """Return whether this is the line that Excel writes first: `sep=;`."""
    return cells[0].strip().strip('"').lower().startswith("sep=") and not any(cell.strip() for cell in cells[1:])


def contact_of(row: ReadRow, columns: ColumnMapping, region: str, allowed: Collection[str]) -> ContactRow | RejectedRow:
    """Return the row as a contact, or as a rejected row with the reason."""
    if row.fault:
        return RejectedRow(row.line, row.cells, row.fault)
    cells = [cell.strip() for cell in row.cells]
    cells += [""] * (len(columns.header) - len(cells))
    try:
        phone = normalise(cells[columns.phone], region, allowed)
    except NotCallable as error:
        return RejectedRow(row.line, row.cells, str(error))
    written = " ".join(cells[columns.timezone].split()) if columns.timezone is not None else ""
    try:
        zone = read_zone(written, phone)
    except NotAZone as error:
        return RejectedRow(row.line, row.cells, str(error))
    try:
        contact = ContactRow(
            line=row.line,
            phone=phone,
            name=one_line(" ".join(filter(None, (cells[index] for index in columns.names)))),
            external_id=one_line(cells[columns.external_id]) if columns.external_id is not None else "",
            language=one_line(cells[columns.language]) if columns.language is not None else "",
            timezone=zone,
            variables={name: text for name, index in columns.variables if (text := several_lines(cells[index]))},
            written_zone=written if written.casefold() != zone.casefold() else "",
        )
    except NotText as error:
        return RejectedRow(row.line, row.cells, str(error))
    if reason := _rejection(contact):
        return RejectedRow(row.line, row.cells, reason)
    return contact


def _rejection(contact: ContactRow) -> str:
    """Return why a contact cannot be imported; "" if it can."""
    for label, text, limit in (
        ("name", contact.name, 200),
        ("id", contact.external_id, 200),
        ("language", contact.language, 35),
    ):
        if len(text) > limit:
            return f"The {label} is {len(text)} characters long; shorten it to {limit}."
    if len(contact.variables) > MAX_VARIABLES:
        return f"There are {len(contact.variables)} variables; at most {MAX_VARIABLES} are allowed."
    if sum(len(name) + len(value.encode()) for name, value in contact.variables.items()) > MAX_VARIABLES_BYTES:
        return "The variables of this line are larger than 16 KB in all; shorten them."
    return ""

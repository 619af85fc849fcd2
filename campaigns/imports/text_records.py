"""The records of a text file: its lines as cells, and the fault of each record that cannot be read. Pure.

A bad line affects only itself: a stray quote, which would turn all following lines into one cell, is detected.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from campaigns.imports.text_lines import MAX_LINE_BYTES, Lines

MAX_CELL = 10_000  # characters
MAX_CELLS = 2_000  # of one line; the rest is not read
MAX_RECORD_LINES = 100  # a cell may have line breaks; more lines than this are a stray quote
MAX_RECORD_BYTES = 200_000
MAX_OWN_CELL = 40_000  # of our own file: more than any text of a contact
MAX_NUMBER_LINES = 10  # of a cell of numbers
NUL_REASON = "This line holds NUL bytes, which are not text; type the line again."
QUOTE_REASON = 'A quote (") is opened on this line and never closed properly; close it, or remove it.'
LONG_REASON = f"A cell is longer than {MAX_CELL:,} characters; shorten it, or look for a stray quote."


class ReadRow(NamedTuple):
    """One row as it is in the file.

    `end` is the offset after the row. `fault` says why its cells cannot be used; "" if they can.
    """

    line: int  # as a spreadsheet counts lines
    cells: tuple[str, ...]
    end: int
    fault: str = ""

    @property
    def blank(self) -> bool:
        if self.fault:
            return False
        for cell in self.cells:  # noqa: SIM110 - quicker than `any`
            if cell.strip().strip("\x1a"):  # \x1a: end of file in DOS
                return False
        return True


@dataclass(frozen=True)
class Shape:
    """How the records of a file are written. `width` is the number of columns, 0 above the header."""

    encoding: str
    delimiter: str
    width: int = 0
    phones: tuple[int, ...] = ()  # columns of numbers, which help to detect rows that a stray quote swallowed
    longest: int = MAX_CELL  # characters of a cell
    ours: bool = False  # Trunkline wrote the file: it has no stray quotes, and its line ends are part of the cells


def records(lines: Lines, shape: Shape, number: int) -> Iterator[ReadRow]:
    """Yield the records from here on. `number` is the number of the record before."""
    while (first := lines.next()) is not None:
        number += 1
        raw, end = first
        text, fault = _decode(raw, shape.encoding)
        if fault or '"' not in text:
            cells = _split(text, shape.delimiter)
        else:
            cells, taken, fault = _quoted(raw, text, lines, shape)
            end = taken[-1][1] if taken else end
        row = ReadRow(number, tuple(cells), end, fault)
        yield checked(row, shape.width, _remedy(shape.delimiter), shape.longest)


def _remedy(delimiter: str) -> str:
    return f"remove the extra '{'tab' if delimiter == chr(9) else delimiter}', or put the cell in quotes."


def checked(row: ReadRow, width: int, remedy: str, longest: int = MAX_CELL) -> ReadRow:
    """Return the row, with a fault if a cell is too long or there are more cells than columns."""
    cells, fault = row.cells, row.fault
    if not fault and max(map(len, cells), default=0) > longest:
        fault = LONG_REASON
    if not fault and width and len(cells) > width:
        extra, cells = cells[width:], cells[:width]
        if any(cell.strip() for cell in extra):
            cells = (*cells, *extra)
            fault = f"This line has {len(cells)} columns but the header has {width}; {remedy}"
    if fault:
        cells = tuple(_short(cell) for cell in cells)
    return row if cells is row.cells else ReadRow(row.line, cells, row.end, fault)


def _quoted(raw: bytes, text: str, lines: Lines, shape: Shape) -> tuple[list[str], list[tuple[bytes, int]], str]:
    """Return the cells of a record with quotes, the further lines it takes, and its fault ("" if none)."""
    taken: list[tuple[bytes, int]] = []
    texts = [text]
    refused = ""

    def feed() -> Iterator[str]:
        nonlocal refused
        yield text + _line_end(raw, shape)
        size = len(text)
        while (following := lines.next()) is not None:
            taken.append(following)
            more, fault = _decode(following[0], shape.encoding)
            size += len(more)
            if fault or (len(taken) >= MAX_RECORD_LINES and not shape.ours) or size > MAX_RECORD_BYTES:
                refused = QUOTE_REASON
                return
            texts.append(more)
            yield more + _line_end(following[0], shape)

    try:
        cells = next(csv.reader(feed(), delimiter=shape.delimiter, strict=True), [])
    except csv.Error:
        cells, refused = [], refused or QUOTE_REASON
    if not refused and taken and shape.width and not shape.ours and _swallowed(texts, cells, shape):
        refused = QUOTE_REASON
    if not refused:
        return cells, taken, ""
    lines.put_back(taken)
    cells_of_line = _read_alone(text, shape.delimiter)
    return (cells_of_line, [], "") if cells_of_line is not None else (_split(text, shape.delimiter), [], QUOTE_REASON)


def _line_end(raw: bytes, shape: Shape) -> str:
    """Return the end of a line inside a cell: as it is in our own files, else a line feed."""
    if not shape.ours:
        return "\n"
    text = raw.decode(shape.encoding, "replace")
    return text[len(text.rstrip("\r\n")) :]


def _swallowed(texts: list[str], cells: Sequence[str], shape: Shape) -> bool:
    """Return whether a record of several lines is really several rows between two stray quotes."""
    if len(cells) < shape.width or any(cell.strip() for cell in cells[shape.width :]):
        return True
    for inner in texts[1:-1] if shape.phones else ():
        parts = _split(inner, shape.delimiter)
        if len(parts) == shape.width > 1 and any(_is_number(parts[index].strip(' "')) for index in shape.phones):
            return True
    return any("\n" in cells[index] and not _are_numbers(cells[index], shape.delimiter) for index in shape.phones)


def _is_number(text: str) -> bool:
    return sum(character.isdigit() for character in text) >= 7 and not re.search("[^\\W\\d_]", text)


def _are_numbers(cell: str, delimiter: str) -> bool:
    """Return whether a cell has one number on each of its lines, and nothing of another cell."""
    parts = [line.strip() for line in cell.splitlines() if line.strip()]
    return (
        len(parts) <= MAX_NUMBER_LINES
        and delimiter not in cell
        and all(sum(character.isdigit() for character in part) >= 6 and len(part) <= 40 for part in parts)
    )


def _read_alone(text: str, delimiter: str) -> list[str] | None:
    """Read one line leniently, like `12" pipe` or `"Bob" Smith`. Return None if its quote stays open."""
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error) or len(text) > csv.field_size_limit():
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
    return text.split(delimiter)[:MAX_CELLS]


def _short(cell: str) -> str:
    return cell if len(cell) <= MAX_CELL else cell[:MAX_CELL] + "…"

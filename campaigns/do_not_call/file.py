"""Read numbers for the do-not-call list from a file or pasted text, and say why a row cannot be read. Pure."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from campaigns.imports.columns import UnreadableFile, unique_header
from campaigns.imports.file_format import format_of, unmarked_utf_16
from campaigns.imports.own_files import own_file, own_targets
from campaigns.imports.phone_headers import number_columns
from campaigns.imports.rows import BLANK_ROWS, RejectedRow, read_rows
from campaigns.imports.workbooks.reading import Workbook, is_workbook
from campaigns.phones import EVERYWHERE, NotCallable, Reading, TwoReadings, column_reading, normalise

MAX_ROWS = 20_000
MAX_BYTES = 10 * 1024 * 1024
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
TOO_MANY = f"There are more than {MAX_ROWS:,} rows; split them and import the parts one by one. Nothing was listed."
TOO_EMPTY = f"There are more than {BLANK_ROWS:,} rows, most of them empty; remove the empty rows. Nothing was listed."
MAX_CELLS = 100_000  # of numbers, in all rows
MAX_CHARACTERS = 8_000_000  # of these
TOO_LARGE = "The file holds too many numbers; keep only the columns of numbers, or split it. Nothing was listed."
NO_COLUMN = "No column looks like phone numbers. Name the column phone, or give only the numbers, one on each line."

Record = tuple[int, Sequence[str], str]  # line, cells, fault
Filled = tuple[int, dict[int, str], str]  # the same, with the cells that may be numbers, by column


@dataclass
class Numbers:
    """The numbers read, each once in E.164, and every row that has none."""

    phones: dict[str, int] = field(default_factory=dict)  # number: the line where it occurs first
    unreadable: list[RejectedRow] = field(default_factory=list)
    repeated: int = 0


def read_text(text: str, region: str) -> Numbers:
    """Read one number from each line. Raises UnreadableFile if there are too many lines."""
    return _numbers(((line, [cell], "") for line, cell in enumerate(text.splitlines(), 1)), [0], region)


def read_file(data: bytes, filename: str, region: str) -> Numbers:
    """Read a CSV file or workbook, with or without a header. Raises UnreadableFile if no column holds numbers."""
    records = _records(data, filename)
    first = next((record for record in islice(records, BLANK_ROWS) if any(cell.strip() for cell in record[1])), None)
    if first is None:
        raise UnreadableFile("The file is empty. Give one number on each line.")
    header = unique_header(first[1])
    if own_file(header):
        columns = [index for index, column in enumerate(header) if own_targets(header).get(column) == "phone"]
    else:
        columns = number_columns(header)
    if columns:
        return _numbers(records, columns, region)
    # No header: the first row is data, and its numbers show which columns hold numbers.
    columns = [index for index, cell in enumerate(first[1]) if _is_number(cell, region)]
    if not columns and len(first[1]) > 1:
        raise UnreadableFile(NO_COLUMN)
    return _numbers(chain([first], records), columns or [0], region)


def _is_number(cell: str, region: str) -> bool:
    try:
        normalise(cell, region, EVERYWHERE)
    except TwoReadings:
        return True
    except NotCallable:
        return False
    return True


def _records(data: bytes, filename: str) -> Iterator[Record]:
    """Yield every row, the header too."""
    if is_workbook(data):
        for line, cells, _, fault in Workbook(io.BytesIO(data)).rows():
            yield line, cells, fault
        return
    headless = not _begins_with_words(data)
    if headless:  # the CSV reader needs a header: add one
        mark, encoding = next((pair for pair in MARKS if data.startswith(pair[0])), (b"", ""))
        encoding = encoding or unmarked_utf_16(data) or "ascii"
        data = mark + "phone\n".encode(encoding) + data.removeprefix(mark)
    form = format_of(io.BytesIO(data), filename)
    if not headless:
        yield 1, form.header, ""
    for row in read_rows(io.BytesIO(data), form):
        yield row.line - headless, row.cells, row.fault


def _begins_with_words(data: bytes) -> bool:
    """Return whether the first non-empty line has letters."""
    for mark, _ in MARKS:
        data = data.removeprefix(mark)
    lines = data[:4096].replace(b"\0", b"").decode("latin-1").split("\n")
    first = next((line for line in lines if line.strip()), "")
    return any(character.isalpha() for character in first) or not first


def _numbers(records: Iterable[Record], columns: Sequence[int], region: str) -> Numbers:
    found = Numbers()
    rows = _filled(records, columns)
    readings: dict[int, Reading] = {}
    for line, cells, fault in rows:
        for column, cell in cells.items() or [(columns[0], "")]:
            try:  # a row with a fault counts too if its number can be read
                phone = _phone(cell, column, rows, readings, region)
            except NotCallable as error:
                found.unreadable.append(RejectedRow(line, (cell,), fault or str(error)))
            else:
                found.repeated += phone in found.phones
                found.phones.setdefault(phone, line)
    return found


def _filled(records: Iterable[Record], columns: Sequence[int]) -> list[Filled]:
    """Return the rows that are not empty. Raises UnreadableFile if they are too many, or too large for the memory."""
    rows: list[Filled] = []
    kept = characters = 0
    for number, (line, cells, fault) in enumerate(records):
        if fault or any(cell.strip() for cell in cells):
            given = {column: cells[column] for column in columns if column < len(cells) and cells[column].strip()}
            rows.append((line, given, fault))
            kept += len(given)
            characters += sum(map(len, given.values()))
        if len(rows) > MAX_ROWS:
            raise UnreadableFile(TOO_MANY)
        if number > BLANK_ROWS:
            raise UnreadableFile(TOO_EMPTY)
        if kept > MAX_CELLS or characters > MAX_CHARACTERS:
            raise UnreadableFile(TOO_LARGE)
    return rows


def _phone(cell: str, column: int, rows: Sequence[Filled], readings: dict[int, Reading], region: str) -> str:
    """Return the number of a cell. The whole column decides where the cell alone fits two. Raises NotCallable."""
    try:
        return normalise(cell, region, EVERYWHERE, readings.get(column, Reading.UNDECIDED))
    except TwoReadings:
        if column in readings:
            raise
    readings[column] = column_reading((cells[column] for _, cells, _ in rows if column in cells), region)
    return normalise(cell, region, EVERYWHERE, readings[column])

"""Numbers not to call, from a file or pasted text: those that can be read, a complaint about each that cannot. Pure."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from campaigns.imports.columns import UnreadableFile, number_columns, unique_header
from campaigns.imports.file_format import ZIP, format_of
from campaigns.imports.rows import RejectedRow, read_rows
from campaigns.imports.xlsx.workbook import Workbook
from campaigns.phones import EVERYWHERE, NotCallable, normalise

MAX_ROWS = 20_000
MAX_BYTES = 10 * 1024 * 1024
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
TOO_MANY = f"There are more than {MAX_ROWS:,} rows; split them and import the parts one by one. Nothing was listed."
NO_COLUMN = "No column is known to hold the number; name it phone, or hand in the numbers alone, one a line."

Record = tuple[int, Sequence[str], str]  # line, cells, fault


@dataclass
class Numbers:
    """What was read: each number in E.164 once, and every row that holds none."""

    phones: dict[str, int] = field(default_factory=dict)  # the line where each stands first
    unreadable: list[RejectedRow] = field(default_factory=list)
    repeated: int = 0


def of_text(text: str, region: str) -> Numbers:
    """One number a line. Raises UnreadableFile when there are too many."""
    return _numbers(((line, [cell], "") for line, cell in enumerate(text.splitlines(), 1)), [0], region)


def of_file(data: bytes, filename: str, region: str) -> Numbers:
    """A CSV file or workbook, with a header or without. Raises UnreadableFile when no column holds the numbers."""
    records = _records(data, filename)
    first = next((record for record in records if any(cell.strip() for cell in record[1])), None)
    if first is None:
        raise UnreadableFile("The file is empty; hand in one number a line.")
    if columns := number_columns(unique_header(first[1])):
        return _numbers(records, columns, region)
    # No header: the first row is a number like the others, or says where they stand.
    columns = [index for index, cell in enumerate(first[1]) if _reads(cell, region)]
    if not columns and len(first[1]) > 1:
        raise UnreadableFile(NO_COLUMN)
    return _numbers(chain([first], records), columns or [0], region)


def _reads(cell: str, region: str) -> bool:
    try:
        normalise(cell, region, EVERYWHERE)
    except NotCallable:
        return False
    return True


def _records(data: bytes, filename: str) -> Iterator[Record]:
    """Every row that is not blank, the first too, whatever it is."""
    if data.startswith(ZIP):
        for line, cells, _, fault in Workbook(io.BytesIO(data)).rows():
            yield line, cells, fault
        return
    bare = not _begins_with_words(data)
    if bare:  # a table has a header: this one is given it
        mark, encoding = next((pair for pair in MARKS if data.startswith(pair[0])), (b"", "ascii"))
        data = mark + "phone\n".encode(encoding) + data.removeprefix(mark)
    form = format_of(io.BytesIO(data), filename)
    if not bare:
        yield 1, form.header, ""
    for row in read_rows(io.BytesIO(data), form):
        yield row.line - bare, row.cells, row.fault


def _begins_with_words(data: bytes) -> bool:
    """Whether the first line that is not empty has letters in it."""
    for mark, _ in MARKS:
        data = data.removeprefix(mark)
    lines = data[:4096].replace(b"\0", b"").decode("latin-1").split("\n")
    first = next((line for line in lines if line.strip()), "")
    return any(character.isalpha() for character in first) or not first


def _numbers(records: Iterable[Record], columns: Sequence[int], region: str) -> Numbers:
    found = Numbers()
    rows = 0
    for line, cells, fault in records:
        if not fault and not any(cell.strip() for cell in cells):
            continue
        rows += 1
        if rows > MAX_ROWS:
            raise UnreadableFile(TOO_MANY)
        given = [cells[column] for column in columns if column < len(cells) and cells[column].strip()]
        for cell in given or [""]:
            try:
                phone = normalise(cell, region, EVERYWHERE)  # also of a row with a fault, if its number is clear
            except NotCallable as error:
                found.unreadable.append(RejectedRow(line, (cell,), fault or str(error)))
            else:
                found.repeated += phone in found.phones
                found.phones.setdefault(phone, line)
    return found

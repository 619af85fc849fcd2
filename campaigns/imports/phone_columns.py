"""How a column of numbers is to be read, decided by the whole column. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from campaigns.imports.file_format import FileFormat
from campaigns.imports.phone_cells import parts
from campaigns.imports.rows import read_rows
from campaigns.phones import Reading, column_reading


def column_reading_of(file: BinaryIO, form: FileFormat, index: int, region: str) -> Reading:
    """Return how the column with this index writes its numbers. Reads the file from its start, as far as needed."""
    return column_reading(_numbers(file, form, index), region)


def _numbers(file: BinaryIO, form: FileFormat, index: int) -> Iterator[str]:
    """Yield what stands in the column, each number of a cell alone."""
    for row in read_rows(file, form, phones=[index]):
        if not row.fault and index < len(row.cells) and (cell := row.cells[index].strip()):
            yield from parts(cell)

"""How a column of numbers is to be read, decided by the whole column. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from campaigns.imports.file_format import FileFormat
from campaigns.imports.phone_cells import parts
from campaigns.imports.rows import read_rows
from campaigns.phones import Reading, column_reading


def column_reading_of(file: BinaryIO, form: FileFormat, index: int, region: str, rows: int | None = None) -> Reading:
    """Return how the column with this index writes its numbers. Reads the file from its start, as far as needed.

    `rows` limits how many rows are read.
    """
    return column_reading(_numbers(file, form, index, rows), region)


def _numbers(file: BinaryIO, form: FileFormat, index: int, rows: int | None) -> Iterator[str]:
    """Yield what stands in the column, each number of a cell alone."""
    for row in islice(read_rows(file, form, phones=[index]), rows):
        if not row.fault and index < len(row.cells) and (cell := row.cells[index].strip()):
            yield from parts(cell)

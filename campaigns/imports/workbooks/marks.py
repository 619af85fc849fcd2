"""What a cell of a workbook holds and the reader of values does not tell. Pure.

The reader returns "" for a cell with an error and for a formula without its result. An empty cell may mean "may be
called", so such a cell is a fault of its row. The reader also drops the zeros that a number's format shows in front.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# The errors of the binary formats (MS-XLS 2.5.10).
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}


class Mark(NamedTuple):
    """What is known about one cell, counted from 1: a fault of its row, its text, or how many digits it shows."""

    row: int
    column: int
    fault: str = ""
    text: str = ""
    zeros: int = 0


def error_mark(row: int, column: int, error: str) -> Mark:
    where = f"{column_name(column)}{row}"
    return Mark(row, column, f"The cell {where} holds the error {error[:20]}; fix its formula, or empty it.")


def unsaved_mark(row: int, column: int) -> Mark:
    where = f"{column_name(column)}{row}"
    return Mark(row, column, f"The cell {where} is a formula without its result; open the workbook and save it again.")


def column_name(number: int) -> str:
    """Return the letters of a column: A for 1, AB for 28."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def by_row(marks: Iterator[Mark]) -> Iterator[tuple[int, dict[int, Mark]]]:
    """Yield the marks of each row, by column. Raises ValueError if the rows go backwards."""
    number, found = 0, dict[int, Mark]()
    for mark in marks:
        if mark.row < number:
            raise ValueError(mark.row)
        if mark.row > number and found:
            yield number, found
            found = {}
        number = mark.row
        found[mark.column] = mark
    if found:
        yield number, found

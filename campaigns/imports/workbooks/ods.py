"""Find the cells of an OpenDocument sheet that the reader of values does not tell apart. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from campaigns.imports.workbooks.archive import Archive
from campaigns.imports.workbooks.marks import Mark, error_mark, unsaved_mark
from campaigns.imports.workbooks.xml_parts import Parser, Sought, contains

ZEROS = Sought(re.compile(rb'min-integer-digits="(?:[2-9]|\d\d)'), (b"min-integer-digits",))
ERROR = Sought(re.compile(rb'value-type="error"|>(?:#[A-Z]|Err:)'), (b'"error"', b">#", b">Err:"))
NO_RESULT = Sought(re.compile(rb"<table:table-cell\b(?![^>]*office:value-type)[^>]*table:formula"), (b"table:formula",))
MAX_COLUMNS = 2_000  # of a cell that is repeated


def marks(archive: Archive, sheet: str) -> Iterator[Mark]:
    """Yield the marks of the sheet with this name. Raises Refused."""
    zeros = contains(archive, "styles.xml", ZEROS)
    if contains(archive, "content.xml", ZEROS, ERROR, NO_RESULT) or zeros:
        reader = _Cells(sheet)
        for _ in reader.feed(archive, archive.parts["content.xml"]):
            yield from reader.taken()


class _Cells(Parser):
    """Collects marks while the document is parsed."""

    def __init__(self, sheet: str) -> None:
        super().__init__()
        self._sheet = sheet
        self._inside = False
        self._seen = False
        self._row = self._repeated = 0
        self._column = 0
        self._marks: list[Callable[[int], Mark]] = []  # of the row's number
        self._cell: dict[str, str] = {}
        self._shown = ""
        self._comment = 0
        self._rows: list[tuple[int, int, list[Callable[[int], Mark]]]] = []

    def taken(self) -> Iterator[Mark]:
        """Yield the marks of the rows that have ended; those of a repeated row once for each."""
        rows, self._rows = self._rows, []
        for first, count, found in rows:
            for number in range(first, first + count):
                yield from (mark(number) for mark in found)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table":
            self._inside = not self._seen and attributes.get("table:name") == self._sheet
        elif not self._inside:
            return
        elif name == "table-row":
            self._row += self._repeated
            self._repeated = int(attributes.get("table:number-rows-repeated", 1))
            self._row, self._column, self._marks = self._row or 1, 0, []
        elif name in ("table-cell", "covered-table-cell"):
            self._cell, self._shown = attributes, ""
        elif name == "annotation":
            self._comment += 1

    def end(self, name: str) -> None:
        if not self._inside:
            return
        if name == "table":
            self._inside, self._seen = False, True
        elif name == "annotation":
            self._comment -= 1
        elif name == "p" and not self._comment:
            self._shown += self.text()
        elif name in ("table-cell", "covered-table-cell"):
            self._end_cell()
        elif name == "table-row" and self._marks:
            self._rows.append((self._row, self._repeated, self._marks))

    def _end_cell(self) -> None:
        count = int(self._cell.get("table:number-columns-repeated", 1))
        for column in range(self._column + 1, self._column + 1 + min(count, MAX_COLUMNS)):
            if (mark := self._mark(column)) is None:
                break
            self._marks.append(mark)
        self._column += count

    def _mark(self, column: int) -> Callable[[int], Mark] | None:
        cell, shown = self._cell, self._shown.strip()
        kind, formula = cell.get("office:value-type", ""), "table:formula" in cell
        wrong = kind in ("", "float") and formula and shown.startswith(("#", "Err:"))
        if cell.get("calcext:value-type") == "error" or wrong:
            return partial(error_mark, column=column, error=shown or "#N/A")
        if formula and not kind:
            return partial(unsaved_mark, column=column)
        padded = kind == "float" and shown.startswith("0") and len(shown) > 1 and shown.isdecimal()
        if padded and float(cell.get("office:value", "nan")) == int(shown):
            return partial(Mark, column=column, text=shown)
        return None

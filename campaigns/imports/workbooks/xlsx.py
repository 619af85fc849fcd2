"""Find the cells of an .xlsx sheet that the reader of values does not tell apart. Pure.

A sheet is only searched for such cells, which is fast. It is parsed, which is slow, if it has some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from campaigns.imports.workbooks.archive import Archive, part_name
from campaigns.imports.workbooks.formats import Formats
from campaigns.imports.workbooks.marks import Mark, error_mark, unsaved_mark
from campaigns.imports.workbooks.refusals import Reason, Refused
from campaigns.imports.workbooks.xml_parts import Parser, Sought, contains, each_element

VALUE = rb"(?:\w+:)?v\s*"
ERROR = Sought(re.compile(rb"""<(?:\w+:)?c\s[^>]*\bt\s*=\s*["']e["']"""), (b'"e"', b"'e'"))
NO_RESULT = Sought(
    re.compile(
        rb"(?:</(?:\w+:)?f\s*>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<"
        + VALUE
        + rb"/>|<"
        + VALUE
        + rb">\s*</"
        + VALUE
        + rb">)?\s*</"
    ),
    (b"<f", b":f"),
)
NEGATIVE = Sought(re.compile(rb"<" + VALUE + rb">\s*-"), (b"-",))


def marks(archive: Archive, sheet: str) -> Iterator[Mark]:
    """Yield the marks of the sheet with this name. Raises Refused."""
    path = _path_of(archive, sheet)
    formats = Formats()
    each_element(archive, "xl/styles.xml", formats.take)
    contains(archive, "xl/sharedstrings.xml")
    sought = [ERROR, NO_RESULT, *([NEGATIVE] if formats.have_dates else [])]
    if contains(archive, path, *sought) or formats.have_zeros:
        reader = _Cells(formats)
        for _ in reader.feed(archive, archive.parts[path]):
            yield from reader.taken()


def _path_of(archive: Archive, sheet: str) -> str:
    """Return the part of the sheet. Raises Refused if there is none."""
    relations: dict[str, str] = {}
    targets: dict[str, str] = {}

    def sheets(name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            relation = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            relations.setdefault(attributes.get("name", ""), relation)

    def links(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            targets[attributes.get("Id", "")] = part_name(target if target.startswith("/") else f"xl/{target}")

    each_element(archive, "xl/workbook.xml", sheets)
    each_element(archive, "xl/_rels/workbook.xml.rels", links)
    path = targets.get(relations.get(sheet, ""), "")
    if path not in archive.parts:
        raise Refused(Reason.NO_SHEET)
    return path


class _Cells(Parser):
    """Collects marks while the sheet is parsed."""

    def __init__(self, formats: Formats) -> None:
        super().__init__()
        self._formats = formats
        self._found: list[Mark] = []
        self._row = self._column = 0
        self._cell: dict[str, str] = {}
        self._formula = False
        self._value = ""

    def taken(self) -> list[Mark]:
        found, self._found = self._found, []
        return found

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._cell, self._formula, self._value = attributes, False, ""
            self._column = column_number(attributes["r"]) if "r" in attributes else self._column + 1
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._value += self.text()
        elif name == "c":
            self._end_cell()

    def _end_cell(self) -> None:
        kind, value = self._cell.get("t", "n"), self._value.strip()
        if kind == "e":
            self._found.append(error_mark(self._row, self._column, value))
        elif kind in ("n", "b", "d") and self._formula and not value:  # the result of "str" may be an empty text
            self._found.append(unsaved_mark(self._row, self._column))
        elif kind == "n" and value.startswith("-"):
            self._found.append(Mark(self._row, self._column, text=value))
        elif kind == "n" and value and (zeros := self._formats.zeros(self._cell.get("s", "0"))):
            self._found.append(Mark(self._row, self._column, zeros=zeros))


def column_number(reference: str) -> int:
    """Return the column number of a cell reference: 1 for A1, 28 for AB7. Raises ValueError."""
    letters = reference.rstrip("0123456789")
    if not 1 <= len(letters) <= 3:
        raise ValueError(reference)
    found = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            raise ValueError(reference)
        found = found * 26 + ord(letter) - 64
    return found

"""Find the cells of an .xlsb sheet that the reader of values does not tell apart. Pure.

Parts are records: a number, a length, and as many bytes (MS-XLSB 2.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from campaigns.imports.workbooks.archive import Archive, part_name
from campaigns.imports.workbooks.formats import shown_zeros
from campaigns.imports.workbooks.marks import ERRORS, Mark, error_mark
from campaigns.imports.workbooks.refusals import Reason, Refused
from campaigns.imports.workbooks.xml_parts import each_element, pieces

ROW, RK, ERROR, REAL, FORMULA_NUMBER, FORMULA_ERROR = 0, 2, 3, 5, 9, 11
FORMAT, CELL_STYLE, BEGIN_CELL_STYLES, END_CELL_STYLES = 44, 47, 617, 618
SHEET = 156


def marks(archive: Archive, sheet: str) -> Iterator[Mark]:
    """Yield the marks of the sheet with this name. Raises Refused."""
    zeros = _zeros(archive)
    row = 0
    for kind, data in _records(archive, _path_of(archive, sheet)):
        if kind == ROW:
            row = struct.unpack_from("<I", data)[0] + 1
        elif kind in (ERROR, FORMULA_ERROR):
            yield error_mark(row, struct.unpack_from("<I", data)[0] + 1, ERRORS.get(data[8], "#N/A"))
        elif zeros and kind in (RK, REAL, FORMULA_NUMBER):
            column, style = struct.unpack_from("<II", data)
            if width := zeros.get(style & 0xFFFFFF):
                yield Mark(row, column + 1, zeros=width)


def _path_of(archive: Archive, sheet: str) -> str:
    targets: dict[str, str] = {}

    def links(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            targets[attributes.get("Id", "")] = part_name(target if target.startswith("/") else f"xl/{target}")

    each_element(archive, "xl/_rels/workbook.bin.rels", links)
    for kind, data in _records(archive, "xl/workbook.bin"):
        if kind == SHEET:
            relation, end = _text(data, 8)
            if _text(data, end)[0] == sheet and targets.get(relation) in archive.parts:
                return targets[relation]
    raise Refused(Reason.NO_SHEET)


def _zeros(archive: Archive) -> dict[int, int]:
    """Return how many digits each cell style shows, for the styles that show leading zeros."""
    codes: dict[int, int] = {}
    found: dict[int, int] = {}
    style, inside = 0, False
    for kind, data in _records(archive, "xl/styles.bin"):
        if kind == FORMAT:
            codes[struct.unpack_from("<H", data)[0]] = shown_zeros(_text(data, 2)[0])
        elif kind in (BEGIN_CELL_STYLES, END_CELL_STYLES):
            inside = kind == BEGIN_CELL_STYLES
        elif kind == CELL_STYLE and inside:
            if width := codes.get(struct.unpack_from("<H", data, 2)[0]):
                found[style] = width
            style += 1
    return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    """Return a text of a record and where it ends. A missing text has the length 0xFFFFFFFF."""
    (length,) = struct.unpack_from("<I", data, at)
    if length == 0xFFFFFFFF:
        return "", at + 4
    end = at + 4 + 2 * length
    return data[at + 4 : end].decode("utf-16-le"), end


def _records(archive: Archive, name: str) -> Iterator[tuple[int, bytes]]:
    data, at = b"", 0
    for piece in pieces(archive, archive.parts[name]) if name in archive.parts else ():
        data, at = data[at:] + piece, 0
        while (head := _head(data, at)) and head[2] <= len(data):
            kind, begin, at = head
            yield kind, data[begin:at]


def _head(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return number, begin and end of the record that begins here; None if its head is not complete."""
    try:
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
            at += 1
        size = shift = 0
        while shift < 28:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
            shift += 7
    except IndexError:
        return None
    return kind, at, at + size

"""Workbooks of other kinds than .xlsx, written by hand after their specifications: .xls, .xlsb and .ods.

A cell is a text, a number, a Number with the format of its style, or an Error.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from tests.campaigns.workbooks import RELATION, archive


@dataclass(frozen=True)
class Number:
    """A number that the sheet shows with zeros in front: 1234 as 01234 with the width 5."""

    value: float
    width: int


@dataclass(frozen=True)
class Error:
    """The result of a formula that failed."""

    code: int = 0x2A  # MS-XLS 2.5.10
    name: str = "#N/A"


Cell = str | float | Number | Error | None
Rows = Sequence[Sequence[Cell]]


# --- .xls: MS-CFB and MS-XLS ----------------------------------------------------------------------------------------


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _unicode(text: str) -> bytes:
    return struct.pack("<HB", len(text.encode("utf-16-le")) // 2, 1) + text.encode("utf-16-le")


def _xls_cell(row: int, column: int, value: Cell, widths: list[int]) -> bytes:
    where = struct.pack("<HH", row, column)
    if isinstance(value, str):
        return _record(0x0204, where + struct.pack("<H", 0) + _unicode(value))
    if isinstance(value, Error):
        result = bytes([2, 0, value.code, 0, 0, 0, 0xFF, 0xFF])
        return _record(0x0006, where + struct.pack("<H", 0) + result + struct.pack("<HIH", 0, 0, 0))
    if isinstance(value, Number):
        style = 1 + widths.index(value.width)
        if value.value < 2**29:  # as RK, of which several are one record
            number = int(value.value) << 2 | 2
            return _record(0x00BD, where + struct.pack("<HIH", style, number, column))
        return _record(0x0203, where + struct.pack("<Hd", style, value.value))
    return _record(0x0203, where + struct.pack("<Hd", 0, value)) if value is not None else b""


def _widths(sheets: Sequence[Rows]) -> list[int]:
    return sorted({cell.width for rows in sheets for row in rows for cell in row if isinstance(cell, Number)})


def xls(*sheets: Rows, hidden: Sequence[bool] = (), extra: bytes = b"", small: bool = False) -> bytes:
    """Return an .xls file. `extra` are records of the globals; a `small` file lies in sectors of 64 bytes."""
    widths = _widths(sheets)
    bodies = []
    for rows in sheets:
        cells = b"".join(_xls_cell(r, c, value, widths) for r, row in enumerate(rows) for c, value in enumerate(row))
        bodies.append(
            _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells + _record(0x000A, b"")
        )
    head = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0)) + extra
    for at, width in enumerate(widths):
        head += _record(0x041E, struct.pack("<H", 164 + at) + _unicode("0" * width))
    for number in [0, *(164 + at for at in range(len(widths)))]:
        head += _record(0x00E0, struct.pack("<HH", 0, number) + b"\0" * 16)
    names = [f"Sheet{at}".encode() for at in range(1, len(sheets) + 1)]
    begin = len(head) + sum(12 + len(name) for name in names) + 4
    for at, (name, body) in enumerate(zip(names, bodies, strict=True)):
        state = 1 if hidden and hidden[at] else 0
        head += _record(0x0085, struct.pack("<IBBBB", begin, state, 0, len(name), 0) + name)
        begin += len(body)
    return compound_file("Workbook", head + _record(0x000A, b"") + b"".join(bodies), small)


def compound_file(name: str, stream: bytes, small: bool = False) -> bytes:
    """Return a compound file with one stream: sector 0 is its table, sector 1 its directory."""
    size = len(stream) if small else max(len(stream), 4096)
    unit = 64 if small else 512
    stream = stream.ljust(-(-size // unit) * unit, b"\0")
    count = -(-len(stream) // 512)
    padded = stream.ljust(count * 512, b"\0")
    first = 3 if small else 2  # sector 2 has the table of small sectors
    table = [0xFFFFFFFD, 0xFFFFFFFE, *([0xFFFFFFFE] if small else []), *range(first + 1, first + count), 0xFFFFFFFE]
    assert len(table) <= 128
    none = 0xFFFFFFFF
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    head += struct.pack("<IIIII", 0, 1, 1, 0, 4096)
    head += struct.pack("<IIII", 2 if small else 0xFFFFFFFE, 1 if small else 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", 0, *[none] * 108)

    def entry(title: str, kind: int, child: int, start: int, length: int) -> bytes:
        encoded = title.encode("utf-16-le") + b"\0\0"
        made = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded), kind, 1)
        return made + struct.pack("<III", none, none, child) + b"\0" * 36 + struct.pack("<IQ", start, length)

    directory = entry("Root Entry", 5, 1, first if small else 0xFFFFFFFE, len(stream) if small else 0)
    directory += entry(name, 2, none, 0 if small else first, size)
    sectors = struct.pack("<128I", *table, *[none] * (128 - len(table))) + directory.ljust(512, b"\0")
    if small:
        units = len(stream) // 64
        sectors += struct.pack("<128I", *range(1, units), 0xFFFFFFFE, *[none] * (128 - units))
    return head + sectors + padded


# --- .xlsb: MS-XLSB -------------------------------------------------------------------------------------------------


def _part(kind: int, data: bytes = b"") -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length, size = len(data), b""
    while length >= 128:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return number + size + bytes([length]) + data


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text.encode("utf-16-le")) // 2) + text.encode("utf-16-le")


def _xlsb_cell(column: int, value: Cell, widths: list[int]) -> bytes:
    if isinstance(value, str):
        return _part(6, struct.pack("<II", column, 0) + _wide(value))
    if isinstance(value, Error):
        return _part(3, struct.pack("<IIB", column, 0, value.code))
    if isinstance(value, Number):
        return _part(5, struct.pack("<IId", column, 1 + widths.index(value.width), value.value))
    return _part(5, struct.pack("<IId", column, 0, value)) if value is not None else b""


def xlsb(*sheets: Rows, hidden: Sequence[bool] = ()) -> bytes:
    widths = _widths(sheets)
    parts: dict[str, bytes] = {"[Content_Types].xml": b"<Types/>", "_rels/.rels": b"<Relationships/>"}
    listed, relations = b"", ""
    for at, rows in enumerate(sheets, 1):
        cells = b""
        for number, row in enumerate(rows):
            cells += _part(0, struct.pack("<II", number, 0) + b"\0" * 9)
            cells += b"".join(_xlsb_cell(column, value, widths) for column, value in enumerate(row))
        size = struct.pack("<IIII", 0, max(len(rows) - 1, 0), 0, max(map(len, rows), default=1) - 1)
        parts[f"xl/worksheets/sheet{at}.bin"] = (
            _part(129) + _part(148, size) + _part(145) + cells + _part(146) + _part(130)
        )
        state = 1 if hidden and hidden[at - 1] else 0
        listed += _part(156, struct.pack("<II", state, at) + _wide(f"rId{at}") + _wide(f"Sheet{at}"))
        relations += f'<Relationship Id="rId{at}" Type="{RELATION}/worksheet" Target="worksheets/sheet{at}.bin"/>'
    parts["xl/workbook.bin"] = _part(131) + _part(143) + listed + _part(144) + _part(132)
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts["xl/_rels/workbook.bin.rels"] = f'<Relationships xmlns="{package}">{relations}</Relationships>'.encode()
    formats = b"".join(_part(44, struct.pack("<H", 164 + at) + _wide("0" * width)) for at, width in enumerate(widths))
    styles = b"".join(_part(47, struct.pack("<HH", 0, n) + b"\0" * 12) for n in [0, *range(164, 164 + len(widths))])
    parts["xl/styles.bin"] = (
        _part(278)
        + _part(615, struct.pack("<I", len(widths)))
        + formats
        + _part(616)
        + _part(617, struct.pack("<I", 1 + len(widths)))
        + styles
        + _part(618)
        + _part(279)
    )
    return archive(parts)


# --- .ods: OASIS OpenDocument 1.3 -----------------------------------------------------------------------------------


def _ods_cell(value: Cell) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, str):
        if value.startswith("<"):
            return value
        lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in value.split("\n"))
        return f'<table:table-cell office:value-type="string" calcext:value-type="string">{lines}</table:table-cell>'
    if isinstance(value, Error):
        return (
            '<table:table-cell table:formula="of:=NA()" office:value-type="string" office:string-value="" '
            f'calcext:value-type="error"><text:p>{value.name}</text:p></table:table-cell>'
        )
    number, width = (value.value, value.width) if isinstance(value, Number) else (value, 1)
    shown = str(int(number)).zfill(width) if number == int(number) else str(number)
    return (
        f'<table:table-cell office:value-type="float" office:value="{number}" calcext:value-type="float">'
        f"<text:p>{shown}</text:p></table:table-cell>"
    )


def ods(*sheets: Rows, hidden: Sequence[bool] = (), kind: str = "spreadsheet", after: str = "") -> bytes:
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{what}:1.0"'
        for name, what in (
            ("office", "office"),
            ("table", "table"),
            ("text", "text"),
            ("style", "style"),
            ("number", "datastyle"),
        )
    )
    spaces += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    spaces += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    styles = "".join(
        f'<number:number-style style:name="N{width}"><number:number number:min-integer-digits="{width}"/>'
        "</number:number-style>"
        for width in _widths(sheets)
    )
    styles += "".join(
        f'<style:style style:name="ta{at}" style:family="table">'
        f'<style:table-properties table:display="{str(not (hidden and hidden[at])).lower()}"/></style:style>'
        for at in range(len(sheets))
    )
    tables = ""
    for at, rows in enumerate(sheets):
        lines = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        name = quoteattr(f"Sheet{at + 1}")
        tables += f'<table:table table:name={name} table:style-name="ta{at}">{lines}{after}</table:table>'
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content{spaces} office:version="1.3">'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:spreadsheet>{tables}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return archive(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}".encode(),
            "content.xml": content.encode(),
            "META-INF/manifest.xml": b"<manifest/>",
        }
    )

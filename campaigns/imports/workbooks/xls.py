"""Find the cells of an .xls sheet that the reader of values does not tell apart. Pure.

An .xls file is a small file system (MS-CFB) with one stream of records (MS-XLS 2.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from campaigns.imports.workbooks.formats import shown_zeros
from campaigns.imports.workbooks.marks import ERRORS, Mark, error_mark
from campaigns.imports.workbooks.refusals import Reason, Refused

BEGIN, END, SHEET, FORMAT, STYLE, PASSWORD = 0x0809, 0x000A, 0x0085, 0x041E, 0x00E0, 0x002F
NUMBER, RK, SEVERAL_RK, FORMULA, BOOL_OR_ERROR = 0x0203, 0x027E, 0x00BD, 0x0006, 0x0205
NO_SECTOR = 0xFFFFFFFA  # this and larger numbers are no sectors
MAX_SECTORS = 2**20


def marks(stream: bytes) -> Iterator[Mark]:
    """Yield the marks of the first visible sheet. Raises Refused."""
    zeros, begin = _contents(stream)
    yield from sorted(_marks(stream, begin, zeros))


def _marks(stream: bytes, begin: int, zeros: dict[int, int]) -> Iterator[Mark]:
    depth = 0
    for kind, data in _records(stream, begin):
        if kind == BEGIN:
            depth += 1
        elif kind == END:
            depth -= 1
            if depth <= 0:
                return
        elif depth == 1 and kind in (NUMBER, RK, FORMULA, BOOL_OR_ERROR, SEVERAL_RK):
            row, column, style = struct.unpack_from("<HHH", data)
            if kind == BOOL_OR_ERROR and data[7]:
                yield error_mark(row + 1, column + 1, ERRORS.get(data[6], "#N/A"))
            elif kind == FORMULA and data[12:14] == b"\xff\xff":  # the result is no number
                if data[6] == 2:
                    yield error_mark(row + 1, column + 1, ERRORS.get(data[8], "#N/A"))
            elif kind == SEVERAL_RK:
                for at in range(4, len(data) - 2, 6):
                    if width := zeros.get(struct.unpack_from("<H", data, at)[0]):
                        yield Mark(row + 1, column + 1 + (at - 4) // 6, zeros=width)
            elif kind != BOOL_OR_ERROR and (width := zeros.get(style)):
                yield Mark(row + 1, column + 1, zeros=width)


def _contents(stream: bytes) -> tuple[dict[int, int], int]:
    """Return how many digits each style with leading zeros shows, and where the first visible sheet begins."""
    codes: dict[int, int] = {}
    styles: list[int] = []
    sheets: list[int] = []
    for kind, data in _records(stream, 0):
        if kind == END:
            break
        if kind == PASSWORD:
            raise Refused(Reason.LOCKED)
        if kind == FORMAT:
            number, length, wide = struct.unpack_from("<HHB", data)
            text = data[5 : 5 + length * 2].decode("utf-16-le") if wide & 1 else data[5 : 5 + length].decode("latin-1")
            codes[number] = shown_zeros(text)
        elif kind == STYLE:
            styles.append(struct.unpack_from("<H", data, 2)[0])
        elif kind == SHEET:
            begin, hidden, what = struct.unpack_from("<IBB", data)
            if not hidden & 3 and not what:
                sheets.append(begin)
    if not sheets:
        raise Refused(Reason.NO_SHEET)
    return {style: codes[number] for style, number in enumerate(styles) if codes.get(number)}, sheets[0]


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def workbook_stream(file: BinaryIO) -> bytes:
    """Return the records of the file. Raises Refused if there are none, and struct.error if the file is damaged."""
    file.seek(0)
    data = file.read()
    head = data[:512]
    sector = 1 << struct.unpack_from("<H", head, 30)[0]
    small = 1 << struct.unpack_from("<H", head, 32)[0]
    if sector not in (512, 4096) or small != 64:
        raise Refused(Reason.OLD)
    table = _table(data, head, sector)
    (first,) = struct.unpack_from("<I", head, 48)
    entries = _chain(data, table, first, sector, sector)
    root: bytes = entries[:128]
    for at in range(0, len(entries) - 127, 128):
        entry = entries[at : at + 128]
        name = entry[: max(0, struct.unpack_from("<H", entry, 64)[0] - 2)].decode("utf-16-le", "replace")
        if name == "EncryptedPackage":  # an .xlsx with a password
            raise Refused(Reason.LOCKED)
        if name.lower() in ("workbook", "book"):
            start, size = struct.unpack_from("<II", entry, 116)
            if size >= struct.unpack_from("<I", head, 56)[0]:
                return _chain(data, table, start, sector, sector)[:size]
            (first_small,) = struct.unpack_from("<I", head, 60)
            raw = _chain(data, table, first_small, sector, sector)
            small_table = struct.unpack(f"<{len(raw) // 4}I", raw)
            pool = _chain(data, table, struct.unpack_from("<I", root, 116)[0], sector, sector)
            return _chain(pool, small_table, start, small, 0)[:size]
    raise Refused(Reason.OLD)


def _table(data: bytes, head: bytes, sector: int) -> tuple[int, ...]:
    """Return the number of the next sector for each sector."""
    numbers = list(struct.unpack_from("<109I", head, 76))
    (further,) = struct.unpack_from("<I", head, 68)
    for _ in range(MAX_SECTORS):
        if further >= NO_SECTOR:
            break
        *more, further = struct.unpack_from(f"<{sector // 4}I", data, sector * (further + 1))
        numbers += more
    raw = b"".join(data[sector * (each + 1) : sector * (each + 2)] for each in numbers if each < NO_SECTOR)
    return struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])


def _chain(data: bytes, table: tuple[int, ...], number: int, sector: int, begin: int) -> bytes:
    """Return the sectors from this one on, in the order of the table. Raises Refused if they go in a circle."""
    found: list[bytes] = []
    while number < NO_SECTOR:
        if len(found) > len(table):
            raise Refused(Reason.DAMAGED)
        found.append(data[begin + sector * number : begin + sector * (number + 1)])
        number = table[number]
    return b"".join(found)

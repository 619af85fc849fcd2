"""Files that nobody means well with, of all five kinds: ordinary ones that are spoiled, and small ones that cost a lot.

`Reader` is a process that reads files as the pages do, and knows how much memory that took.
"""

from __future__ import annotations

import json
import os
import random
import resource
import struct
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.campaigns import other_workbooks
from tests.campaigns.workbooks import archive, part, parts_of, sheet, strings

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("csv", "json", "xlsx", "xls", "ods")
HEAD = ["Mobile", "Name", "City", "Do not call"]
ROWS: list[list[Any]] = [HEAD, *([f"06 12 34 56 {n:02}", f"Ada {n}", "Nîmes", "no"] for n in range(40))]
HOSTILE = ("4294967295", "-1", "1000000", "99999999999999999999", "0", "A1048576:XFD1048576", "&#0;", "]]>", "\\u0000")
CHOSEN = bytes(range(256)) + b'\0\r\n",;\t<>&"=+0{}[]' * 6
Chance = random.Random


def files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of files, of the kinds in turn.

    The second of each kind, and then every eighth, is costly. The others are spoiled.
    """
    chance = Chance(seed)
    ordinary: dict[str, bytes] = {kind: _ordinary(kind) for kind in KINDS}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        if number // len(KINDS) % 8 == 1:
            data = chance.choice(COSTLY[kind])(chance)
        elif kind in ("xlsx", "ods") and chance.random() < 0.7:
            data = _with_spoiled_parts(ordinary[kind], chance)
        else:
            data = _spoiled(ordinary[kind], chance)
        yield f"{number}.{kind}", data


def _ordinary(kind: str) -> bytes:
    if kind == "csv":
        return "\r\n".join(",".join(row) for row in ROWS).encode()
    if kind == "json":
        return json.dumps([dict(zip(HEAD, row, strict=True)) for row in ROWS[1:]]).encode()
    if kind == "xlsx":
        return archive(parts_of(sheet(ROWS)))
    return other_workbooks.xls(ROWS) if kind == "xls" else other_workbooks.ods(ROWS)


def _spoiled(data: bytes, chance: Chance) -> bytes:
    spoiled = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, what = chance.randrange(len(spoiled) + 1), chance.randrange(6)
        if what == 0:
            spoiled[at:at] = bytes([chance.choice(CHOSEN)]) * chance.choice((1, 3, 200, 70_000, 1_500_000))
        elif what == 1:
            del spoiled[at : at + chance.choice((1, 4, 100, 5_000))]
        elif what == 2:
            spoiled[at:at] = spoiled[at : at + chance.choice((4, 100, 5_000))] * chance.choice((1, 2, 300))
        elif what == 3:
            spoiled[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 2**31, 2**32 - 1, 2**16, len(data))))
        else:
            spoiled[at : at + 1] = bytes([chance.choice(CHOSEN)])
    return bytes(spoiled)


def _with_spoiled_parts(data: bytes, chance: Chance) -> bytes:
    """Spoil the XML of a workbook, and not the zip file around it."""
    with zipfile.ZipFile(BytesIO(data)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    name = max(parts, key=lambda each: len(parts[each])) if chance.random() < 0.6 else chance.choice(list(parts))
    text = parts[name].decode()
    for _ in range(chance.randint(1, 3)):
        digits = [at for at, letter in enumerate(text) if letter.isdigit()]
        if digits and chance.random() < 0.6:
            at = chance.choice(digits)
            text = text[:at] + chance.choice(HOSTILE) + text[at + 1 :]
        else:
            text = _spoiled(text.encode(), chance).decode(errors="replace")
    return archive(parts | {name: text.encode(errors="replace")})


# Costly files, by kind.


def _text(line: str, lines: tuple[int, ...], encoding: str = "utf-8") -> Callable[[Chance], bytes]:
    return lambda chance: "Mobile,Name\n".encode(encoding) + line.encode(encoding) * chance.choice(lines)


def _in_sheet(body: str) -> bytes:
    return archive(parts_of(part(f"<sheetData>{body}</sheetData>")))


def _deep(chance: Chance, fault: str = "") -> bytes:
    depth = chance.choice((300, 50_000, 1_000_000))
    return _in_sheet('<row><c t="inlineStr"><is><t>Mobile</t></is></c></row>' + fault + "<x>" * depth + "</x>" * depth)


def _used_often(chance: Chance) -> bytes:
    cells = chance.choice((1, 100, 2_000))
    row = "<row>" + "<c t='s'><v>0</v></c>" * cells + "</row>"
    rows = row * (chance.choice((100, 20_000)) // cells + 1)
    return archive(parts_of(part(f"<sheetData>{rows}</sheetData>"), shared=strings(["x" * 32_000])))


def _zeros(chance: Chance) -> bytes:
    return archive(parts_of(sheet(ROWS)) | {"xl/media/a.bin": bytes(chance.choice((1_000_000, 100_000_000)))})


def _entities(chance: Chance) -> bytes:
    doctype = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "bbbbbbbbbb"><!ENTITY c "&a;&a;&a;&a;&a;&a;">]>'
    name = chance.choice(("xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"))
    parts = parts_of(sheet(ROWS))
    return archive(parts | {name: doctype.encode() + parts[name].partition(b"?>")[2]})


def _empty_cells(chance: Chance) -> bytes:
    row = "<row>" + "<c/>" * chance.choice((100, 16_384)) + '<c t="inlineStr"><is><t>1</t></is></c></row>'
    return _in_sheet(row * chance.choice((3, 300)))


def _table(body: str, before: str = "") -> bytes:
    with zipfile.ZipFile(BytesIO(other_workbooks.ods(ROWS))) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    text = parts["content.xml"].decode()
    return archive(
        parts | {"content.xml": text.replace("<table:table-row", f"{before}{body}<table:table-row", 1).encode()}
    )


def _repeated(chance: Chance) -> bytes:
    rows, columns = chance.choice((2, 1_000_000, 2**31)), chance.choice((2, 16_000, 1_000_000, 2**31))
    formula = chance.choice(("", ' table:formula="of:=1/0" calcext:value-type="error"'))
    value = "<text:p>Mobile 0612345678</text:p>"
    return _table(
        f'<table:table-row table:number-rows-repeated="{rows}"><table:table-cell office:value-type="string"{formula} '
        f'table:number-columns-repeated="{columns}">{value}</table:table-cell></table:table-row>'
    )


def _nested_table(chance: Chance) -> bytes:
    depth = chance.choice((300, 500_000))
    return _table("<table:table-row><table:table-cell>" + "<text:p>" * depth + "</text:p>" * depth
                  + "</table:table-cell></table:table-row>")  # fmt: skip


def _many_records(chance: Chance) -> bytes:
    row = struct.pack("<HHHHHd", 0x0203, 14, 65_535, 255, 0, 1.5)  # a number in the last corner
    extra = row * chance.choice((1, 2_000)) + struct.pack("<HH", chance.choice((0x0A, 0x203, 0xFC)), 65_535)
    return other_workbooks.xls(ROWS, extra=extra)


def _json(chance: Chance) -> bytes:
    depth = chance.choice((100, 1_000_000))
    return chance.choice(("[" * depth, '{"a":' * depth, '{"Mobile": "' + "0" * 3_000_000, "0" * 3_000_000)).encode()


COSTLY: dict[str, tuple[Callable[[Chance], bytes], ...]] = {
    "csv": (
        _text("0612345678", (100_000, 2_000_000)),  # no end of the line
        _text('"0612345678,x\n', (20, 30_000)),  # no quote is closed
        _text("0612345678," * 999 + "\n", (10, 900)),
        _text("aa," * 1_999 + "\n", (10, 1_500)),
        _text("\0" * 100 + "\n", (10, 50_000)),
        _text("0612345678,Zoé\r", (10, 300_000)),
        _text("0612345678,Zoé\n", (10, 300_000), "utf-16-le"),
        _text("0612345678,Zo\n", (10, 100_000), "utf-16-be"),
        _text("\n", (10, 5_000_000)),
        lambda chance: ("n," * chance.choice((1_000, 1_000_000)) + "\n0612345678").encode(),
        lambda chance: "Mobile,Имя\n".encode("cp1251") + chance.randbytes(chance.choice((1_000, 3_000_000))),
    ),
    "json": (_json, lambda chance: b'{"Mobile": "0612345678"}\n' * chance.choice((10, 100_000))),
    "xlsx": (
        _deep,
        lambda chance: _deep(chance, '<row><c t="e"><v>#N/A</v></c></row>'),
        *(_used_often, _zeros, _entities, _empty_cells),
        lambda chance: _in_sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        lambda chance: archive(parts_of(*[sheet(ROWS)] * chance.choice((2, 3_000)))),
        lambda chance: archive(parts_of(sheet([["é" * 10_000] * 300] * chance.choice((2, 40))))),
    ),
    "xls": (
        _many_records,
        lambda chance: other_workbooks.xls(ROWS * chance.choice((2, 6))),
        lambda chance: other_workbooks.compound_file("Workbook", chance.randbytes(20_000)),
    ),
    "ods": (_repeated, _repeated, _nested_table, lambda chance: other_workbooks.ods([["é" * 9_000] * 200] * 40)),
}  # fmt: skip


class Reader:
    """A process that reads files as the pages do."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true"},
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self, path: Path) -> dict[str, Any]:
        """Return what became of the file: `ended` is "rows", "refused" or a traceback; and the memory in MB so far."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def _serve() -> None:
    import django

    django.setup()
    for line in sys.stdin:
        try:
            ended = _read(Path(line.rstrip("\n")))
        except Exception:  # it is the answer
            ended = traceback.format_exc()
        peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        sys.stdout.write(json.dumps({"ended": ended, "peak": peak, "child": child}) + "\n")
        sys.stdout.flush()


def _read(path: Path) -> str:
    """Read a file in all ways that a page reads one: format, samples, survey; and as a do-not-call list."""
    from campaigns.do_not_call.file import MAX_BYTES, read_file
    from campaigns.imports.columns import UnreadableFile
    from campaigns.imports.file_format import format_of
    from campaigns.imports.preview import samples, survey
    from campaigns.imports.workbooks.reading import readable

    ended = "refused"
    with path.open("rb") as opened:
        try:
            file = readable(opened)
        except UnreadableFile:
            return ended
        try:
            form = format_of(file, path.name)
            file.seek(0)
            samples(file, form)
            survey(file, form, {form.header[0]: "phone"}, region="FR", allowed=frozenset({"FR"}))
            ended = "rows"
        except UnreadableFile:
            pass
        file.seek(0)
        if path.stat().st_size <= MAX_BYTES and file.seek(0, 2) <= MAX_BYTES:
            file.seek(0)
            try:
                read_file(file.read(), path.name, "FR")
                ended = "rows"
            except UnreadableFile:
                pass
    return ended


if __name__ == "__main__":
    _serve()

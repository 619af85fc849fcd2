from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from campaigns.imports import job
from campaigns.imports.columns import ColumnMapping, UnreadableFile, chosen_mapping
from campaigns.imports.job import run_step
from campaigns.imports.preview import survey
from campaigns.imports.rows import ContactRow, contact_of, format_of, read_rows
from campaigns.imports.upload import start_import
from campaigns.imports.workbooks import child, reading
from campaigns.imports.workbooks.archive import MAX_SHEET, checked
from campaigns.imports.workbooks.reading import Workbook
from campaigns.imports.workbooks.refusals import Reason, Refused, reporting_damage
from campaigns.models import Contact, ContactImport, ContactList
from tests.campaigns.workbooks import archive, cell, part, parts_of, rows_of, sheet, strings, styles, workbook
from tests.tables import cases
from tests.waiting import PATIENCE, eventually

A, B, C = "+33612345678", "+33612345679", "+33612345670"
HEAD = ["phone", "name", "city"]


def outcome(data: bytes) -> tuple[dict[int, ContactRow], dict[int, str]]:
    """Return the contacts and complaints of a workbook, each by row number."""
    form = format_of(io.BytesIO(data), "list.xlsx")
    columns = ColumnMapping.of(form.header, chosen_mapping(form.header, None))
    good: dict[int, ContactRow] = {}
    bad: dict[int, str] = {}
    for row in read_rows(io.BytesIO(data), form, phones=columns.phone_indexes):
        if row.blank:
            continue
        found = contact_of(row, columns, "FR", {"FR", "US"})
        if isinstance(found, ContactRow):
            good[row.line] = found
        else:
            bad[row.line] = found.reason
    return good, bad


def a_sheet(data: str, before: str = "", after: str = "") -> bytes:
    return archive(parts_of(part(f"{before}<sheetData>{data}</sheetData>{after}")))


HEADER = rows_of([HEAD])
SHARED = strings(["phone", "name", A, "Zoé & Co"])
SHARED_ROWS = part(
    '<sheetData><row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>'
    '<row><c t="s"><v>2</v></c><c t="s"><v>3</v></c></row></sheetData>'
)
PREFIXED = sheet([HEAD, [A, "Zoé"]]).replace(b"<", b"<x:").replace(b"<x:/", b"</x:").replace(b"<x:?", b"<?")
PREFIXED = PREFIXED.replace(b"xmlns=", b"xmlns:x=")
# A workbook, the expected numbers by row, and part of the complaint about each other row.
FILES: dict[str, tuple[bytes, dict[int, str], dict[int, str]]] = {
    "plain": (workbook([HEAD, [A, "Zoé", "Lyon"], [B, "Ada"]]), {2: A, 3: B}, {}),
    "not compressed": (archive(parts_of(sheet([HEAD, [A]])), zipfile.ZIP_STORED), {2: A}, {}),
    "shared texts, no references": (archive(parts_of(SHARED_ROWS, shared=SHARED)), {2: A}, {}),
    "a shared text that is not there": (
        archive(
            parts_of(part(f'<sheetData>{HEADER}<row r="2"><c t="s"><v>7</v></c></row></sheetData>'), shared=SHARED)
        ),
        {},
        {0: "damaged"},
    ),
    "numbers that are numbers": (workbook([HEAD, [33612345678], [612345678], [33612345679.0]]), {2: A, 3: A, 4: B}, {}),
    "numbers with an exponent that lost nothing": (workbook([HEAD, ["<c><v>3.3612345678E10</v></c>"]]), {2: A}, {}),
    "text that was destroyed": (workbook([HEAD, ["1.5145E+10"], [A]]), {3: A}, {2: "destroyed by the spreadsheet"}),
    "a number longer than a sheet keeps": (workbook([HEAD, [33612345678123456]]), {}, {2: "destroyed"}),
    "gaps between rows and cells": (
        a_sheet(f'{rows_of([HEAD], 3)}<row r="9">{cell("Lyon", "C9")}</row>{rows_of([[A]], 12)}'),
        {12: A},
        {9: "There is no phone number"},
    ),
    "a blank first column": (workbook([["", "phone"], [None, A]]), {2: A}, {}),
    "rich and pronounced text": (
        a_sheet(
            f'{HEADER}<row r="2"><c r="A2" t="inlineStr"><is><r><t>+336</t></r><r><t>12345678</t></r>'
            "<rPh><t>nine</t></rPh></is></c></row>"
        ),
        {2: A},
        {},
    ),
    "formulas": (
        a_sheet(
            f'{HEADER}<row r="2"><c r="A2" t="str"><f>"+33"&amp;B1</f><v>{A}</v></c></row>'
            f'<row r="3"><c r="A3"><f>1+1</f></c></row><row r="4">{cell(B, "A4")}<c r="B4" t="str"><f>x</f></c></row>'
        ),
        {2: A, 4: B},
        {3: "The cell A3 is a formula without its result"},
    ),
    "errors in cells": (
        a_sheet(f'{HEADER}<row r="2"><c r="A2" t="e"><v>#N/A</v></c></row>'),
        {},
        {2: "A2 holds the error #N/A"},
    ),
    "a cell that is too long": (workbook([HEAD, [A, "x" * 12_000], [B]]), {3: B}, {2: "longer than 10,000"}),
    "more cells than columns": (workbook([HEAD, [A, "Z", "Lyon", "extra"], [B]]), {3: B}, {2: "has 4 columns"}),
    "empty cells behind the columns": (workbook([HEAD, [A, "Z", "Lyon", "", " "]]), {2: A}, {}),
    "an error in a row with nothing else": (
        a_sheet(f'{HEADER}<row r="9"><c r="C9" t="e"><v>#REF!</v></c></row>'),
        {},
        {9: "C9 holds the error #REF!"},
    ),
    "an error beside a number": (
        a_sheet(f"{HEADER}<row r='2'>{cell(A, 'A2')}<c r='B2' t = 'e'><v>#N/A</v></c></row>"),
        {},
        {2: "B2 holds the error #N/A"},
    ),
    "formulas without results, in all spellings": (
        a_sheet(
            HEADER
            + "".join(
                f'<row r="{number}">{cell(A, f"A{number}")}<c r="C{number}">{inside}</c></row>'
                for number, inside in enumerate(
                    ("<f>1</f>", "<f>1</f><v/>", "<f>1</f> <v> </v>", '<f t="shared" si="0"/>', "<f>1</f><v>1</v>"), 2
                )
            )
        ),
        {6: A},
        {number: f"The cell C{number} is a formula without its result" for number in (2, 3, 4, 5)},
    ),
    "a table that does not begin in the corner": (
        a_sheet(
            '<row r="3"><c r="C3" t="inlineStr"><is><t>phone</t></is></c></row>'
            f'<row r="5">{cell(A, "C5")}<c r="D5" t="e"><v>#N/A</v></c></row><row r="6">{cell(B, "C6")}</row>'
        ),
        {6: B},
        {5: "D5 holds the error #N/A"},
    ),
    "formatted rows with nothing in them": (
        a_sheet(HEADER + rows_of([[A]], 2) + '<row r="500"><c r="B500" s="0"/></row>'),
        {2: A},
        {},
    ),
    "everything around the rows": (
        a_sheet(
            HEADER + rows_of([[A]], 2), "<dimension ref='A1:XFD1048576'/><cols/>", "<mergeCells/><x><row r='1'/></x>"
        ),
        {2: A},
        {},
    ),
    "prefixed names": (archive(parts_of(PREFIXED)), {2: A}, {}),
    "UTF-16": (
        archive(parts_of(part(f"<sheetData>{rows_of([HEAD, [A]])}</sheetData>", encoding="utf-16"))),
        {},
        {0: "damaged"},
    ),
    "names in capitals": (
        archive(
            {
                name.replace("xl/", "XL/").replace("sheet1", "Sheet1"): data
                for name, data in parts_of(sheet([HEAD, [A]])).items()
            }
        ),
        {2: A},
        {},
    ),
    "names with backslashes": (
        archive({name.replace("/", "\\"): data for name, data in parts_of(sheet([HEAD, [A]])).items()}),
        {2: A},
        {},
    ),
    "no shared texts and no styles": (
        archive({name: data for name, data in parts_of(sheet([HEAD, [A]])).items() if "styles" not in name}),
        {2: A},
        {},
    ),
    "a hidden sheet before": (
        archive(parts_of(sheet([["x"]]), sheet([HEAD, [A]]), states=("hidden", "visible"))),
        {2: A},
        {},
    ),
    "rows that go backwards": (a_sheet(HEADER + rows_of([[A]], 5) + rows_of([[B]], 3)), {3: B, 5: A}, {}),
    "a row beyond the last": (a_sheet(HEADER + rows_of([[A]], 1_048_577)), {}, {0: "damaged"}),
    "a column beyond the last": (a_sheet(HEADER + '<row r="2"><c r="XFE2"><v>1</v></c></row>'), {}, {0: "damaged"}),
    "a reference that is none": (a_sheet(HEADER + '<row r="2"><c r="2A"><v>1</v></c></row>'), {}, {0: "damaged"}),
    "a style that is none": (a_sheet(HEADER + f'<row r="2">{cell(33612345678, "A2", style=900)}</row>'), {2: A}, {}),
    "a number that is none": (
        a_sheet(HEADER + '<row r="2"><c r="A2"><v>NaN</v></c><c r="B2"><v>x</v></c></row>'),
        {},
        {2: "'NaN'"},
    ),
    "an entity": (
        archive(
            parts_of(
                b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet><sheetData><row><c><v>&a;</v></c></row></sheetData></worksheet>'  # noqa: E501
            )
        ),
        {},
        {0: "damaged"},
    ),
    "an unclosed sheet": (archive(parts_of(sheet([HEAD, [A]]) + b"<")), {}, {0: "damaged"}),
    "half a sheet": (archive(parts_of(sheet([HEAD, [A], [B]])[:-80])), {}, {0: "damaged"}),
    "no XML": (archive(parts_of(b"hello")), {}, {0: "damaged"}),
    "no sheet": (archive(parts_of()), {}, {0: "no sheet"}),
    "a hidden sheet alone": (archive(parts_of(sheet([HEAD, [A]]), states=("hidden",))), {}, {0: "no sheet"}),
    "a sheet that is missing": (
        archive({name: data for name, data in parts_of(sheet([HEAD, [A]])).items() if "sheet1" not in name}),
        {},
        {0: "no sheet"},
    ),
    "an empty sheet": (a_sheet(""), {}, {0: "must name the columns"}),
    "no header": (workbook([[33612345678, 7], [33612345679, 8]]), {}, {0: "must name the columns"}),
    "too many columns": (workbook([[f"c{n}" for n in range(1_050)], [A]]), {}, {0: "1050 columns"}),
    "macros, which nobody runs": (archive(parts_of(sheet([HEAD, [A]])) | {"xl/vbaProject.bin": b"x"}), {2: A}, {}),
    "a binary workbook that is none": (
        archive({"[Content_Types].xml": b"<x/>", "xl/workbook.bin": b"x"}),
        {},
        {0: "damaged"},
    ),
    "an OpenDocument that is none": (archive({"mimetype": b"x", "content.xml": b"<x/>"}), {}, {0: "text document"}),
    "a letter": (archive({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}), {}, {0: "text document"}),
    "a zip with a CSV in it": (archive({"list.csv": b"phone\n1\n"}), {}, {0: "zip file, not a workbook"}),
    "a zip that is cut off": (workbook([HEAD, [A]])[:-40], {}, {0: "damaged"}),
    "a zip without anything": (b"PK\x03\x04rest", {}, {0: "damaged"}),
    "a password": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, {}, {0: "password"}),
}


@cases("name", FILES)
def test_a_workbook_gives_its_good_rows_and_complains_about_the_others(name: str) -> None:
    data, good, bad = FILES[name]
    if 0 in bad:
        with pytest.raises(UnreadableFile, match=re.escape(bad[0])):
            outcome(data)
        return
    found, complaints = outcome(data)
    assert {line: row.phone for line, row in found.items()} == good
    assert complaints.keys() == bad.keys()
    for line, words in bad.items():
        assert words in complaints[line]


def patched(data: bytes, name: str, at: int, form: str, value: int) -> bytes:
    """Return the archive with one number of a part's directory entry overwritten."""
    where = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    out = bytearray(data)
    struct.pack_into(form, out, where + at, value)
    return bytes(out)


SHEET_PART = "xl/worksheets/sheet1.xml"


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The declared sizes decide, and never more than the declared size is read."""
    good = workbook([HEAD, *[[f"+3361{number:07d}", "x" * 50] for number in range(2000)]])
    lies = patched(good, SHEET_PART, 24, "<I", 4_000_000_000)
    bomb = archive(parts_of(part("<sheetData/>" + " " * 40_000_000)))
    texts = archive(parts_of(sheet([HEAD, [A]]), shared=strings(["x" * 20_000_000])))
    many = archive({f"{number}": b"" for number in range(6_000)})
    for data in (lies, bomb, texts, many):
        with pytest.raises(UnreadableFile, match="far more"):
            Workbook(io.BytesIO(data))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *given: pytest.fail("unpacked"))
    for data in (lies, bomb, texts, many):
        with pytest.raises(Refused):
            checked(zipfile.ZipFile(io.BytesIO(data)))


def test_a_workbook_with_the_styles_of_many_others_is_read() -> None:
    """Copying sheets between workbooks leaves tens of thousands of styles."""
    parts = parts_of(sheet([HEAD, [A]]))
    copied = b"".join(
        b'<cellStyle name="Style %d of a sheet that was copied" xfId="%d"/>' % (n, n) for n in range(160_000)
    )
    styled = parts["xl/styles.xml"].replace(b"</styleSheet>", b"<cellStyles>" + copied + b"</cellStyles></styleSheet>")
    assert len(styled) > 10_000_000
    assert Workbook(io.BytesIO(archive(parts | {"xl/styles.xml": styled})))


def test_a_plain_picture_is_no_bomb() -> None:
    picture = {"xl/media/image1.bmp": b"\xff" * 20_000_000}
    assert checked(zipfile.ZipFile(io.BytesIO(archive(parts_of(sheet([HEAD, [A]])) | picture)))).kind == "xlsx"


def test_a_sheet_that_is_larger_than_it_says_is_damaged() -> None:
    good = workbook([HEAD, *[[f"+3361{number:07d}"] for number in range(50_000)]])
    with pytest.raises(UnreadableFile, match="damaged"):
        outcome(patched(good, SHEET_PART, 24, "<I", 100_000))


def test_parts_that_share_their_bytes_are_refused() -> None:
    data = archive(parts_of(sheet([HEAD, [A]]), sheet([HEAD, [A]])), zipfile.ZIP_STORED)
    first = data.index(b"PK\x03\x04", 10)
    with pytest.raises(UnreadableFile, match=r"far more|damaged"):
        Workbook(io.BytesIO(patched(data, "xl/styles.xml", 42, "<I", first)))


def test_an_encrypted_part_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="password"):
        Workbook(io.BytesIO(patched(workbook([HEAD, [A]]), SHEET_PART, 8, "<H", 1)))


@pytest.mark.parametrize("noise", ["<!--%s-->", '<x a="%s"/>', "<x %s"])
@pytest.mark.parametrize("error", ["", '<row r="3"><c r="A3" t="e"><v>#N/A</v></c></row>'])
def test_a_tag_that_does_not_end_costs_the_child_alone(noise: str, error: str) -> None:
    """With an error the sheet is parsed, and a tag of 8 MB refused."""
    junk = random.Random(1).randbytes(4_000_000).hex()
    data = a_sheet(HEADER + noise % junk + rows_of([[A]], 2) + error)
    if error:
        with pytest.raises(UnreadableFile, match="damaged"):
            outcome(data)
    else:
        assert outcome(data)[0].keys() == {2}


# Small files that cost a reader a lot. Each is read, or refused within the limits of the child.
CORNER = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
COSTLY = {
    "tags nested a million deep": a_sheet(HEADER + rows_of([[A]], 2) + "<x>" * 1_000_000 + "</x>" * 1_000_000),
    "the same, and an error": a_sheet(
        HEADER + rows_of([["<c t='e'><v>#N/A</v></c>"]], 2) + "<x>" * 1_000_000 + "</x>" * 1_000_000
    ),
    "styles nested deep": archive(
        parts_of(sheet([HEAD, [A]]), formats=part("<x>" * 400_000 + "</x>" * 400_000, "styleSheet"))
    ),
    "one cell in the last corner": a_sheet(HEADER + rows_of([[A]], 2) + CORNER),
    "a dimension that is the whole sheet": a_sheet(HEADER + rows_of([[A]], 2), "<dimension ref='A1:XFD1048576'/>"),
    "a count of texts that is a lie": archive(
        parts_of(SHARED_ROWS, shared=SHARED.replace(b"<sst", b'<sst count="4000000000" uniqueCount="4000000000"'))
    ),
    "a text of 32,000 characters used 100,000 times": archive(
        parts_of(
            part("<sheetData>" + "<row><c t='s'><v>0</v></c></row>" * 100_000 + "</sheetData>"),
            shared=strings(["x" * 32_000]),
        )
    ),
    "a reference to another machine": archive(
        parts_of(sheet([HEAD, [A]])) | {"xl/externalLinks/externalLink1.xml": b"<externalLink/>"}
    ),
    "entities in the texts": archive(
        parts_of(SHARED_ROWS, shared=b'<!DOCTYPE x [<!ENTITY a "b">]>' + SHARED.partition(b"?>")[2])
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_workbook_is_read_or_refused_within_the_limits(name: str) -> None:
    """The limit of the child's memory holds for all of them.

    The system tells the largest of all children so far: a child of another test may have been larger.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with suppress(UnreadableFile):
        assert Workbook(io.BytesIO(COSTLY[name])).header in {tuple(HEAD), ("phone", "name"), ("x" * 10_001,)}
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after == before or after * 1024 < child.MEMORY


def test_a_cell_in_the_last_corner_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnreadableFile, match="save the sheet as 'CSV UTF-8'"):
        outcome(COSTLY["one cell in the last corner"])


def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.01)
    with pytest.raises(UnreadableFile, match="more memory or time"):
        Workbook(io.BytesIO(workbook([HEAD, [A]])))
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_a_process_reads_two_workbooks_at_once_and_refuses_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one person's files take all threads of a web process, and a gigabyte for each."""
    monkeypatch.setattr(reading, "TURN_SECONDS", 0.01)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(source: object, rows: object) -> None:
        begun.release()
        assert go_on.wait(PATIENCE)

    file = workbook([HEAD, [A]])
    with ThreadPoolExecutor() as pool, monkeypatch.context() as patch:
        patch.setattr(reading, "_run_child", slow)
        two = [pool.submit(reading.rows_of, [file]) for _ in range(2)]
        for _ in two:
            assert begun.acquire(timeout=PATIENCE)
        try:
            with pytest.raises(UnreadableFile, match="Other workbooks are being read"):
                reading.rows_of([file])
        finally:
            go_on.set()
        for each in two:
            each.result(PATIENCE)
    assert reading.rows_of([file]).read().count(b"\n") >= 2, "it is somebody's turn again"


@pytest.mark.parametrize("limit", ["MEMORY", "CPU_SECONDS", "OUTPUT"])
def test_the_child_limits_itself(limit: str, tmp_path: Path) -> None:
    """The limits are those of the running process, so a smaller one stops the child."""
    small = {"MEMORY": 50_000_000, "CPU_SECONDS": 0, "OUTPUT": 100_000}[limit]
    file = tmp_path / "list"
    file.write_bytes(workbook([HEAD, *[[A, "x" * 1000]] * 60_000]))
    program = f"import {reading.CHILD} as child; child.{limit} = {small}; raise SystemExit(child.main())"
    with file.open("rb") as source, (tmp_path / "rows").open("wb") as rows:
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=source, stdout=rows, stderr=subprocess.DEVNULL, cwd=reading.HOME
        )
    assert done.returncode == Reason.TOO_LARGE or done.returncode < 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of the death of its parent")
def test_the_child_ends_with_its_parent() -> None:
    """It waits for a file that does not end, and would wait until its time is over."""
    program = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-m', '{reading.CHILD}']); "
    program += "print(child.pid, flush=True); child.wait()"
    begin, end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=begin, stdout=subprocess.PIPE, cwd=reading.HOME
    ) as own:
        assert own.stdout
        process = Path(f"/proc/{int(own.stdout.readline())}")
        eventually(lambda: f"{child.MEMORY}" in (process / "limits").read_text())
        own.kill()
    eventually(lambda: not process.exists() or ") Z " in (process / "stat").read_text())
    os.close(begin)
    os.close(end)


def test_a_row_that_is_far_too_long_is_a_fault_of_itself() -> None:
    """The parent holds a row as a whole, and looks for the header in a thousand of them."""
    data = workbook([HEAD, [A, *["é" * 10_000] * 120], [A, "Zoe"]])
    good, bad = outcome(data)
    assert (set(good), set(bad)) == ({3}, {2})
    assert "This row is longer than 1,000,000 characters" in bad[2]
    long = b'["a"]\n' + b"".join(b'[%d,["%s"],""]\n' % (n, b"x" * 3_000_000) for n in range(1, 20))
    assert len(list(Workbook(io.BytesIO(reading.ROWS + long)).first_rows(1_000))) == 2
    with pytest.raises(UnreadableFile, match="damaged"):
        Workbook(io.BytesIO(reading.ROWS + b'["a"]\n[1,["' + b"x" * 9_000_000 + b'"],""]\n'))


def test_the_child_knows_neither_django_nor_the_environment() -> None:
    program = f"import sys, {reading.CHILD}; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=reading.HOME).returncode == 0
    assert set(reading.ENVIRONMENT) == {"PYTHONPATH", "PYTHONIOENCODING"}


@pytest.mark.parametrize(
    "line",
    [b"", b"{}\n", b'["a"]\n[1]\n', b'["a"]\n[1,[2],""]\n', b'["a"]\n[1,["x"],""]\n[1,["y"],""]\n', b"[" * 100_000],
)
def test_a_file_that_only_says_that_it_holds_rows_is_refused(line: bytes) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        list(Workbook(io.BytesIO(reading.ROWS + line)).rows())


@pytest.mark.parametrize(
    "row",
    [
        '[1048577,["x"],""]',
        f'[{10**30},["x"],""]',
        '[1,["\\ud800"],""]',
        '[1,["a\\\\\\uDFFF"],""]',
        '[1,["x"],"=1+1"]',
        '[1,["x"],"a\\u0000"]',
        f'[1,["x"],"{"a" * 1_000}"]',
        f'[1,{["x"] * 2_001},""]'.replace("'", '"'),
    ],
)
def test_rows_that_no_child_wrote_are_refused(row: str) -> None:
    """Somebody sends a file that begins like a file of rows. It must not stop the import with an error."""
    with pytest.raises(UnreadableFile, match="damaged"):
        list(Workbook(io.BytesIO(reading.ROWS + b'["a"]\n' + row.encode() + b"\n")).rows())
    with pytest.raises(UnreadableFile, match="damaged"):
        Workbook(io.BytesIO(reading.ROWS + b'["a\\u0000"]\n'))


def test_a_text_that_looks_like_an_escape_stays_text() -> None:
    text = "C:\\ud800 \\\\uDFFF"
    content = json.dumps([1, [text], ""], ensure_ascii=False).encode()
    assert [cells for _, cells, _, _ in Workbook(io.BytesIO(reading.ROWS + b'["a"]\n' + content)).rows()] == [(text,)]


DATES = [
    ("yyyy-mm-dd", 46154, "2026-05-12"),
    ("dd/mm/yyyy hh:mm", 46154.395833333336, "2026-05-12T09:30:00"),
    ("h:mm AM/PM", 0.395833333333333, "09:30:00"),
    ("[h]:mm", 1.5, "36:00:00"),
    ("[$-40C]d mmmm yyyy;@", 46154, "2026-05-12"),
    ('"day" 0', 46154, "46154"),
    ("[Red]0.00", 1.5, "1.5"),
    ("00000", 1234, "01234"),
    ("General", 0.1 + 0.2, "0.3"),
    ("yyyy", 59, "1900-02-28"),
    ("yyyy", 61, "1900-03-01"),
    ("yyyy", -5, "-5"),
    ("yyyy", 33612345678, "33612345678"),
    ("#,##0 €", 1200, "1200"),
]


@cases(("code", "value", "text"), DATES)
def test_dates_are_written_in_iso_and_numbers_as_they_are(code: str, value: float, text: str) -> None:
    row = f'<row r="2">{cell(A, "A2")}{cell(value, "B2", style=1)}</row>'
    data = archive(parts_of(part(f"<sheetData>{rows_of([['phone', 'due']])}{row}</sheetData>"), formats=styles(code)))
    assert outcome(data)[0][2].variables == {"due": text}


def test_dates_may_count_from_1904() -> None:
    row = f'<row r="2">{cell(A, "A2")}{cell(44692, "B2", style=1)}<c r="C2" t="d"><v>2026-05-12</v></c></row>'
    rows = part(f"<sheetData>{rows_of([['phone', 'due', 'iso']])}{row}</sheetData>")
    data = archive(parts_of(rows, formats=styles("d/m/y"), properties='<workbookPr date1904="1"/>'))
    assert outcome(data)[0][2].variables == {"due": "2026-05-12", "iso": "2026-05-12"}


def test_reading_goes_on_at_any_row_as_if_it_had_not_stopped() -> None:
    texts = [f"{'long ' * (number % 90)}{number}\n" for number in range(4000)]
    rows = "".join(
        f'<row r="{number * 2 + 2}"><c r="A{number * 2 + 2}"><v>{33610000000 + number}</v></c>'
        f'<c r="C{number * 2 + 2}" t="s"><v>{number}</v></c></row>'
        for number in range(4000)
    )
    body = part(f"<cols/><sheetData>{rows_of([HEAD])}{rows}</sheetData>")
    book = Workbook(io.BytesIO(archive(parts_of(body, shared=strings(texts)))))
    whole = list(book.rows())
    assert len(whole) == 4001
    assert whole[-1][2] == book.size
    for at in (0, 1, 777, 2500, 3999, 4000):
        number, _, offset, _ = whole[at]
        assert list(book.rows(offset, number)) == whole[at + 1 :]


def test_rows_are_read_again_while_they_are_read() -> None:
    data = workbook([HEAD, *[[f"+3361{number:07d}", "x" * 100] for number in range(3_000)]])
    rows = reading.rows_file(io.BytesIO(data))
    assert isinstance(rows, reading.RowsFile)
    outer = Workbook(rows).rows()
    expected = [next(outer) for _ in range(1_500)]
    with rows.again() as again:
        whole = list(Workbook(again).rows())
    assert [*expected, *outer] == whole
    assert len(whole) == 3_001


def test_any_bytes_end_in_rows_or_in_a_sentence() -> None:
    chance = random.Random(20260512)
    whole = archive(parts_of(SHARED_ROWS, shared=SHARED), zipfile.ZIP_STORED)
    for _ in range(1_500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(Refused), reporting_damage():
            list(child.lines(io.BytesIO(data), io.BytesIO(data)))


def test_the_first_sheet_is_read_and_the_person_told() -> None:
    data = archive(parts_of(sheet([HEAD, [A]]), sheet([HEAD, [B]]), names=("Patients", "Old")))
    form = format_of(io.BytesIO(data))
    assert form.note == "The workbook has 2 sheets; only the first, 'Patients', is read."
    [shown] = survey(io.BytesIO(data), form, None, region="FR", allowed={"FR"}).first
    assert isinstance(shown, ContactRow)
    assert shown.phone == A


# --- the whole import --------------------------------------------------------------------------------------------


def take(contact_list: ContactList, data: bytes, **fields: Any) -> ContactImport:
    return start_import(contact_list, io.BytesIO(data), "list.xlsx", **fields)


@pytest.mark.django_db
def test_a_workbook_is_imported_in_steps_and_its_bad_rows_are_a_csv(
    contact_list: ContactList, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 50)
    rows: list[Sequence[object]] = [
        HEAD,
        *[[33610000000 + n if n % 10 else "1.5E+10", f"Name {n}", "=1+1"] for n in range(600)],
    ]
    imp = take(contact_list, archive(parts_of(sheet(rows), sheet([]))))
    assert imp.note == "The workbook has 2 sheets; only the first, 'Sheet1', is read."
    read = [0]
    while not run_step(imp.pk, 0):
        imp.refresh_from_db()
        read.append(imp.bytes_read)
    imp.refresh_from_db()
    assert imp.status == "completed"
    assert read == sorted(set(read))
    assert len(read) == 13
    assert read[-1] == imp.bytes_total == imp.bytes_read
    assert (imp.rows_read, imp.created, imp.rejected, imp.lines_read) == (600, 540, 60, 601)
    assert Contact.objects.count() == contact_list.contacts.count() == 540
    found = list(csv.reader(io.StringIO((settings.MEDIA_ROOT / str(imp.rejected_file.name)).read_text("utf-8-sig"))))
    assert found[1][:4] == ["1.5E+10", "Name 0", "'=1+1", "2"]
    assert "destroyed by the spreadsheet" in found[1][4]


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name, (_, _, bad) in FILES.items() if 0 in bad])
def test_a_file_that_is_no_workbook_is_refused_at_once_and_nothing_is_kept(
    name: str, contact_list: ContactList, settings: Any
) -> None:
    try:
        imp = take(contact_list, FILES[name][0])
    except UnreadableFile:
        assert not ContactImport.objects.exists()
        assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
        return
    assert run_step(imp.pk, PATIENCE)  # its first rows were valid
    imp.refresh_from_db()
    assert imp.status == "failed"
    assert "damaged" in imp.error


@pytest.mark.django_db
def test_a_workbook_without_a_column_of_numbers_is_refused(contact_list: ContactList, settings: Any) -> None:
    with pytest.raises(UnreadableFile, match="No column holds the phone number"):
        take(contact_list, workbook([["who"], ["Zoé"]]))
    with pytest.raises(UnreadableFile, match="no rows"):
        take(contact_list, workbook([HEAD, ["", " "]]))
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_limits_are_what_the_documentation_says() -> None:
    assert MAX_SHEET == 512 * 1024 * 1024
    assert child.MAX_ROW == 1_048_576

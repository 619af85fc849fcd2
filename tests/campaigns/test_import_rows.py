from __future__ import annotations

import codecs
import gzip
import io
import random
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.imports import preview
from campaigns.imports import rows as rows_module
from campaigns.imports.preview import survey
from campaigns.imports.rows import (
    MAX_CELL,
    MAX_LINE_BYTES,
    ColumnMapping,
    ContactRow,
    ReadRow,
    RejectedRow,
    UnreadableFile,
    chosen_mapping,
    contact_of,
    guess_mapping,
    mapping_faults,
    read_rows,
    sniff,
)
from tests.conftest import examples
from tests.tables import cases

ALLOWED = {"FR", "US", "CA"}
A, B, C = "+33612345678", "+33612345679", "+33612345670"


def outcome(
    data: bytes, mapping: Mapping[str, str] | None = None, *, delimiter: str = "", encoding: str = "", name: str = ""
) -> tuple[dict[int, ContactRow], dict[int, str]]:
    """Return the contacts and complaints of a file, each by line number."""
    form = sniff(data[: 256 * 1024], name, delimiter=delimiter, encoding=encoding)
    columns = ColumnMapping.of(form.header, chosen_mapping(form.header, mapping))
    good: dict[int, ContactRow] = {}
    bad: dict[int, str] = {}
    for row in read_rows(io.BytesIO(data), form, phones=columns.phone_indexes):
        if row.blank:
            continue
        found = contact_of(row, columns, "FR", ALLOWED)
        assert row.line not in good
        assert row.line not in bad
        if isinstance(found, RejectedRow):
            bad[row.line] = found.reason
        else:
            good[row.line] = found
    return good, bad


HEAD = "phone,name,city\n"
WIDE = ",".join(f"c{number}" for number in range(190))
# A file, the expected numbers by line, and part of the complaint about each other line.
FILES: dict[str, tuple[bytes, dict[int, str], dict[int, str]]] = {
    "plain": (f"{HEAD}{A},Zoé,Lyon\n{B},Ada,Paris\n".encode(), {2: A, 3: B}, {}),
    "without a last line end": (f"{HEAD}{A},Zoé,Lyon".encode(), {2: A}, {}),
    "with a mark of UTF-8": (codecs.BOM_UTF8 + f"{HEAD}{A},Zoé,Lyon\n".encode(), {2: A}, {}),
    "UTF-16 little endian": (
        codecs.BOM_UTF16_LE + f"{HEAD}{A},Zoé,Lyon\n{B},b,c".encode("utf-16-le"),
        {2: A, 3: B},
        {},
    ),
    "UTF-16 big endian": (codecs.BOM_UTF16_BE + f"{HEAD}{A},Ċą,Lyon\n{B},b,c".encode("utf-16-be"), {2: A, 3: B}, {}),
    "UTF-16 without a mark": (f"{HEAD}{A},Zoé,Lyon\n{B},山田,c".encode("utf-16-le"), {2: A, 3: B}, {}),
    "UTF-16 big endian without a mark": (f"{HEAD}{A},Zoé,Lyon\r\n{B},b,c".encode("utf-16-be"), {2: A, 3: B}, {}),
    "UTF-16 with line ends of old Macintosh": (
        codecs.BOM_UTF16_LE + f"{HEAD.strip()}\r{A},Ċ\u0a0d\u0d0a,Lyon\r{B},b,c\r".encode("utf-16-le"),
        {2: A, 3: B},
        {},
    ),
    "UTF-16 with Windows line ends": (
        codecs.BOM_UTF16_BE + f"{HEAD.strip()}\r\n{A},\u0a0d\u0d0a\u0a00,Lyon\r\n{B},b,c".encode("utf-16-be"),
        {2: A, 3: B},
        {},
    ),
    "UTF-16 with mixed line ends": (
        codecs.BOM_UTF16_LE + f"{HEAD}{A},x,\r\n{B},y,\r{C},z,\n\r".encode("utf-16-le"),
        {2: A, 3: B, 4: C},
        {},
    ),
    "UTF-16 with tabs and a lead's prefixes": (
        codecs.BOM_UTF16_LE + f"id\tfull_name\tphone_number\nl:1\tZoé\t{A}\n".encode("utf-16-le"),
        {2: A},
        {},
    ),
    "other line separators inside cells": (
        f'{HEAD}{A},"Zoé\u2028Zoé",Lyon\x85Nord\n{B},Ada\u2029,\x0bx\n'.encode(),
        {2: A, 3: B},
        {},
    ),
    "other line separators inside cells of UTF-16": (
        codecs.BOM_UTF16_LE + f'{HEAD}{A},"Zoé\u2028Zoé",Lyon\x85\r{B},Ada\u2029,\r'.encode("utf-16-le"),
        {2: A, 3: B},
        {},
    ),
    "a cell of two lines in UTF-16 with line ends of old Macintosh": (
        codecs.BOM_UTF16_LE + f'{HEAD.strip()}\r{A},Zoé,"12 rue X\rLyon"\r{B},Ada,Paris'.encode("utf-16-le"),
        {2: A, 3: B},
        {},
    ),
    "Latin letters of Windows": (f"{HEAD}{A},Zoé Müller,Orléans\n".encode("cp1252"), {2: A}, {}),
    "semicolons": (f"phone;name\n{A};a,b\n".encode(), {2: A}, {}),
    "tabs": (f"phone\tname\n{A}\tZoé\n".encode(), {2: A}, {}),
    "bars": (f"phone|name\n{A}|Zoé\n".encode(), {2: A}, {}),
    "one column": (f"phone\n{A}\n{B}\n".encode(), {2: A, 3: B}, {}),
    "a line that names the separator": (f"sep=;\nphone;name\n{A};Zoé\n".encode(), {3: A}, {}),
    "Windows line ends": (f"phone,name\r\n{A},Zoé\r\n".encode(), {2: A}, {}),
    "old Macintosh line ends": (f"phone,name\r{A},Zoé\r{B},Ada\r".encode(), {2: A, 3: B}, {}),
    "mixed line ends": (f"phone,name\r\n{A},Zoé\n{B},Ada\r{C},Bob\r\n".encode(), {2: A, 3: B, 4: C}, {}),
    "blank lines": (f"\n\nphone,name\n\n{A},Zoé\n   \n,,\n{B},Ada\n\n".encode(), {5: A, 8: B}, {}),
    "lines of empty cells": (f"{HEAD},,\n{A},Zoé,\n".encode(), {3: A}, {}),
    "a cell of two lines": (f'{HEAD}{A},Zoé,"12 rue X\nLyon"\n{B},Ada,Paris\n'.encode(), {2: A, 3: B}, {}),
    "quoted cells": (f'"phone","name","city"\n"{A}","Zoé, dit ""Z""","Lyon"\n'.encode(), {2: A}, {}),
    "a quote inside a cell": (f'{HEAD}{A},12" pipe,Lyon\n{B},Ada,Paris\n'.encode(), {2: A, 3: B}, {}),
    "text after a quote": (f'{HEAD}{A},"Bob" Smith,Lyon\n{B},Ada,Paris\n'.encode(), {2: A, 3: B}, {}),
    "a stray quote to the end of the file": (
        f'{HEAD}{A},"Zoé,Lyon\n{B},Ada,Paris\n{C},Bob,Nice\n'.encode(),
        {3: B, 4: C},
        {2: "quote"},
    ),
    "a stray quote in the last line": (f'{HEAD}{A},Zoé,Lyon\n{B},"Ada,Paris'.encode(), {2: A}, {3: "quote"}),
    "two stray quotes far apart": (
        f'{HEAD}{A},"Zoé,Lyon\n{B},Ada,Paris\n{C},Bob",Nice\n'.encode(),
        {3: B, 4: C},
        {2: "quote"},
    ),
    "a stray quote before 300 lines": (
        f'{HEAD}{A},"Zoé,Lyon\n'.encode() + "".join(f"+336123{n:05d},x,y\n" for n in range(300)).encode(),
        {3 + n: f"+336123{n:05d}" for n in range(300)},
        {2: "quote"},
    ),
    "NUL bytes in one line": (f"{HEAD}{A},Z\0,Lyon\n{B},Ada,Paris\n".encode(), {3: B}, {2: "NUL"}),
    "one line in another encoding": (
        f"{HEAD}{A},Zoé,Lyon\n".encode() + f"{B},Zoé,Lyon\n".encode("cp1252") + f"{C},Ada,\n".encode(),
        {2: A, 4: C},
        {3: "utf-8"},
    ),
    "half a character at the end": (f"{HEAD}{A},Zoé,Lyon\n{B},Zo".encode() + b"\xc3", {2: A}, {3: "utf-8"}),
    "too many columns": (f"{HEAD}{A},Zoé,Lyon,x,y\n{B},Ada,Paris\n".encode(), {3: B}, {2: "5 columns"}),
    "too many columns, all of them empty": (f"{HEAD}{A},Zoé,Lyon,,,\n".encode(), {2: A}, {}),
    "too few columns": (f"{HEAD}{A}\n{B},Ada\n".encode(), {2: A, 3: B}, {}),
    "repeated headers": (f"phone,note,note\n{A},x,y\n".encode(), {2: A}, {}),
    "empty headers": (f"phone,,name,\n{A},x,Zoé,y\n".encode(), {2: A}, {}),
    "spaces around headers": (f" Phone , Name \n {A} , Zoé \n".encode(), {2: A}, {}),
    "190 columns": (f"phone,{WIDE}\n{A},x\n".encode(), {2: A}, {}),
    "a cell that is too long": (f"{HEAD}{A},{'x' * (MAX_CELL + 1)},y\n{B},Ada,\n".encode(), {3: B}, {2: "10,000"}),
    "a line of three megabytes": (
        f"{HEAD}{A},{'x' * 3_000_000},y\n{B},Ada,Paris\n".encode(),
        {3: B},
        {2: "10,000"},
    ),
    "a quoted cell longer than the library's limit": (
        f'{HEAD}{A},"{"x" * 200_000}",y\n{B},"{"x" * 200_000},y\n{C},Ada,Paris\n'.encode(),
        {4: C},
        {2: "quote", 3: "quote"},
    ),
    "formulas": (f"{HEAD}{A},=cmd|' /C calc'!A0,@SUM(1)\n".encode(), {2: A}, {}),
    "numbers that the spreadsheet destroyed": (
        f"{HEAD}3.36123E+10,Zoé,\n{B},Ada,\n".encode(),
        {3: B},
        {2: "spreadsheet"},
    ),
    "numbers without their plus": (f"{HEAD}{A[1:]},Zoé,\n".encode(), {2: A}, {}),
    "numbers in national form": (f"{HEAD}06 12 34 56 78,Zoé,\n".encode(), {2: A}, {}),
    "an empty number": (f"{HEAD},Zoé,Lyon\n{A},Ada,\n".encode(), {3: A}, {2: "no phone number"}),
    "a number that is too short": (f"{HEAD}0612,Zoé,Lyon\n".encode(), {}, {2: "'0612' is not a phone number in FR"}),
    "a country that is not allowed": (f"{HEAD}+442079460018,Zoé,Lyon\n".encode(), {}, {2: "GB"}),
    "a number with an extension": (f"{HEAD}{A} ext 5,Zoé,Lyon\n".encode(), {}, {2: "extension"}),
    "two numbers in one cell": (f'{HEAD}"{A}\n{B}",Zoé,Lyon\n{C},Ada,\n'.encode(), {2: A, 3: C}, {}),
    "a stray quote before a number, and one after another": (
        f'{HEAD}"{A},Zoé,Lyon\n{B}",Ada,Paris\n{C},Eve,\n'.encode(),
        {4: C},
        {2: "quote", 3: "'"},
    ),
    "a time zone that does not exist": (
        f"phone,tz\n{A},Atlantis\n{B},Europe/Paris\n".encode(),
        {3: B},
        {2: "Europe/Paris"},
    ),
    "a name that is too long": (f"{HEAD}{A},{'x' * 201},\n".encode(), {}, {2: "shorten"}),
    "variables that are too large": (
        f"phone,a,b\n{A},{'x' * 9000},{'y' * 9000}\n".encode(),
        {},
        {2: "16 KB"},
    ),
    "the end mark of DOS": (f"{HEAD}{A},Zoé,Lyon\r\n\x1a".encode(), {2: A}, {}),
    "a zero-width mark inside a number": (f"{HEAD}\u200e{A}\u200b,Zoé,Lyon\n".encode(), {2: A}, {}),
    "Arabic digits": (f"{HEAD}٠٦١٢٣٤٥٦٧٨,Zoé,Lyon\n".encode(), {2: A}, {}),
    "Japanese": (f"電話,名前\n{A},山田\n".encode(), {2: A}, {}),
}


@cases("name", FILES)
def test_good_lines_are_kept_and_each_bad_line_is_rejected_with_its_reason(name: str) -> None:
    data, numbers, complaints = FILES[name]
    mapping = {"phone": "phone", **{f"c{n}": "" for n in range(190)}} if "190" in name else None
    good, bad = outcome(data, mapping)
    assert {line: row.phone for line, row in good.items()} == numbers
    assert bad.keys() == complaints.keys()
    for line, word in complaints.items():
        assert word in bad[line]


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return target.getvalue()


@cases(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (codecs.BOM_UTF8 + b"\r\n", "empty"),
        (b",,,\n;;\n", "no header"),
        (_zip(), "spreadsheet or zip"),
        (gzip.compress(b"phone\n", mtime=0), "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<!DOCTYPE html><html>", "web page"),
        (codecs.BOM_UTF8 + b"<html>", "web page"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zoe\r\nTEL;TYPE=CELL:0612345678\r\nEND:VCARD\r\n", "vCard"),
        (codecs.BOM_UTF8 + b"\nbegin:vcard\nTEL;HOME:0612345678\nend:vcard\n", "vCard"),
        (b'[{"name": "Zoe", "phone": "0612345678"},\n{"name": "Ada", "phone": "0612345679"}]', "JSON"),
        (b'{"contacts": [\n{"name": "Zoe", "phone": "0612345678"}]}', "JSON"),
        ("phone\n1".encode("utf-32"), "UTF-32"),
        (bytes(range(256)) * 10, "binary"),
        (bytes(range(1, 256)) + b"\0" * 300, "binary"),
        (b"+33612345678,0612345679\n", "must name the columns"),
        (b'"' + b"1" * 200_000, "must name the columns"),
        (",".join(f"c{n}" for n in range(1001)).encode(), "1001 columns"),
    ],
)
def test_what_is_not_a_table_of_text_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile, match=words):
        sniff(data)


def test_a_file_without_a_column_of_numbers_says_what_it_has_and_how_to_map() -> None:
    with pytest.raises(UnreadableFile) as refused:
        outcome(b"who,when\nZoe,9:30\n")
    assert "'who', 'when'" in str(refused.value)
    assert '{"who": "phone"}' in str(refused.value)


@pytest.mark.parametrize("delimiter", [",,", "a", '"', "\n", "1", "é"])
def test_a_delimiter_that_cannot_be_is_refused(delimiter: str) -> None:
    with pytest.raises(UnreadableFile):
        sniff(b"phone\n1\n", delimiter=delimiter)


@pytest.mark.parametrize(
    "encoding", ["rot13", "utf-7", "utf-32", "base64", "idna", "cp037", "klingon", "\0", "iso2022_jp"]
)
def test_an_encoding_that_would_break_lines_is_refused(encoding: str) -> None:
    with pytest.raises(UnreadableFile):
        sniff(b"phone\n1\n", encoding=encoding)


def test_a_given_delimiter_and_encoding_are_used() -> None:
    data = f"phone;na,me\n{A};Łódź\n".encode("cp1250")
    form = sniff(data, delimiter=";", encoding="cp1250")
    assert form.confident
    assert form.header == ("phone", "na,me")
    good, _ = outcome(data, delimiter=";", encoding="cp1250")
    assert good[2].variables == {"na_me": "Łódź"}


def test_a_guessed_encoding_is_to_be_confirmed() -> None:
    form = sniff("phone,name\n0612345678,Zoé élève\n".encode("cp1252"))
    assert not form.confident
    assert form.encoding == "cp1252"
    assert sniff("phone,name\n0612345678,Zoé\n".encode()).confident


def test_the_delimiter_of_a_tie_is_the_one_the_next_lines_share() -> None:
    assert sniff(b"name (last, first);phone\nDoe;0612345678\nRoe;0612345679\n").delimiter == ";"


def test_the_name_of_the_file_can_tell_tabs() -> None:
    assert sniff(b"phone\n1\n", "list.TSV").delimiter == "\t"


@cases(
    ("header", "expected"),
    [
        (["Phone", "Name"], {"Phone": "phone", "Name": "name"}),
        (["Téléphone", "Nom", "Prénom"], {"Téléphone": "phone", "Nom": "name", "Prénom": "name"}),
        (["Numéro de téléphone", "Nom complet"], {"Numéro de téléphone": "phone", "Nom complet": "name"}),
        (["First Name", "Last Name", "Mobile"], {"First Name": "name", "Last Name": "name", "Mobile": "phone.mobile"}),
        (["Telefonnummer", "Kunde"], {"Telefonnummer": "phone", "Kunde": "variables.Kunde"}),
        (["Mobile", "Phone"], {"Mobile": "phone.mobile", "Phone": "phone"}),
        (["phoneNumber", "externalId"], {"phoneNumber": "phone", "externalId": "external_id"}),
        (["Customer phone (main)", "x"], {"Customer phone (main)": "phone", "x": "variables.x"}),
        (["Phone type", "Tel."], {"Phone type": "variables.Phone_type", "Tel.": "phone"}),
        (
            ["number", "ID", "lang", "TZ"],
            {"number": "phone", "ID": "external_id", "lang": "language", "TZ": "timezone"},
        ),
        (["phone", "Time zone", "Langue"], {"phone": "phone", "Time zone": "timezone", "Langue": "language"}),
        (["phone", "Date du RDV"], {"phone": "phone", "Date du RDV": "variables.Date_du_RDV"}),
        (["phone", "2nd", "a-b", "a b"], {"2nd": "variables._2nd", "a-b": "variables.a_b", "a b": "variables.a_b_2"}),
        (["phone", "日付"], {"日付": "variables.column_2"}),
        (["phone", "(column 2)"], {"(column 2)": ""}),
        (["phone", "line", "reason"], {"line": "", "reason": ""}),
        (["city"], {"city": "variables.city"}),
    ],
)
def test_columns_are_recognised_by_the_words_people_use(header: list[str], expected: dict[str, str]) -> None:
    found = guess_mapping(header)
    assert {column: found[column] for column in expected} == expected


def test_first_names_stand_before_last_names_whatever_the_order_of_the_columns() -> None:
    good, _ = outcome(f"Nom,Prénom,Tél\nDupont,Zoé,{A}\n".encode())
    assert good[2].name == "Zoé Dupont"
    good, _ = outcome(f"Last name,First name,Phone\nSmith,Ada,{A}\n".encode())
    assert good[2].name == "Ada Smith"


def test_a_mapping_is_followed_and_other_columns_become_variables() -> None:
    data = f"who,call,town,secret\nZoé,{A},Lyon,x\n".encode()
    good, _ = outcome(data, {"who": "name", "CALL": "phone", "secret": ""})
    assert good[2].name == "Zoé"
    assert good[2].variables == {"town": "Lyon"}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"nope": "phone"}, "no column 'nope'"),
        ({"call": "phone", "who": "language", "x": "language"}, "Two columns become language"),
        ({"call": "phone", "who": "nickname"}, "cannot become 'nickname'"),
        ({"call": "phone", "who": "variables.9x"}, "cannot become"),
        ({"call": "phone", "who": None}, "cannot become None"),
        ({"call": "phone", "who": ["name"]}, "cannot become"),
        ({"who": "name"}, "No column holds the phone number"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_in_words(mapping: dict[str, str], words: str) -> None:
    header = ["who", "call", "x"]
    faults = mapping_faults(header, chosen_mapping(header, mapping))
    assert any(words in fault for fault in faults), faults


def test_more_than_64_chosen_variables_are_a_fault_of_the_mapping() -> None:
    header = ["phone", *(f"c{n}" for n in range(65))]
    chosen = chosen_mapping(header, {"phone": "phone", **{f"c{n}": f"variables.v{n}" for n in range(65)}})
    assert any("65 columns" in fault for fault in mapping_faults(header, chosen))


def test_accents_at_the_end_of_a_line_are_not_taken_for_utf_8() -> None:
    assert sniff("Tel;Nom\n0612345601;Zoé\n0612345602;René\n".encode("cp1252")).encoding == "cp1252"


def test_a_preview_shows_contacts_and_complaints() -> None:
    data = f"phone,name\n{A},Zoé\n\n0612,Ada\n{B},Bob\n{C},Eve\n".encode()
    shown = survey(io.BytesIO(data), sniff(data), None, region="FR", allowed=ALLOWED, rows=3).first
    assert [type(row) for row in shown] == [ContactRow, RejectedRow, ContactRow]
    assert isinstance(shown[1], RejectedRow)
    assert (shown[1].line, shown[1].cells) == (4, ("0612", "Ada"))


@cases("name", FILES)
def test_reading_goes_on_behind_any_row_as_if_it_had_never_stopped(name: str) -> None:
    data = FILES[name][0]
    form = sniff(data[: 256 * 1024])
    whole = list(read_rows(io.BytesIO(data), form, phones=[0]))
    assert not whole or whole[-1].end == len(data)
    for index, row in enumerate(whole):
        if index < 20 or index % 50 == 0:
            assert list(read_rows(io.BytesIO(data), form, row.end, row.line, phones=[0])) == whole[index + 1 :]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_offsets_are_exact_wherever_the_pieces_of_a_file_end(
    encoding: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Characters whose bytes look like line ends between two characters, and one of two units.
    odd = "\u0a41\u6100\u0d41\u6100\u0a41\u0a0d\U0001f600"
    rows = [f"+336123456{n:02},é{odd},{'x' * n}" for n in range(30)]
    data = end.join(["phone,name,city", *rows, ""]).encode(encoding)
    form = sniff(data, encoding=encoding)
    expected = [(n + 2, (f"+336123456{n:02}", f"é{odd}", "x" * n)) for n in range(30)]
    for size in (1, 2, 3, 5, 7, 64):
        monkeypatch.setattr("campaigns.imports.text_lines.CHUNK_BYTES", size)
        whole = list(read_rows(io.BytesIO(data), form))
        assert [(row.line, row.cells) for row in whole] == expected
        assert whole[-1].end == len(data)
        for row in whole[::7]:
            rest = list(read_rows(io.BytesIO(data), form, row.end, row.line))
            assert rest == [each for each in whole if each.line > row.line]


def test_a_long_line_is_never_held_whole() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0
            self.largest = max(self.largest, size)
            return super().read(size)

    data = b"phone,name\n" + b"x" * (MAX_LINE_BYTES * 5) + f"\n{A},Zoe\n".encode()
    file = Counting(data)
    rows = list(read_rows(file, sniff(data[:1000])))
    assert [len(row.cells[0]) <= MAX_CELL + 1 for row in rows] == [True, True]
    assert rows[1].cells == (A, "Zoe")
    assert rows[1].end == len(data)


@examples(80)
@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_become_rows_or_a_refusal(data: bytes) -> None:
    _survives(b"phone,name,city\n" + data)
    _survives(data)


def test_mutated_files_lose_no_offset() -> None:
    chance = random.Random(7)
    for name in FILES:
        for _ in range(20):
            data = bytearray(FILES[name][0][:5000])
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.choice(b'\x00\r\n",;\t\xff\x80=+0a')
            _survives(bytes(data))


def test_a_preview_reads_a_bounded_number_of_blank_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "BLANK_ROWS", 10)
    for blank, whole in ((9, True), (10, True), (11, False)):
        data = f"phone\n{A}\n".encode() + b"\n" * (blank - 1) + B.encode()
        found = survey(io.BytesIO(data), sniff(data), None, region="FR", allowed={"FR"})
        assert (found.read, found.whole) == (1 + whole, whole), blank


def test_rows_that_are_read_at_once_are_what_the_thorough_reading_makes_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every kind of cell in every kind of column, and no column that only the thorough reading knows."""
    chance = random.Random(11)
    phones = ("0612345678", "+33 6 12 34 56 79", "1-212-555-0199", "12", "06 12 34 56 78 DNC", "0612345678/0612345679")
    texts = ("", " Ada ", "o'Neill", "é" * 199, "x" * 201, "a\tb", "Do not call", "callcentre", "\x07", "yes", "no",
             "Europe/Paris", "2026-03-31", "\u00a0x", "de", "z" * 36, "\ud800", "y" * 5000, "'", "NULL")  # fmt: skip
    targets = ("name", "name", "external_id", "language", "timezone", "do_not_call", "consent_basis", "consent_at",
               "consent_evidence", "variables.city", "variables.Note", "", "phone", "may_call")  # fmt: skip
    quick = 0
    for _ in range(1_500):
        chosen = chance.sample(targets, chance.randint(1, 5))
        header = ("Number", *(f"{target} {n}" for n, target in enumerate(chosen)))
        columns = ColumnMapping.of(header, dict(zip(header, ("phone", *chosen), strict=True)))
        weights = (9, 9, *[1] * (len(texts) - 2))
        cells = (chance.choice(phones[:3] * 4 + phones), *chance.choices(texts, weights, k=len(chosen)))
        row = ReadRow(2, cells[: len(cells) - chance.choice((0, 0, 0, 0, 1))], 99, chance.choice(("", "", "", "torn")))
        region = chance.choice(("FR", "US"))
        found = contact_of(row, columns, region, ALLOWED)
        quick += rows_module._at_once(row, columns, region, ALLOWED) is not None
        with monkeypatch.context() as without:
            without.setattr(rows_module, "_at_once", lambda *_: None)
            assert found == contact_of(row, columns, region, ALLOWED), (header, row)
    assert quick > 60


def _survives(data: bytes) -> None:
    try:
        form = sniff(data)
    except UnreadableFile:
        return
    end = line = 0
    columns = ColumnMapping.of(form.header, {form.header[0]: "phone"})
    for row in read_rows(io.BytesIO(data), form, phones=[0]):
        assert row.end > end
        assert row.line == line + 1 or line == 0
        end, line = row.end, row.line
        contact_of(row, columns, "FR", ALLOWED)
    assert end in (0, len(data))


@pytest.mark.parametrize("mark", ['"', "+", " ", "0", "a"])
def test_a_line_that_names_what_cannot_separate_is_not_believed(mark: str) -> None:
    """The import would be accepted, and fail when it is read again with that separator."""
    assert sniff(f"sep={mark}\nphone,name\n{A},Zoé\n".encode()).delimiter == ","

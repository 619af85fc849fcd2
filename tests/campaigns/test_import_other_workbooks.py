"""Workbooks that are not .xlsx: .xls, .xlsb and .ods."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest

from campaigns.do_not_call.file import read_file
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.job import run_step
from campaigns.imports.upload import start_import
from campaigns.imports.workbooks.reading import Workbook
from campaigns.models import ContactList
from tests.campaigns.other_workbooks import Error, Number, compound_file, ods, xls, xlsb
from tests.waiting import PATIENCE

A = "+33612345678"
KINDS = {"xls": xls, "xlsb": xlsb, "ods": ods}
Writer = Callable[..., bytes]


@pytest.fixture(params=KINDS)
def write(request: pytest.FixtureRequest) -> Writer:
    return KINDS[request.param]


def rows(data: bytes) -> list[tuple[int, tuple[str, ...], str]]:
    return [(number, cells, fault) for number, cells, _, fault in Workbook(io.BytesIO(data)).rows()]


def test_texts_and_numbers_arrive_as_the_sheet_shows_them(write: Writer) -> None:
    data = write([["phone", "name", "n"], [A, "Zoé\n😀 العربية", 33612345678], [], ["x", None, 1.5]])
    assert rows(data) == [
        (1, ("phone", "name", "n"), ""),
        (2, (A, "Zoé\n😀 العربية", "33612345678"), ""),
        (4, ("x", "", "1.5"), ""),
    ]


def test_zeros_that_the_format_shows_are_kept(write: Writer) -> None:
    data = write([["phone", "code"], [Number(612345678, 10), Number(0, 3)], [Number(7, 2), 7]])
    assert rows(data)[1:] == [(2, ("0612345678", "000"), ""), (3, ("07", "7"), "")]


def test_a_cell_with_an_error_is_a_fault_of_its_row_and_not_empty(write: Writer) -> None:
    """An empty do-not-call cell would mean that the person may be called."""
    data = write([["phone", "do not call"], [A, Error()], [A, Error(0x17, "#REF!")], [A, "no"]])
    assert [fault[:35] for _, _, fault in rows(data)] == [
        "",
        "The cell B2 holds the error #N/A; f",
        "The cell B3 holds the error #REF!; ",
        "",
    ]


def test_a_row_of_nothing_but_an_error_is_told_too(write: Writer) -> None:
    data = write([["phone"], [A], [], [Error()]])
    assert [number for number, _, _ in rows(data)] == [1, 2, 4]


def test_a_table_may_begin_anywhere_on_the_sheet(write: Writer) -> None:
    data = write([[], [], [None, None, "phone", "dnc"], [None, None, Number(612345678, 10), Error()], [None, None, A]])
    assert [(number, cells, fault[:11]) for number, cells, fault in rows(data)] == [
        (3, ("", "", "phone", "dnc"), ""),
        (4, ("", "", "0612345678"), "The cell D4"),
        (5, ("", "", A), ""),
    ]


def test_hidden_sheets_are_skipped(write: Writer) -> None:
    data = write([["no"]], [["phone"], [A]], [["other"]], hidden=(True, False, False))
    book = Workbook(io.BytesIO(data))
    assert book.sheet_names == ["Sheet2", "Sheet3"]
    assert book.header == ("phone",)


def test_a_workbook_of_hidden_sheets_is_refused(write: Writer) -> None:
    with pytest.raises(UnreadableFile, match="no sheet"):
        Workbook(io.BytesIO(write([["phone"]], hidden=(True,))))


def test_the_do_not_call_list_takes_them_too(write: Writer) -> None:
    found = read_file(write([["phone"], [A], [Number(612345670, 10)]]), "list", "FR")
    assert found.phones == {A: 2, "+33612345670": 3}


@pytest.mark.django_db
def test_they_are_imported(write: Writer, contact_list: ContactList) -> None:
    imp = start_import(contact_list, io.BytesIO(write([["phone", "name"], [A, "Ada"], [Error(), "Bob"]])), "people.bin")
    assert run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.status, imp.created, imp.rejected) == ("completed", 1, 1)
    with imp.rejected_file.open() as file:
        assert file.read().decode("utf-8-sig").splitlines()[1].split(",")[1:3] == ["Bob", "3"]


def test_a_small_file_lies_in_small_sectors() -> None:
    data = xls([["phone"], [Number(612345678, 10)]], small=True)
    assert len(data) < 4096
    assert rows(data)[1] == (2, ("0612345678",), "")


def test_an_encrypted_old_workbook_is_refused() -> None:
    locked = struct.pack("<HHHHH", 0x002F, 6, 0, 0x1234, 0x5678)  # FILEPASS
    with pytest.raises(UnreadableFile, match="password"):
        Workbook(io.BytesIO(xls([["phone"], [A]], extra=locked)))
    with pytest.raises(UnreadableFile, match="password"):  # .xlsx with a password
        Workbook(io.BytesIO(compound_file("EncryptedPackage", b"x" * 5000)))


def test_other_documents_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="text document"):
        Workbook(io.BytesIO(ods([["phone"]], kind="text")))
    with pytest.raises(UnreadableFile, match="not a workbook"):
        Workbook(io.BytesIO(compound_file("WordDocument", b"x" * 5000)))


def test_an_open_document_repeats_cells_and_rows() -> None:
    error = (
        '<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="2"/>'
        '<table:table-cell table:formula="of:=1/0" office:value-type="float" office:value="0"><text:p>#DIV/0!</text:p>'
        "</table:table-cell></table:table-row>"
    )
    empty = (
        '<table:table-row table:number-rows-repeated="1048000">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    found = rows(ods([["phone"], [A]], after=error + empty))
    assert [(number, fault.split(";")[0]) for number, _, fault in found] == [
        (1, ""),
        (2, ""),
        (3, "The cell C3 holds the error #DIV/0!"),
        (4, "The cell C4 holds the error #DIV/0!"),
    ]


def test_comments_of_an_open_document_are_no_values() -> None:
    commented = (
        '<table:table-cell office:value-type="string"><office:annotation><dc:date>2026-01-01</dc:date>'
        "<text:p>0123</text:p></office:annotation><text:p>Ada</text:p></table:table-cell>"
    )
    assert rows(ods([["name"], [commented]]))[1] == (2, ("Ada",), "")


def test_dates_and_percentages_of_an_open_document() -> None:
    cells = [
        ('office:value-type="date" office:date-value="2026-05-12"', "12.05.26", "2026-05-12"),
        ('office:value-type="date" office:date-value="2026-05-12T09:30:00"', "12.05.26 09:30", "2026-05-12T09:30:00"),
        ('office:value-type="time" office:time-value="PT09H30M00S"', "09:30:00", "09:30:00"),
        ('office:value-type="percentage" office:value="0.5"', "50%", "0.5"),
        ('office:value-type="boolean" office:boolean-value="true"', "WAHR", "true"),
    ]
    made = [f"<table:table-cell {kind}><text:p>{shown}</text:p></table:table-cell>" for kind, shown, _ in cells]
    assert rows(ods([["a"], made]))[1][1] == tuple(value for _, _, value in cells)


def test_damaged_files_end_in_a_sentence(write: Writer) -> None:
    whole = write([["phone", "name"], [A, "Ada"], [Error(), Number(5, 3)]])
    for keep in range(20, len(whole), max(1, len(whole) // 12)):
        try:
            Workbook(io.BytesIO(whole[:keep]))
        except UnreadableFile:
            continue

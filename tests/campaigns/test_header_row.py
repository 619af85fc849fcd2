"""Where the header of a file is: on the first line, or below a title, a date or a note."""

from __future__ import annotations

import codecs
import csv
import io
import random

import pytest

from campaigns.imports.columns import UnreadableFile
from campaigns.imports.rows import format_of, read_rows, sniff
from tests.campaigns.reading import read
from tests.campaigns.workbooks import workbook
from tests.tables import cases

A, B, C = "+33612345678", "+33612345679", "+33612345670"
TITLES = {
    "a title": ["Relance clients mars"],
    "a title with commas": ["Relance clients, mars 2026, tous les sites"],
    "a title and a date": ["Relance clients mars", "31/03/2026"],
    "a date in two cells": ["Report", "Export date:;2026-03-31"],
    "a date and a time": ["Kundenliste", "Stand: 31.03.2026 14:05"],
    "a note": ["Liste des clients à rappeler avant la fin du mois. Ne pas diffuser en dehors du service."],
    "several lines": ["Société Exemple", "12 rue du Pont", "69001 Lyon", "", "Clients"],
    "a title with a word of columns": ["Phone list March"],
    "a title that is a word of columns": ["Contacts"],
    "groups of columns": ["Client;;Coordonnées;;"],
    "groups of columns, one of them a name of a column": ["Client;;Phone;;"],
    "a title that is a name of a column of numbers": ["Phone"],
    "a title that is a name of a column of numbers, and a date": ["Téléphones", "31/03/2026"],
    "a count": ["Export: 2 contacts"],
    "a quoted title": ['"Clients ""premium"""'],
}
HEADERS = {
    "French": "Nom;Téléphone;Ville",
    "German": "Nachname;Vorname;Telefon privat;Ort",
    "English": "First Name;Last Name;Phone;City",
    "Spanish": "Nombre;Apellidos;Móvil;Ciudad",
    "a vendor's": "id;created_time;form_id;is_organic;platform;full_name;phone_number",
}


def table(header: str, numbers: list[str]) -> list[str]:
    """Return a header and rows whose cells are plain but for the number."""
    columns = header.split(";")
    at = next(
        index for index, name in enumerate(columns) if any(w in name.lower() for w in ("phone", "tel", "tél", "móvil"))
    )
    return [
        header,
        *(";".join(n if index == at else f"x{row}" for index in range(len(columns))) for row, n in enumerate(numbers)),
    ]


@cases("header", HEADERS)
@cases("title", TITLES)
@cases("blank", ["", "\n", ";;\n\n"])
@cases("trailing", [0, 2])
def test_a_header_below_a_title_is_found(title: str, header: str, blank: str, trailing: int) -> None:
    lines = [line + ";" * trailing for line in TITLES[title]]
    body = table(HEADERS[header], [A, B])
    data = ("\n".join(lines) + "\n" + blank + "\n".join(body) + "\n").encode()
    found = read(data)
    assert found.form.header == tuple(HEADERS[header].split(";"))
    assert found.numbers == [A, B]
    assert found.bad == {}


@cases("title", TITLES)
@cases(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
@cases("end", ["\n", "\r\n", "\r"])
def test_the_same_in_every_encoding_and_with_every_line_end(title: str, encoding: str, mark: bytes, end: str) -> None:
    lines = [*TITLES[title], "", *table(HEADERS["French"], [A, B, C])]
    data = mark + end.join(lines).encode(encoding)
    found = read(data)
    assert found.numbers == [A, B, C]
    assert list(found.good) == [len(lines) - 2, len(lines) - 1, len(lines)]


@cases("title", TITLES)
def test_reading_goes_on_behind_any_row_below_a_title(title: str) -> None:
    data = "\n".join([*TITLES[title], "", *table(HEADERS["French"], [A, B, C])]).encode()
    form = sniff(data)
    whole = list(read_rows(io.BytesIO(data), form, phones=[1]))
    assert [row.cells[1] for row in whole] == [A, B, C]
    for index, row in enumerate(whole):
        assert list(read_rows(io.BytesIO(data), form, row.end, row.line, phones=[1])) == whole[index + 1 :]


def test_a_title_above_the_header_of_a_workbook() -> None:
    data = workbook([["Relance clients mars"], [], ["Nom", "Téléphone"], ["Zoé", A], ["Ada", B]])
    form = format_of(io.BytesIO(data))
    assert form.header == ("Nom", "Téléphone")
    rows = list(read_rows(io.BytesIO(data), form))
    assert [row.cells for row in rows] == [("Zoé", A), ("Ada", B)]
    assert list(read_rows(io.BytesIO(data), form, rows[0].end, rows[0].line)) == rows[1:]


@pytest.mark.parametrize(
    "text",
    [
        f"{A};Zoé;Lyon\n{B};Ada;Paris\n",
        f"Zoé;{A};Lyon\nAda;{B};Paris\n",
        f"{A}\n{B}\n",
        f"Zoé;{A}\nNom;Téléphone\nAda;{B}\n",
        f"Relance\nZoé;{A}\nAda;{B}\n",
        "0612345678,Zoé\n0612345679,Ada\n",
        "zoe@example.com;Zoé;0612345678\nada@example.com;Ada;0612345679\n",
    ],
)
def test_a_file_without_a_header_is_refused_and_no_contact_is_taken_for_one(text: str) -> None:
    with pytest.raises(UnreadableFile, match=r"phone,name|name the column phone"):
        read(text.encode())


@pytest.mark.parametrize(
    ("text", "header", "numbers"),
    [
        (f"phone\n{A}\n{B}\n", ("phone",), [A, B]),
        (f"Kind;Number\nMobile;{A}\nPhone;{B}\n", ("Kind", "Number"), [A, B]),
        (f"Nom;Tel\nPhone;{A}\nMobile;\n", ("Nom", "Tel"), [A]),
        (f"Name,Phone\nZoé,{A}\nName,Phone\nAda,{B}\n", ("Name", "Phone"), [A, B]),
        (f"name;phone\nTéléphone;{A}\n", ("name", "phone"), [A]),
        (f"Phone;Phone\n;{A}\n", ("Phone", "Phone (2)"), [A]),
        (f"Mobile\n\nPhone\n{A}\n", ("Mobile",), [A]),
    ],
)
def test_rows_below_the_header_are_never_taken_for_a_better_one(
    text: str, header: tuple[str, ...], numbers: list[str]
) -> None:
    found = read(text.encode())
    assert found.form.header == header
    assert found.numbers == numbers


def test_unknown_names_below_a_title_are_found_by_the_shape_of_the_file() -> None:
    data = f"Liste\n\nQui;Appel;Quand\nZoé;{A};lundi\nAda;{B};mardi\n".encode()
    found = read(data, mapping={"Appel": "phone", "Qui": "name"})
    assert found.form.header == ("Qui", "Appel", "Quand")
    assert found.numbers == [A, B]


def test_no_row_of_data_is_ever_lost_or_taken_for_names() -> None:
    """Tables with any titles, cells and delimiters: every number below the header is read, whatever stands above."""
    chance = random.Random(18)
    words = ["Lyon", "oui", "31/03/2026", "12", "a, b", 'say "x"', "", "Mobile", "phone", "note: call", "é"]
    for _ in range(300):
        delimiter = chance.choice(",;\t|")
        width = chance.randint(1, 6)
        header = ["phone", *(f"Champ {n}" for n in range(width - 1))]
        titles = [
            [chance.choice(["Liste", "Export du 31/03/2026", "Clients, mars", "Page 1"])]
            for _ in range(chance.randint(0, 4))
        ]
        numbers = [f"+336123{chance.randrange(10**5):05}" for _ in range(chance.randint(1, 8))]
        rows = [[number, *(chance.choice(words) for _ in range(width - 1))] for number in numbers]
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator=chance.choice(["\n", "\r\n"])).writerows(
            [*titles, header, *rows]
        )
        found = read(text.getvalue().encode())
        assert found.form.header == tuple(header), text.getvalue()
        assert found.numbers == numbers, text.getvalue()

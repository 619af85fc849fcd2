"""Files that people really have, and their kinds. What is right is said in words beside each."""

from __future__ import annotations

import csv
import io
import itertools
import random
from pathlib import Path

import pytest

from tests.campaigns.reading import Outcome, read
from tests.tables import cases

FILES = Path(__file__).parent / "field_files"
# The countries of an organization: FR comes with its overseas regions, US with CA.
FRENCH = {"FR", "RE", "YT", "GP", "MQ", "GF", "BL", "MF", "PM"}


def field_file(name: str, region: str) -> Outcome:
    return read((FILES / f"{name}.csv").read_bytes(), region, allowed={*FRENCH, "US", "CA", "DE", "MX"})


def test_a_lost_plus_is_decided_by_the_column() -> None:
    found = field_file("plus_dropped_de", "DE")
    assert found.numbers == ["+4915112345678", "+491701234567", "+491622897399", "+493012345678"]
    assert found.bad == {}


def test_outlooks_92_columns_are_imported() -> None:
    found = field_file("outlook_92_columns", "FR")
    assert found.numbers == ["+33612345601", "+33142345602", "+33142345603"]
    assert [row.name for row in found.good.values()] == ["Inès Exemple", "Luc Exemple", "Anne Exemple"]
    assert found.bad == {}
    assert set(found.good[2].variables) == {"Business_City"}
    unread = field_file("outlook_92_columns", "US")  # nothing is refused for the number of columns
    assert unread.numbers == ["+33142345603"]
    assert all("not a phone number in US" in reason for reason in unread.bad.values())


def test_an_address_book_keeps_every_number_and_calls_the_first_mobile() -> None:
    found = field_file("google_contacts", "FR")
    assert found.all_numbers == [
        ["+33612345701", "+33142345701"],
        ["+33612345702", "+33612345703"],
        ["+33142345704"],
        ["+33612345705"],
    ]
    kinds = [[row.phone_kind, *(each.kind for each in row.further_numbers)] for row in found.good.values()]
    assert kinds == [["mobile", "work"], ["mobile", "mobile"], ["home"], ["mobile"]]
    assert found.bad == {}


def test_a_guard_of_a_spreadsheet_is_undone() -> None:
    assert field_file("equals_quoted", "FR").numbers == ["+33612346001", "+33612346002"]


def test_words_for_time_zones_are_read_beside_the_number() -> None:
    found = field_file("time_zone_words", "US")
    zones = ["America/New_York", "America/Los_Angeles", "America/Denver", "America/New_York"]
    assert [row.timezone for row in found.good.values()] == zones
    assert list(found.bad) == [6, 7]
    assert all("fixed offset" in reason for reason in found.bad.values())


def test_the_mexican_one_is_dropped() -> None:
    found = field_file("mexico_521", "MX")
    assert found.numbers == ["+525541637199", "+525541637198", "+525541637197", "+525541637196"]


def test_two_numbers_of_a_cell_however_they_are_parted() -> None:
    found = field_file("two_numbers_in_a_cell", "FR")
    assert found.numbers == [f"+3361234610{n}" for n in range(1, 7)]
    assert found.bad == {}
    # ARCEP has not opened 07 11: such a number is kept, and not called.
    assert [[each.phone for each in row.further_numbers] for row in found.good.values()] == [
        [f"+3371122610{n}"] for n in range(1, 7)
    ]


def test_an_opt_out_of_calls_counts_and_one_of_email_does_not() -> None:
    found = field_file("salesforce_do_not_call", "US")
    assert found.numbers == ["+12125550151", "+12125550152"]
    assert [row.do_not_call for row in found.good.values()] == [False, True]
    assert [row.external_id for row in found.good.values()] == ["003AA0000000001", "003AA0000000002"]
    assert [row.variables["Has_Opted_Out_Of_Email"] for row in found.good.values()] == ["0", "1"]


def test_overseas_numbers_are_read_as_they_are_dialled_at_home() -> None:
    found = field_file("french_overseas", "FR")
    assert found.numbers == ["+262692123456", "+590690001234", "+596596512345", "+33612346401"]


def test_a_title_above_the_header_is_skipped() -> None:
    found = field_file("title_above_header", "FR")
    assert found.form.header == ("Nom", "Téléphone", "Ville")
    assert found.numbers == ["+33612346501"]
    assert found.good[4].name == "Nina Exemple"
    assert found.good[4].variables == {"Ville": "Nîmes"}


# The kinds of these files.


@cases("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@cases("delimiter", [",", ";", "\t"])
@cases("name", sorted(path.stem for path in FILES.glob("*.csv")))
def test_the_same_file_in_another_encoding_and_with_another_delimiter_reads_alike(
    name: str, delimiter: str, encoding: str
) -> None:
    raw = (FILES / f"{name}.csv").read_bytes()
    before = read(raw)
    text = raw.decode(before.form.encoding)
    if encoding == "cp1252":
        text = text.translate(dict.fromkeys(map(ord, "\u202a\u202c\u200e")))
    rewritten = _rewritten(text, before.form.delimiter, delimiter).encode(encoding)
    after = read(rewritten)
    assert after.form.header == before.form.header
    assert after.all_numbers == before.all_numbers
    assert after.bad.keys() == before.bad.keys()


def _rewritten(text: str, old: str, new: str) -> str:
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=old))
    out = io.StringIO()
    csv.writer(out, delimiter=new).writerows(rows)
    return out.getvalue()


NUMBERS = {"mobile": "+33612345678", "home": "+33142345678", "work": "+33142345679", "other": "+33142345670"}


def test_an_address_book_with_any_labels_keeps_all_numbers_and_calls_a_mobile() -> None:
    """Any assignment of numbers to three pairs of label and value, values doubled or empty."""
    chance = random.Random(3)
    head = ",".join(f"Phone {n} - {word}" for n in (1, 2, 3) for word in ("Label", "Value"))
    for _ in range(200):
        kinds = chance.sample(list(NUMBERS), 3)
        filled = [kind for kind in kinds if chance.random() > 0.25]
        cells = [
            f"{chance.choice(['', '* '])}{kind.title()},{NUMBERS[kind]}" if kind in filled else "," for kind in kinds
        ]
        found = read(f"First Name,Last Name,{head}\nZoé,Exemple,{','.join(cells)}\n".encode())
        if not filled:
            assert list(found.bad) == [2]
            continue
        first = "mobile" if "mobile" in filled else filled[0]
        order = [first, *(kind for kind in filled if kind != first)]
        assert found.all_numbers == [[NUMBERS[kind] for kind in order]]
        row = found.good[2]
        assert [row.phone_kind, *(each.kind for each in row.further_numbers)] == order


@pytest.mark.parametrize("separator", [", ", " / ", " ou ", "\n", " & ", "|", " ::: ", ";", " et ", "\r\n", " - / "])
def test_two_numbers_of_a_cell_in_a_file(separator: str) -> None:
    for first, second in itertools.permutations(["0612345678", "01 42 34 56 78"]):
        found = read(f'name,phone,x\nZoé,"{first}{separator}{second}",y\nAda,0612345679,z\n'.encode())
        assert found.all_numbers == [["+33612345678", "+33142345678"], ["+33612345679"]]


def test_a_line_break_in_the_cell_of_a_number_needs_a_closed_quote() -> None:
    """A stray quote must not make one person of several rows."""
    rows = [f"Person {n},06123456{n:02},Lyon" for n in range(20)]
    for index in range(19):
        broken = list(rows)
        broken[index] = broken[index].replace(",0", ',"0')
        found = read("\n".join(["name,phone,city", *broken, ""]).encode())
        assert len(found.good) == 19
        assert list(found.bad) == [index + 2]

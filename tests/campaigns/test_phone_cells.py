"""Several numbers in a cell, and what is no list of numbers. The numbers are of published plans, written by hand."""

from __future__ import annotations

import itertools
import random

import phonenumbers
import pytest

from campaigns.imports.phone_cells import AsksNotToCall, CellNumbers, numbers_in, numbers_within
from campaigns.phones import EVERYWHERE, NotCallable, normalise, normalise_further
from tests.sizes import one_in
from tests.tables import cases

MOBILE, OTHER_MOBILE, FIXED = "+33612345678", "+33698765432", "+33142345678"
WRITTEN = {
    MOBILE: ["0612345678", "06 12 34 56 78", "06.12.34.56.78", "+33612345678", "+33 (0)6 12 34 56 78", "0033612345678"],
    OTHER_MOBILE: ["0698765432", "06-98-76-54-32", "+33 6 98 76 54 32"],
    FIXED: ["0142345678", "01 42 34 56 78", "+33 1 42 34 56 78"],
}
SEPARATORS = (
    *(
        " ::: ",
        ":::",
        ", ",
        ",",
        "; ",
        ";",
        " / ",
        "/",
        "|",
        " | ",
        " & ",
        "&",
        "\n",
        "\r\n",
        " \n ",
        "\t",
        "\u2028",
        "\x85",
    ),
    *(" ou ", " or ", " oder ", " o ", " und ", " et ", " and ", " y ", " e ", " OU ", " Or ", ",\n", " / \n"),
)


def read(cell: str, region: str) -> CellNumbers:
    return numbers_in(
        cell,
        lambda text: normalise(text, region, EVERYWHERE),
        lambda text: normalise_further(text, region, EVERYWHERE),
    )


def numbers(cell: str, region: str = "FR") -> list[str]:
    return [number.phone for number in read(cell, region).numbers]


@cases("separator", SEPARATORS)
def test_two_numbers_of_a_cell_are_both_read_however_they_are_parted(separator: str) -> None:
    for first, second in itertools.product(WRITTEN[MOBILE], WRITTEN[FIXED]):
        assert numbers(f"{first}{separator}{second}") == [MOBILE, FIXED], (first, separator, second)


def test_any_list_of_numbers_gives_exactly_these_numbers() -> None:
    chance = random.Random(15)
    for _ in range(300):
        chosen = chance.sample(list(WRITTEN), chance.randint(1, 3))
        cell = chance.choice(WRITTEN[chosen[0]])
        for number in chosen[1:]:
            cell += chance.choice(SEPARATORS) + chance.choice(WRITTEN[number])
        assert numbers(cell) == chosen, cell


@pytest.mark.parametrize(
    ("cell", "region", "expected"),
    [
        ("030/1234567", "DE", "+49301234567"),
        ("030 / 123 45 67", "DE", "+49301234567"),
        ("+49 (0) 30 / 12 34 56", "DE", "+4930123456"),
        ("0171/1234567", "DE", "+491711234567"),
        ("06 12/34 56 78", "FR", "+33612345678"),
        ("(212) 555-0142", "US", "+12125550142"),
        ("212.555.0142", "US", "+12125550142"),
        ("07400 123 456", "GB", "+447400123456"),
    ],
)
def test_one_number_is_never_split(cell: str, region: str, expected: str) -> None:
    assert numbers(cell, region) == [expected]


def test_slashes_inside_numbers_and_between_them() -> None:
    assert numbers("030/1234567 / 0171/1234567", "DE") == ["+49301234567", "+491711234567"]
    assert numbers("030/1234567; 0171/1234567", "DE") == ["+49301234567", "+491711234567"]


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        ("Mobile: 0612345678, Home: 0142345678", ["mobile", "home"]),
        ("0612345678 (mobile) / 0142345678 (work)", ["mobile", "work"]),
        ("Portable 0612345678\nBureau 0142345678", ["mobile", "work"]),
        ("* Mobile: 0612345678 ::: * Home: 0142345678", ["mobile", "home"]),
        ("Tél. : 0612345678 / Privat: 0142345678", ["", "home"]),
        ("0612345678, Fax: 0142345679", [""]),
        ("Work mobile 0612345678; tél. domicile 0142345678", ["mobile", "home"]),
        ("M: 0612345678; W: 0142345678", ["mobile", "work"]),
        ("+33612345678 (WhatsApp)", [""]),
    ],
)
def test_a_word_beside_a_number_says_its_kind_and_a_fax_is_no_phone(cell: str, kinds: list[str]) -> None:
    found = read(cell, "FR")
    assert [number.kind for number in found.numbers] == kinds


@cases(
    "cell",
    [
        "0612345678 call after six",
        "0612345678, call after six",
        "0612345678 / deceased",
        "mobile of my wife 0612345678",
        "not at home: 0612345678",
        "0612345678 (work, ask for Ann)",
        "0612345678, 12",
        "0612345678, x12",
        "0612345678 - 12",
        "+33612345678,5",
        "0612345678 ext 5",
        "x",
        "M: 0612345678 H: 0142345678",
        "0612345678" + " " * 600 + "0142345678",
        "0612345678 / www.example.com",
        "0612345678 | zoe@example.com",
        ",".join(["0612345678"] * 50),
    ],
)
def test_a_cell_with_an_extension_or_with_words_that_are_no_kind_is_refused(cell: str) -> None:
    with pytest.raises(NotCallable):
        numbers(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "0612345678 (do not call)",
        "0612345678, DNC",
        "0612345678 / ne pas appeler",
        "0612345678 - nicht anrufen",
        "no llamar 0612345678",
        "0612345678 opted out",
    ],
)
def test_a_remark_that_asks_not_to_call_is_never_dropped(cell: str) -> None:
    with pytest.raises(AsksNotToCall, match="column of its own"):
        numbers(cell)


def test_a_number_that_cannot_be_called_does_not_lose_the_one_that_can() -> None:
    found = read("0612345678 / 0612", "FR")
    assert [number.phone for number in found.numbers] == [MOBILE]
    assert len(found.faults) == 1
    assert "'0612'" in found.faults[0]


@pytest.mark.parametrize("separator", [" / ", "/", "; ", " oder ", "\n"])
def test_a_number_without_its_area_beside_one_with_it_is_no_number_of_another_area(separator: str) -> None:
    found = read(f"030 1234567{separator}89123456", "DE")
    assert [number.phone for number in found.numbers] == ["+49301234567"]
    assert "area" in found.faults[0]


def test_countries_without_a_trunk_prefix_need_none() -> None:
    assert numbers("2125550142 / 2125550143", "US") == ["+12125550142", "+12125550143"]
    assert numbers("612345678/912345678", "ES") == ["+34612345678", "+34912345678"]
    assert numbers("02 12345678 / 333 1234567", "IT") == ["+390212345678", "+393331234567"]


def test_a_cell_without_a_usable_number_says_so_about_the_cell() -> None:
    with pytest.raises(NotCallable, match="06123"):
        numbers("0612345, 0612346")


def test_no_cell_is_read_as_a_number_that_does_not_stand_in_it() -> None:
    chance = random.Random(16)
    alphabet = "0123456789 +-/.,;|&()\nou:xet"
    for _ in range(3_000):
        cell = "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 40)))
        try:
            found = numbers(cell)
        except ValueError:
            continue
        digits = "".join(character for character in cell if character.isdigit())
        for number in found:
            assert number[4:] in digits or number.removeprefix("+33") in digits


# Numbers as phonenumbers' plans have them, grouped with a separator that elsewhere parts two numbers. The first part
# alone is a number of somebody else.
ONE_NUMBER = (
    ("050 197/0713", "AE", "+971501970713"),
    ("+971 50 197/0713", "AE", "+971501970713"),
    ("00971 50 197 | 0713", "AE", "+971501970713"),
    ("376 712/387", "AD", "+376712387"),
    ("0412 757\t381", "AU", "+61412757381"),
    ("+61 412 345\n124", "FR", "+61412345124"),
    ("21/23 0 74190", "CI", "+2252123074190"),
    ("9 / 435 7664", "CW", "+59994357664"),
    ("43 664, 199005", "AT", "+43664199005"),
    ("01512; 3596617", "DE", "+4915123596617"),
    ("+54 9, 11 2345-6183", "AR", "+5491123456183"),
    ("358 41; 2345859", "AX", "+358412345859"),
)


@cases(("cell", "region", "phone"), ONE_NUMBER)
def test_the_first_part_of_a_number_is_not_called(cell: str, region: str, phone: str) -> None:
    try:
        found = read(cell, region)
    except NotCallable:
        return
    assert {each.phone for each in found.numbers + found.unassigned} <= {phone}


@pytest.mark.parametrize("third", one_in(3, range(3)))
def test_no_separator_inside_a_number_makes_another_number_of_it(third: int) -> None:
    chance = random.Random(15)
    wrong = []
    for region in sorted(EVERYWHERE)[third::3]:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            continue
        true = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for form in (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
            text = phonenumbers.format_number(example, form)
            for written in (text, text.replace("+", "00"), text.replace("+", "")):
                places = [place for place, character in enumerate(written) if character in " -"]
                if not places:
                    continue
                place = chance.choice(places)
                for separator in SEPARATORS:
                    cell = written[:place] + separator + written[place + 1 :]
                    try:
                        found = read(cell, region)
                    except NotCallable:
                        continue
                    if {each.phone for each in found.numbers + found.unassigned} - {true}:
                        wrong.append((cell, region, found))
    assert not wrong


@pytest.mark.parametrize("unit", [" ", '"', "\n", '="', "1 ", " / ", "tel:", "(0)", "\u00a0"])
def test_a_cell_that_is_too_long_is_refused_before_it_is_taken_apart(unit: str) -> None:
    """The time for a pattern grows with the square of the length: a file of such cells would hold up all imports."""
    cell = f'="{unit * (9_990 // len(unit))}x'
    with pytest.raises(NotCallable, match="too long"):
        read(cell, "FR")
    assert list(numbers_within(cell, lambda text: normalise(text, "FR", EVERYWHERE))) == []


def test_a_number_between_many_spaces_is_read() -> None:
    assert [each.phone for each in read(" " * 5_000 + "06 12 34 56 78" + "\u00a0" * 4_000, "FR").numbers] == [MOBILE]

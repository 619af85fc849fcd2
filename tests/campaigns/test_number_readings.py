"""A second reading is looked for before a number is believed."""

from __future__ import annotations

import re
from itertools import permutations

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.phones import (
    EVERYWHERE,
    NotCallable,
    Reading,
    TwoReadings,
    column_reading,
    country_of,
    is_in_use,
    lookups,
    may_be_mobile,
    normalise,
    normalise_further,
    number_kind,
    old_forms,
)
from tenants.models import Organization
from tests.campaigns.number_table import KINDS, made
from tests.tables import cases

PLUSES_LOST = ["4915112345678", "491701234567", "491622897399", "493012345678"]


@pytest.mark.parametrize(
    ("text", "region", "first", "second"),
    [
        # A German mobile number without its plus, and a number of Leer (0491) without its 0.
        ("4915112345678", "DE", "+494915112345678", "+4915112345678"),
        ("'4915112345678", "DE", "+494915112345678", "+4915112345678"),
        ("4.915112345678E+12", "DE", "+494915112345678", "+4915112345678"),
        ("4915112345678.0", "DE", "+494915112345678", "+4915112345678"),
        # Frankfurt (069) with its 0 after the country code.
        ("49069909266", "DE", "+4949069909266", "+4969909266"),
        # A German mobile number without its 0, and a number of Austin, Texas, without its plus.
        ("15123456789", "DE", "+15123456789", "+4915123456789"),
    ],
)
def test_digits_that_fit_two_numbers_are_refused_naming_both(text: str, region: str, first: str, second: str) -> None:
    with pytest.raises(TwoReadings) as refused:
        normalise(text, region, EVERYWHERE)
    assert {first, second} == set(refused.value.numbers)
    assert first in str(refused.value) and second in str(refused.value)
    assert "with its plus" in str(refused.value)


def test_the_column_decides_what_a_cell_alone_does_not() -> None:
    for column in permutations(PLUSES_LOST):
        assert column_reading(column, "DE") == Reading.PLUS_LOST
    read = [normalise(cell, "DE", EVERYWHERE, Reading.PLUS_LOST) for cell in PLUSES_LOST]
    assert read == [f"+{cell}" for cell in PLUSES_LOST]
    # The same digits in a column of numbers that lost their 0: Munich 089 and Berlin 030 read only as national ones.
    zeros_lost = ["8912345678", "3012345678", "4915112345678"]
    assert column_reading(zeros_lost, "DE") == Reading.NATIONAL
    assert normalise("4915112345678", "DE", EVERYWHERE, Reading.NATIONAL) == "+494915112345678"


@pytest.mark.parametrize(
    "column",
    [
        [],
        PLUSES_LOST[:3],  # nothing reads in one way alone
        PLUSES_LOST[2:],  # two numbers
        [PLUSES_LOST[3]] * 5,  # one number
        [*PLUSES_LOST, "030 12345678"],  # somebody writes national numbers
        [*PLUSES_LOST, "8912345678"],
        [*PLUSES_LOST[:3], "33612346001"],  # the only clear one is of another country
        ["n/a", "", "unknown", *PLUSES_LOST[2:]],
        ["+493012345678", "00493012345678", *PLUSES_LOST[:3]],  # a plus tells nothing about cells without one
    ],
)
def test_a_column_that_does_not_decide_leaves_the_cells_undecided(column: list[str]) -> None:
    for cells in (column, column[::-1]):
        assert column_reading(cells, "DE") == Reading.UNDECIDED


def test_a_column_without_a_country_decides_nothing() -> None:
    assert column_reading(PLUSES_LOST, "") == Reading.UNDECIDED
    with pytest.raises(NotCallable, match="does not say its country"):
        normalise("33612346001", "", EVERYWHERE)


def test_how_digits_are_grouped_tells_the_reading() -> None:
    assert normalise("49 1511 2345678", "DE", EVERYWHERE) == "+4915112345678"
    assert normalise("49 (0)1511 2345678", "DE", EVERYWHERE) == "+4915112345678"


@given(
    st.from_regex(r"(?:\+|00|0)?(?:49|33|1|39)?[ (]?0?[1-9][0-9]{1,4}[ )]?[0-9]{4,8}", fullmatch=True),
    st.sampled_from(["DE", "FR", "US", "IT", "XK", "ID", "SE", "RE"]),
)
def test_a_decided_column_changes_no_number_that_reads_in_one_way(text: str, region: str) -> None:
    """Rows before and after the first undecided one are read alike, and so is a file that is read on."""
    alone = readings(text, region, Reading.UNDECIDED)
    for reading in (Reading.NATIONAL, Reading.PLUS_LOST):
        found = readings(text, region, reading)
        assert found <= alone
        assert len(found) == min(len(alone), 1) or any(map(is_never_called, alone - found))


CALLED = (
    "FIXED_LINE",
    "MOBILE",
    "FIXED_LINE_OR_MOBILE",
    "VOIP",
    "TOLL_FREE",
)  # what a person answers, at no special rate


def is_never_called(number: str) -> bool:
    """Return whether a number is of a kind that nobody calls, by the library's reading of the numbering plans."""
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    return kind not in {getattr(phonenumbers.PhoneNumberType, name) for name in CALLED}


def readings(text: str, region: str, reading: Reading) -> set[str]:
    """Return the number that is read, both if there are two, and none for a refusal."""
    try:
        return {normalise(text, region, EVERYWHERE, reading)}
    except TwoReadings as error:
        return set(error.numbers)
    except NotCallable:
        return set()


# What was written, the region, the number. From the numbering plan of France (ARCEP), by hand.
FRENCH = [
    ("0692 12 34 56", "+262692123456", "RE"),
    ("0262 12 34 56", "+262262123456", "RE"),
    ("0639 01 23 45", "+262639012345", "YT"),
    ("0269 60 12 34", "+262269601234", "YT"),
    ("0690 00 12 34", "+590690001234", "GP"),
    ("0590 20 12 34", "+590590201234", "GP"),
    ("0696 20 12 34", "+596696201234", "MQ"),
    ("0596 51 23 45", "+596596512345", "MQ"),
    ("0694 20 12 34", "+594694201234", "GF"),
    ("0594 20 12 34", "+594594201234", "GF"),
    ("0508 41 12 34", "+508411234", "PM"),
    ("09 72 12 34 56", "+33972123456", "FR"),
    ("06 12 34 64 01", "+33612346401", "FR"),
    ("01 42 34 57 01", "+33142345701", "FR"),
]


@cases(("text", "number", "country"), FRENCH)
@cases("region", ["FR", "RE", "YT", "GP", "BL", "MF", "MQ", "GF", "PM"])
def test_french_numbers_are_read_as_dialled_at_home(text: str, number: str, country: str, region: str) -> None:
    assert normalise(text, region, EVERYWHERE) == number
    assert country_of(number) == country
    assert normalise(text.replace(" ", "")[1:], region, EVERYWHERE) == number  # the 0 was lost


def test_a_number_overseas_is_never_one_of_metropolitan_france() -> None:
    assert normalise("+33 596 51 23 45", "US", EVERYWHERE) == "+596596512345"
    assert normalise("+33 (0)692 12 34 56", "US", EVERYWHERE) == "+262692123456"
    for block in ("0262", "0263", "0269", "0508", "0590", "0594", "0596", "0639", *(f"069{n}" for n in "0123467")):
        for rest in range(0, 1_000_000, 7_919):
            try:
                found = normalise(f"{block}{rest:06d}", "FR", EVERYWHERE)
            except NotCallable:
                continue
            assert not found.startswith("+33"), (block, rest)


@cases(
    ("text", "region", "number"),
    [
        ("07781 123456", "GB", "+447781123456"),  # Guernsey
        ("020 7946 0018", "JE", "+442079460018"),
        ("79 02 12 34", "NO", "+4779021234"),  # Svalbard
        ("21 23 45 67", "SJ", "+4721234567"),
        ("018 12345", "FI", "+3581812345"),  # Åland
        ("09 1234567", "AX", "+35891234567"),
        ("08 9164 1234", "AU", "+61891641234"),  # Christmas Island
        ("02 9876 5432", "CX", "+61298765432"),
        ("06 698 12345", "IT", "+390669812345"),  # the Vatican
        ("0528 81 23 45", "MA", "+212528812345"),  # Western Sahara
        ("(416) 555-1234", "US", "+14165551234"),
        ("(876) 555-1234", "US", "+18765551234"),  # Jamaica
        ("8 (727) 250-12-34", "RU", "+77272501234"),  # Kazakhstan
        ("02 6123 4567", "MY", "+6561234567"),  # Singapore from Malaysia
        ("007 712 345678", "KE", "+255712345678"),  # Tanzania from Kenya
        ("005 712 345678", "UG", "+254712345678"),  # Kenya from Uganda
    ],
)
def test_regions_that_share_a_plan_dial_each_other(text: str, region: str, number: str) -> None:
    assert normalise(text, region, EVERYWHERE) == number


@cases(
    ("text", "region", "number"),
    [
        ('="0612346001"', "FR", "+33612346001"),
        ('"0612346001"', "FR", "+33612346001"),
        ('"=""0612346001"""', "FR", "+33612346001"),
        ("612346001", "FR", "+33612346001"),
        ("612346001.0", "FR", "+33612346001"),
        ("31612345678.0", "NL", "+31612345678"),
        ("3.3612346001E+10", "FR", "+33612346001"),
        ("3,3612346001E10", "FR", "+33612346001"),
        ("6.12346001e8", "FR", "+33612346001"),
        ("33,612,346,001", "FR", "+33612346001"),
        ("p:+33612346001", "US", "+33612346001"),
        ("phone: +33612346001", "US", "+33612346001"),
        ("callto://+33612346001", "US", "+33612346001"),
        ("sms:+33612346001", "US", "+33612346001"),
        ("whatsapp:+33612346001", "US", "+33612346001"),
        ("https://wa.me/33612346001", "US", "+33612346001"),
        ("Tél. : 06 12 34 60 01", "FR", "+33612346001"),
        ("tel:0612346001;phone-context=+33", "US", "+33612346001"),
        ("tel:0612346001;phone-context=example.com", "FR", "+33612346001"),
        ("tel:+33612346001;ext=", "US", "+33612346001"),
        ("0612346001 ext.", "FR", "+33612346001"),
        (
            "\N{LEFT-TO-RIGHT EMBEDDING}+33\N{NO-BREAK SPACE}612346001\N{POP DIRECTIONAL FORMATTING}",
            "US",
            "+33612346001",
        ),
        ("\t+33612346001\r\n\x00", "US", "+33612346001"),
        ("33612346001+", "US", "+33612346001"),  # the plus of a text from right to left
        ("++33612346001", "US", "+33612346001"),
        ("+ +33612346001", "US", "+33612346001"),
        ("+00 33 612346001", "US", "+33612346001"),
        ("00+33 612346001", "US", "+33612346001"),
        ("00 33 (0)6 12 34 60 01", "US", "+33612346001"),
        ("011 33 6 12 34 60 01", "US", "+33612346001"),
        ("0011 33 6 12 34 60 01", "AU", "+33612346001"),
        ("8 10 33 6 12 34 60 01", "RU", "+33612346001"),
        ("009 33 6 12 34 60 01", "NG", "+33612346001"),
        ("000 33 6 12 34 60 01", "TZ", "+33612346001"),
        ("+44 (0)20 7946 0018", "US", "+442079460018"),
        ("+34 (0)912 345 678", "US", "+34912345678"),
        ("+39 (0)6 698 12345", "US", "+390669812345"),
        ("(0) 612346001", "FR", "+33612346001"),
        ("33 (0)6 12 34 60 01", "FR", "+33612346001"),
        ("447911123456", "FR", "+447911123456"),  # a plus was lost abroad, and nothing else fits
    ],
)
def test_what_happened_to_a_number_is_undone(text: str, region: str, number: str) -> None:
    assert normalise(text, region, EVERYWHERE) == number


@pytest.mark.parametrize(
    ("text", "region", "words"),
    [
        ("4,91512E+12", "DE", "spreadsheet"),
        ("4.91512343644E+12", "DE", "spreadsheet"),  # a last 0 was cut, or the last digit rounded away
        ("-3.3612346001E+10", "FR", "spreadsheet"),
        ("3.3612346001E-10", "FR", "spreadsheet"),
        ('0612346001"', "FR", "in it"),  # a quote that opens elsewhere
        ("tel:+33612346001;isub=1", "FR", "';'"),
        ("+39 (0)317 041 9317", "FR", "can be read as"),  # a mobile number, or a fixed one of Como (031)
        ("33612346001+33612346002", "FR", "not a phone number"),
    ],
)
def test_what_cannot_be_undone_is_refused(text: str, region: str, words: str) -> None:
    with pytest.raises(NotCallable, match=re.escape(words)):
        normalise(text, region, EVERYWHERE)


# Former and today's forms, from the regulators' own examples or by hand from their rules (see campaigns.phones.former).
FORMER = [
    ("+5215541637199", "+525541637199"),
    ("+551187654321", "+5511987654321"),
    ("+22997123456", "+2290197123456"),
    ("+22521312345", "+2252721312345"),  # ARTCI: a fixed line of Orange
    ("+22520012345", "+2252520012345"),  # of MTN
    ("+22520812345", "+2252120812345"),  # of Moov
    ("+22548123456", "+2250748123456"),  # a mobile of Orange
    ("+22505123456", "+2250505123456"),  # of MTN
    ("+22541123456", "+2250141123456"),  # of Moov
    ("+841204567890", "+84704567890"),  # MobiFone's example
    ("+841699333999", "+84399333999"),  # Viettel's example
    ("+23795123456", "+237695123456"),
    ("+23722212345", "+237222212345"),
    ("+5712345678", "+576012345678"),
    ("+96612345678", "+966112345678"),
    ("+2307123456", "+23057123456"),
]


@cases(("former", "today"), FORMER)
def test_a_former_number_becomes_todays(former: str, today: str) -> None:
    for text in (former, former[1:], f"00{former[1:]}"):
        assert normalise(text, "FR", EVERYWHERE) == today
    assert former in old_forms(today)
    assert today in lookups(former, "FR") and former in lookups(today, "FR")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("044 55 4163 7197", "MX", "+525541637197"),
        ("01 55 4163 7197", "MX", "+525541637197"),
        ("52 1 55 4163 7197", "MX", "+525541637197"),
        ("0 11 15 2345 6789", "AR", "+5491123456789"),
        ("11 15-2345-6789", "AR", "+5491123456789"),
        ("+54 11 15 2345 6789", "US", "+5491123456789"),
        ("97 12 34 56", "BJ", "+2290197123456"),
        ("48 12 34 56", "CI", "+2250748123456"),
        ("(11) 8765-4321", "BR", "+5511987654321"),
        ("(11) 3765-4321", "BR", "+551137654321"),  # a fixed line
        ("0120 456 7890", "VN", "+84704567890"),
    ],
)
def test_a_former_number_is_read_as_it_was_dialled_at_home(text: str, region: str, number: str) -> None:
    assert normalise(text, region, EVERYWHERE) == number


def test_the_earlier_readings_of_numbers_overseas_are_old_forms() -> None:
    assert old_forms("+596596512345") == ("+33596512345",)
    assert old_forms("+508411234") == ("+33508411234",)
    assert old_forms("+5491123456789") == ("+541123456789",)
    assert old_forms("+33612346001") == ()
    assert old_forms("") == ()


def test_the_plan_tells_mobile_from_fixed_where_it_can() -> None:
    assert (number_kind("+33612346001"), may_be_mobile("+33612346001")) == ("mobile", True)
    assert (number_kind("+33142345701"), may_be_mobile("+33142345701")) == ("fixed", False)
    assert (number_kind("+14155552671"), may_be_mobile("+14155552671")) == ("", True)
    assert (number_kind("nonsense"), may_be_mobile("nonsense")) == ("", False)


@given(st.from_regex(r"[0-9]{6,15}", fullmatch=True), st.sampled_from(["DE", "FR", "US", "IT", "XK", "BR", "PM", "GA"]))
@example("4590000000", "IT")  # of Verona, or of a premium-rate service in Denmark
def test_what_is_read_is_read_again_unchanged_and_two_readings_are_two(digits: str, region: str) -> None:
    for reading in Reading:
        for number in readings(digits, region, reading):
            again = readings(number, region, Reading.UNDECIDED)
            # One of two readings may be a number that nobody is called at: what is typed may mean it all the same.
            assert again == {number} or (again == set() and is_never_called(number))


@cases(
    ("default", "named", "called", "not_called"),
    [
        ("FR", [], "FR RE YT GP BL MF MQ GF PM", "NC PF WF MC"),
        ("BE", ["BE", "FR"], "BE FR RE", "NC"),
        ("GB", [], "GB GG JE IM", "IE GI"),
        ("NO", [], "NO SJ", "SE"),
        ("FI", [], "FI AX", "EE"),
        ("AU", [], "AU CX CC", "NF NZ"),
        ("IT", [], "IT VA", "SM"),
        ("MA", [], "MA EH", "DZ"),
        ("US", [], "US CA", "JM DO PR"),
        ("CA", [], "US CA", "BS"),
        ("US", ["US"], "US", "CA"),
        ("RE", [], "RE", "FR YT"),
        ("MF", [], "MF GP BL", "FR"),
    ],
)
def test_a_country_is_called_with_its_overseas_regions(
    default: str, named: list[str], called: str, not_called: str
) -> None:
    countries = Organization(default_region=default, allowed_countries=named).callable_countries
    assert set(called.split()) <= countries
    assert not countries & set(not_called.split())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0711226101", "+33711226101"),  # ARCEP has not opened 07 11
        ("+33 7 11 22 61 01", "+33711226101"),
        ("0033711226101", "+33711226101"),
        ("06 12 34 61 01", "+33612346101"),
        ("711226101", ""),  # nothing says that it is whole
        ("07112261011", ""),
        ("0899123456", ""),  # premium rate
        ("112", ""),
        ("+1 711 555 0100", ""),  # of a country that may not be called
    ],
)
def test_a_further_number_in_a_range_that_is_not_in_use_is_kept(text: str, kept: str) -> None:
    try:
        found = normalise_further(text, "FR", {"FR", "MQ"})
    except NotCallable:
        found = ""
    assert found == kept
    assert is_in_use(found) == (found == "+33612346101")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        # Where the first 0 belongs to the number, a spreadsheet drops it as well: Rome 06, Milan 02, Naples 081.
        ("656851242", "IT", "+390656851242"),
        ("266307129", "IT", "+390266307129"),
        ("811234567", "IT", "+390811234567"),
        ("656851242.0", "IT", "+390656851242"),
        ("549886377", "SM", "+3780549886377"),
        ("707123456", "CI", "+2250707123456"),
        ("197123456", "BJ", "+2290197123456"),
        ("61234567", "CG", "+242061234567"),
        # A mobile number of Italy has no 0, also an old one of nine digits.
        ("3331234567", "IT", "+393331234567"),
        ("335022670", "IT", "+39335022670"),
    ],
)
def test_a_lost_zero_that_belongs_to_the_number_is_put_back(text: str, region: str, number: str) -> None:
    assert normalise(text, region, EVERYWHERE) == number


def test_a_lost_zero_is_not_put_back_where_the_digits_may_be_something_else() -> None:
    with pytest.raises(TwoReadings, match=r"\+2250537886968.*\+537886968"):
        normalise("537886968", "CI", EVERYWHERE)  # Ivory Coast, or Cuba without its plus
    with pytest.raises(NotCallable, match="is not a phone number in IT"):
        normalise("33112345", "IT", EVERYWHERE)  # Busto Arsizio (0331), or a mobile number with a digit missing


@cases("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_no_number_that_lost_a_zero_of_its_own_is_read_as_another(region: str) -> None:
    for kind in KINDS:
        for number in made(region, kind, 20):
            if number.national.startswith("0"):
                try:
                    assert normalise(number.national[1:], region, EVERYWHERE) == number.e164
                except NotCallable:
                    continue


@pytest.mark.parametrize(
    ("region", "column", "decided"),
    [
        # None of the three countries has numbers of 11 digits that begin so: the plus is lost.
        ("ID", ["62812345678", "62857123456", "62218350123"], Reading.PLUS_LOST),
        ("XK", ["38343201234", "38344201235", "38349201236"], Reading.PLUS_LOST),
        ("SE", ["46701234561", "46721234562", "46731234563"], Reading.PLUS_LOST),
        # 046 is Lund, and 8 is Stockholm from abroad: these may have lost their 0, or their plus.
        ("SE", ["468123456", "468123457", "468223456"], Reading.UNDECIDED),
        ("SE", ["46701234561", "46721234562"], Reading.UNDECIDED),
        ("SE", ["46701234561", "46721234562", "46731234563", "701234564"], Reading.UNDECIDED),
    ],
)
def test_a_column_of_numbers_too_long_for_home_has_lost_its_pluses(
    region: str, column: list[str], decided: Reading
) -> None:
    assert column_reading(column, region) == decided

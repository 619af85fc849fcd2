"""Numbers of every region in eight wounded ways: each is read as itself or refused, never as somebody else's."""

from __future__ import annotations

import re
from collections import Counter

import phonenumbers
import pytest

from campaigns.phones import EVERYWHERE, NotCallable, Reading, column_reading, normalise
from tests.campaigns.number_table import KINDS, Made, made
from tests.suite import ROOT

ALWAYS_READ = {"00", "national", "spaces and dots", "formula", "tel"}
# Every German mobile number with its country code is a national number as well, and not all are too long for one.
NEVER_DECIDED = {("DE", "mobile")}


def table(many: int) -> list[Made]:
    return [
        number
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in KINDS
        for number in made(region, kind, many)
    ]


def read(text: str, region: str, reading: Reading = Reading.UNDECIDED) -> str:
    """Return the number that is read; "" for a refusal."""
    try:
        return normalise(text, region, EVERYWHERE, reading)
    except NotCallable:
        return ""


def check_cells(numbers: list[Made]) -> tuple[int, Counter[tuple[str, str]]]:
    """Check every number in every way. Return how many texts that were, and the refusals by way and region."""
    refused: Counter[tuple[str, str]] = Counter()
    texts = 0
    for number in numbers:
        for way, text in (("plus", number.e164), *number.ways()):
            texts += 1
            found = read(text, number.region)
            assert found in {number.e164, ""}, (way, text, number, found)
            refused[way, number.region] += not found
    always = {key: count for key, count in refused.items() if count and key[0] in {"plus", *ALWAYS_READ}}
    assert not always
    return texts, refused


def check_columns(numbers: list[Made]) -> float:
    """Check each region's numbers as a column that lost its pluses. Return the share that is refused."""
    columns: dict[tuple[str, str], list[Made]] = {}
    for number in numbers:
        columns.setdefault((number.region, number.kind), []).append(number)
    refused = 0
    for key, column in columns.items():
        reading = column_reading([number.e164[1:] for number in column], key[0])
        for number in column:
            found = read(number.e164[1:], number.region, reading)
            assert found in {number.e164, ""}, (number, found, reading)
            refused += not found
            assert found or key in NEVER_DECIDED or len(column) < 3, (number, reading)
    return refused / len(numbers)


def test_no_wound_makes_a_number_somebody_elses() -> None:
    texts, _ = check_cells(table(3))
    assert texts > 12_000


def test_a_whole_column_that_lost_its_pluses_is_read() -> None:
    assert check_columns(table(12)) <= 0.01


def test_a_number_table_is_made_without_asking_the_product() -> None:
    numbers = table(1)
    assert {number.region for number in numbers} == phonenumbers.SUPPORTED_REGIONS
    for number in numbers:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number.e164, None)), number


@pytest.mark.proof
def test_the_large_table_of_numbers() -> None:
    numbers = table(60)
    texts, refused = check_cells(numbers)
    assert texts >= 150_000
    assert check_columns(numbers) <= 0.01
    # The document names every region in which numbers are refused, and no other.
    page = (ROOT / "docs" / "numbers.md").read_text()
    for way in ("no plus", "bracketed zero"):
        named = set(re.findall(r"\b[A-Z]{2}\b", re.findall(rf"^\| {way} \|(.*)\|$", page, re.MULTILINE)[0]))
        assert named == {region for (each, region), count in refused.items() if each == way and count}, way

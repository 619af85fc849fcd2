"""Which numbers may be in several time zones, and how many hours a week all of them are open: the table of the docs.

`python -m tests.campaigns.calling_zones` writes it into docs/calling-zones.md. The zones are the product's. The hours
are plain arithmetic of this file over the offsets that the tz database gives, and the product's table of legal hours.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import django
import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.phones import country_of
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.number_zones import HIDDEN, country_name, number_zones
from campaigns.rules.windows import Hours

PAGE = Path(__file__).parents[2] / "docs" / "calling-zones.md"
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"
KINDS = phonenumbers.PhoneNumberType
FIXED = {KINDS.FIXED_LINE, KINDS.FIXED_LINE_OR_MOBILE}
MOBILE = {KINDS.MOBILE, KINDS.FIXED_LINE_OR_MOBILE}
MOBILES_WITH_AREA_CODES = ("1", "52", "54", "55")
# Digits after a prefix, one of which makes a valid number nearly everywhere.
FILLINGS = ("2345678901", "5550123456", *(f"{first}234567890" for first in "1034679"), "8888888888")
STEP = 15  # minutes
WEEK = 7 * 24 * 60
WORKING = frozenset((day, minute) for day in range(5) for minute in range(9 * 60, 20 * 60, STEP))
YEAR = [datetime(2027, 1, 6, 12, tzinfo=UTC) + timedelta(weeks=week) for week in range(52)]


@dataclass(frozen=True)
class Row:
    """The numbers of one region and kind. Hours a week: the fewest and the most that any of its areas has."""

    region: str
    kind: str
    areas: int  # prefixes of the library with a number; 1 where they tell nothing
    several: int  # of them in several time zones
    apart: float  # hours between the first and the last zone, at most
    never: int  # areas never open, with windows from Monday to Friday, 9:00 to 20:00
    never_legally: int  # areas never open, by the legal hours alone
    working: tuple[float, float]
    legal: tuple[float, float]


def rows() -> list[Row]:
    """Return the regions and kinds with numbers in several time zones."""
    found = []
    for (region, kind), numbers in sorted(numbers_by_region().items()):
        several = [number for number in numbers if len(number_zones(number)) > 1]
        if several:
            found.append(_row(region, kind, numbers, several))
    return found


def _row(region: str, kind: str, numbers: Sequence[str], several: Sequence[str]) -> Row:
    working = [open_hours(number_zones(number), legal_hours(number), WORKING) for number in several]
    legal = [open_hours(number_zones(number), legal_hours(number), None) for number in several]
    return Row(
        region,
        kind,
        areas=len(numbers),
        several=len(several),
        apart=max(spread(number_zones(number)) for number in several),
        never=sum(most == 0 for _, most in working),
        never_legally=sum(most == 0 for _, most in legal),
        working=(min(least for least, _ in working), max(most for _, most in working)),
        legal=(min(least for least, _ in legal), max(most for _, most in legal)),
    )


@cache
def numbers_by_region() -> dict[tuple[str, str], list[str]]:
    """Return one number for each area that the library knows, by region and kind; one for a kind without areas."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for prefix in sorted({*TIMEZONE_DATA, *HIDDEN}):
        kinds = {"fixed": FIXED}
        if prefix.startswith(MOBILES_WITH_AREA_CODES):
            kinds["mobile"] = MOBILE
        for kind, types in kinds.items():
            if number := number_of(prefix, types):
                found[country_of(number), kind].append(number)
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind, number_type in (("mobile", KINDS.MOBILE), ("fixed", KINDS.FIXED_LINE)):
            example = phonenumbers.example_number_for_type(region, number_type)
            if example is not None and (region, kind) not in found:
                text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                if country_of(text) == region:
                    found[region, kind].append(text)
    return dict(found)


def number_of(prefix: str, types: set[int]) -> str:
    """Return a valid number of these types that begins with the prefix; "" if none is found."""
    usual = _lengths(prefix)
    for length in sorted(range(len(prefix) + 1, 16), key=lambda length: length not in usual):
        for filling in FILLINGS:
            text = f"+{(prefix + filling * 2)[:length]}"
            number = _known(text)
            if number is not None and phonenumbers.number_type(number) in types:
                return text
    return ""


@cache
def _lengths(prefix: str) -> frozenset[int]:
    """Return how long the country's numbers are, with its code. Others are valid only where digits are dropped."""
    code = next(prefix[:end] for end in (1, 2, 3) if int(prefix[:end]) in COUNTRY_CODE_TO_REGION_CODE)
    found = (phonenumbers.PhoneMetadata.metadata_for_region(each) for each in COUNTRY_CODE_TO_REGION_CODE[int(code)])
    kinds = (each.general_desc for each in found if each)
    return frozenset(len(code) + length for each in kinds if each for length in each.possible_length)


@cache
def _known(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


@cache
def offsets(zones: tuple[str, ...]) -> frozenset[tuple[int, ...]]:
    """Return the offsets of the zones in minutes, as they occur together within a year."""
    places = [ZoneInfo(zone) for zone in zones]
    return frozenset(tuple(_offset(moment, place) for place in places) for moment in YEAR)


def _offset(moment: datetime, place: ZoneInfo) -> int:
    offset = moment.astimezone(place).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() // 60)


def spread(zones: tuple[str, ...]) -> float:
    return max(max(each) - min(each) for each in offsets(zones)) / 60


@cache
def open_hours(zones: tuple[str, ...], law: Hours, windows: frozenset[tuple[int, int]] | None) -> tuple[float, float]:
    """Return in how many hours of a week without holidays all zones are open: in the worst and the best week."""
    allowed = _minutes(law) if windows is None else _minutes(law) & windows
    counts = [
        sum(
            all(((at + offset) // (24 * 60) % 7, (at + offset) % (24 * 60)) in allowed for offset in each)
            for at in range(0, WEEK, STEP)
        )
        for each in offsets(zones)
    ]
    return min(counts) * STEP / 60, max(counts) * STEP / 60


@cache
def _minutes(law: Hours) -> frozenset[tuple[int, int]]:
    """Return the open steps of a week as day and minute. No legal hour runs over midnight."""
    return frozenset(
        (day, minute)
        for window in law.windows
        for day in window.days
        for minute in range(0, 24 * 60, STEP)
        if window.opens <= minute < window.closes
    )


def table() -> str:
    """Return the table in Markdown."""
    lines = [
        "| numbers | areas | in several zones | zones apart, at most | never open, 9:00-20:00 Mon-Fri | never open by "
        "law | hours a week, 9:00-20:00 Mon-Fri | hours a week by law |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {country_name(row.region)} ({row.region}), {row.kind} | {row.areas} | {row.several} | {row.apart:g} h "
        f"| {row.never} | {row.never_legally} | {_span(row.working)} | {_span(row.legal)} |"
        for row in rows()
    ]
    return "\n".join(lines)


def summary() -> str:
    """Return a sentence about the numbers that are not in the table."""
    every, listed = numbers_by_region(), rows()
    named = {(row.region, row.kind) for row in listed}
    alone = {region for region, _ in every} - {region for region, _ in named}
    never, by_law = sum(row.never for row in listed), sum(row.never_legally for row in listed)
    return (
        f"The library knows {len({region for region, _ in every})} regions with fixed or mobile numbers. In "
        f"{len(alone)} of them every number names one clock, and is open in some hour. Of the areas of the others, "
        f"{never or 'none'} can never be called from Monday to Friday, 9:00 to 20:00, and {by_law or 'none'} by the "
        "legal hours alone."
    )


def _span(hours: tuple[float, float]) -> str:
    least, most = hours
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def generated() -> Iterator[str]:
    yield from (BEGIN, "", summary(), "", table(), "", END)


def main() -> int:
    text = PAGE.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(before + "\n".join(generated()) + after)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()  # the settings choose the pinned tz database instead of the machine's
    sys.exit(main())

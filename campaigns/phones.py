"""Phone numbers: one parser for imports, the API and the admin, and what a number says about its owner."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Any

import phonenumbers

EXAMPLE = "+33123456789"
EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")  # how a spreadsheet writes a long number
FLOAT = re.compile(r"(\+?\d{7,15})\.0+")  # how a program writes a number as a float: exact, so it can be undone
EXTENSION = re.compile(r"(?i)(?:ext|extn|extension|poste|durchwahl|int|anexo|x|#|,)[.:\s]*\d+\s*$")
AREA_SLASH = re.compile(r"[+0]\D*(?:\d\D*){0,6}/[^/]+")  # 030/123456, but never two numbers in one cell
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
EVERYWHERE: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)  # for the do-not-call list

TOLL_FREE = phonenumbers.PhoneNumberType.TOLL_FREE
CALLABLE_TYPES = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        phonenumbers.PhoneNumberType.VOIP,
        TOLL_FREE,
    }
)
REFUSED_TYPES = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    phonenumbers.PhoneNumberType.SHARED_COST: "a shared-cost number",
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: "a personal number billed at a special rate",
    phonenumbers.PhoneNumberType.PAGER: "a pager",
    phonenumbers.PhoneNumberType.UAN: "a company access number billed at a special rate",
    phonenumbers.PhoneNumberType.VOICEMAIL: "a voicemail access number",
}
SATELLITE_CODES = frozenset({870, 878, 881, 882, 883, 888})


class NotCallable(ValueError):
    """The text is not a number that may be called. The message says what to do."""


class TwoReadings(NotCallable):
    """The digits fit the national form and the international form without its plus. The message names both numbers."""


class Reading(StrEnum):
    """How a column writes its numbers, where a cell alone fits two readings."""

    UNDECIDED = "undecided"
    NATIONAL = "national"  # some cells read only as national numbers, and none only as international ones
    PLUS_LOST = "plus_lost"  # none reads only as national, and some only as international: the plus was lost


def normalise(text: str, region: str, allowed: Collection[str], reading: Reading = Reading.UNDECIDED) -> str:
    """Return the E.164 form of a number as a user or a file wrote it. Raises NotCallable.

    `region` is the country of numbers written without a country code. `allowed` are the countries that may be called.
    Both use two-letter country codes. `reading` is what the number's column decided: see `column_reading`. Raises
    TwoReadings where digits without a plus fit two numbers and no column decides.
    """
    number = _parse(text, region)
    shown = _shown(text)
    country = phonenumbers.region_code_for_number(number) or ""
    if number.country_code in SATELLITE_CODES:
        raise NotCallable(f"'{shown}' is a satellite or global network number, which is never called.")
    kind = phonenumbers.number_type(number)
    if kind not in CALLABLE_TYPES:
        what = REFUSED_TYPES.get(kind, "a number of an unknown kind")
        raise NotCallable(f"'{shown}' is {what}, which is never called; give a landline or mobile number.")
    if not country.isalpha():
        raise NotCallable(f"'{shown}' belongs to no country; write it like {EXAMPLE}.")
    if country not in allowed:
        names = ", ".join(sorted(allowed)) or "none"
        raise NotCallable(
            f"'{shown}' is a number in {country}, which may not be called (allowed: {names}); "
            f"have {country} added to the organization's countries first."
        )
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def column_reading(cells: Iterable[str], region: str) -> Reading:
    """Return how a column of numbers is to be read. Pass every cell of the column; it stops once that is decided."""
    return Reading.UNDECIDED


def _parse(text: str, region: str) -> Any:
    """Return the library's object for a valid number. Raises NotCallable."""
    plain = _plain(text)
    home = region if region in phonenumbers.SUPPORTED_REGIONS else None
    for candidate in (plain, f"+{plain[2:]}" if plain.startswith("00") else ""):
        if not candidate:
            continue
        try:
            number = phonenumbers.parse(candidate, home)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return number
    shown = _shown(text)
    if len(plain.lstrip("+")) <= 6 and _is_short(plain, home):
        raise NotCallable(f"'{shown}' is a short or emergency number, which is never called; give a full number.")
    if home is None and not plain.startswith(("+", "00")):
        raise NotCallable(f"'{shown}' does not say its country; write it like {EXAMPLE}.")
    where = f" in {home}" if home and not plain.startswith(("+", "00")) else ""
    raise NotCallable(f"'{shown}' is not a phone number{where}; write it like {example(home)}.")


def _is_short(plain: str, home: str | None) -> bool:
    if home is None or len(plain) < 2:
        return False
    if phonenumbers.is_emergency_number(plain, home):
        return True
    try:
        return bool(phonenumbers.is_valid_short_number_for_region(phonenumbers.parse(plain, home), home))
    except phonenumbers.NumberParseException:
        return False


def _plain(text: str) -> str:
    """Return the digits, with a leading plus if there is one. Raises NotCallable if the text has more than a number."""
    if E164.fullmatch(text):
        return text
    shown = _shown(text)
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise NotCallable(f"'{shown}' holds control characters; type the number again like {EXAMPLE}.")
    cell = text.strip().removeprefix("'").removeprefix("\N{RIGHT SINGLE QUOTATION MARK}").strip()
    if not cell:
        raise NotCallable(f"There is no phone number; write one like {EXAMPLE}.")
    if EXPONENT.fullmatch(cell):
        raise NotCallable(
            f"'{shown}' was destroyed by the spreadsheet, which rounded the number; "
            "format the column as text and export it again."
        )
    if cell[:4].lower() == "tel:":
        cell = cell[4:]
    if ";" in cell:
        raise NotCallable(f"'{shown}' carries parameters after ';'; give the number alone, like {EXAMPLE}.")
    if EXTENSION.search(cell):
        raise NotCallable(f"'{shown}' has an extension, which cannot be dialled; give a direct number like {EXAMPLE}.")
    if found := FLOAT.fullmatch(cell):
        cell = found[1]
    plain = "".join(_symbol(character, shown) for character in cell)
    if "/" in plain and not AREA_SLASH.fullmatch(plain):
        raise NotCallable(f"'{shown}' looks like several numbers; keep one, like {EXAMPLE}.")
    plain = plain.replace("/", "")
    if "+" in plain[1:] or not plain.strip("+"):
        raise NotCallable(f"'{shown}' is not a phone number; write it like {EXAMPLE}.")
    return plain


def _symbol(character: str, shown: str) -> str:
    """Return the digit, plus or slash that a character stands for, or "" for a separator. Raises NotCallable."""
    if character.isdecimal():  # Arabic, full-width and other decimal digits
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if character in "+\N{FULLWIDTH PLUS SIGN}\N{SMALL PLUS SIGN}":
        return "+"
    if character in "/\N{FULLWIDTH SOLIDUS}":
        return "/"
    # Spaces, dashes, brackets, dots, and invisible marks that come with text copied from a web page or an address book.
    if (
        category in {"Zs", "Pd", "Ps", "Pe", "Cf"}
        or character in ".\N{MIDDLE DOT}\N{FULLWIDTH FULL STOP}\N{MINUS SIGN}"
    ):
        return ""
    if category.startswith("L"):
        raise NotCallable(f"'{shown}' has letters in it; write the number in digits, like {EXAMPLE}.")
    raise NotCallable(f"'{shown}' has '{character}' in it; write the number in digits, like {EXAMPLE}.")


def _shown(text: str) -> str:
    """Return the text shortened to 40 printable characters, for an error message."""
    short = text if len(text) <= 40 else text[:39] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in short)


@lru_cache(maxsize=512)
def example(region: str | None) -> str:
    """Return an example number in E.164: of this country if it is known, else EXAMPLE."""
    number = phonenumbers.example_number(region) if region else None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) if number else EXAMPLE


@lru_cache(maxsize=1024)
def _known(e164: str) -> Any:
    """Return the library's object for an E.164 number, or None. Splits it first: the library's parser is slow."""
    digits = e164[1:]
    if e164.startswith("+") and digits.isascii() and digits.isdigit():
        for length in (1, 2, 3):
            code, national = int(digits[:length]), digits[length:]
            if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and len(national) > 2 and national[0] != "0":
                return phonenumbers.PhoneNumber(country_code=code, national_number=int(national))
    try:
        return phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=32_768)
def country_of(e164: str) -> str:
    """Return the two-letter country code of a number; "" if the country is unknown."""
    number = _known(e164)
    country = phonenumbers.region_code_for_number(number) if number is not None else None
    return country if country and country.isalpha() else ""


@lru_cache(maxsize=32_768)
def area_of(e164: str) -> str:
    """Return the prefix that numbers of one area share, like +1212; "" if the number has no area code."""
    number = _known(e164)
    length = phonenumbers.length_of_geographical_area_code(number) if number is not None else 0
    return e164[: len(f"+{number.country_code}") + length] if number is not None and length else ""


@lru_cache(maxsize=32_768)
def is_toll_free(e164: str) -> bool:
    number = _known(e164)
    if number is None or not _toll_free_pattern(number.country_code).fullmatch(
        phonenumbers.national_significant_number(number)
    ):
        return False  # quick: number_type() alone takes ten times as long
    return bool(phonenumbers.number_type(number) == TOLL_FREE)


@lru_cache(maxsize=256)
def _toll_free_pattern(country_code: int) -> re.Pattern[str]:
    """Match toll-free numbers of every region with this country code. It may match other numbers too."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code, ())
    known = [phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(country_code, region) for region in regions]
    kinds = [metadata.toll_free for metadata in known if metadata and metadata.toll_free]
    return re.compile(
        "|".join({f"(?:{kind.national_number_pattern})" for kind in kinds if kind.national_number_pattern}) or "(?!)"
    )


def national(e164: str) -> str:
    """Return the number in the format of its country."""
    number = _known(e164)
    if number is None:
        return e164
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))

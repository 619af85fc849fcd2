"""What a number in E.164 says about itself: its country, its area, its kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

import phonenumbers

from campaigns.phones.compiled import kind_and_region

MOBILE = phonenumbers.PhoneNumberType.MOBILE
FIXED_LINE = phonenumbers.PhoneNumberType.FIXED_LINE
FIXED_LINE_OR_MOBILE = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
TOLL_FREE = phonenumbers.PhoneNumberType.TOLL_FREE


def _parts(e164: str) -> tuple[int, str] | None:
    """Return the country code and the national number; None if only the library can tell where the number begins."""
    digits = e164[1:]
    if not (e164.startswith("+") and digits.isascii() and digits.isdigit()):
        return None
    for length in (1, 2, 3):
        code, national = int(digits[:length]), digits[length:]
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and len(national) > 2 and national[0] != "0":
            return code, national
    return None


@lru_cache(maxsize=1024)
def _known(e164: str) -> Any:
    """Return the library's object for an E.164 number, or None. Splits it first: the library's parser is slow."""
    if parts := _parts(e164):
        return phonenumbers.PhoneNumber(country_code=parts[0], national_number=int(parts[1]))
    try:
        return phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=32_768)
def country_of(e164: str) -> str:
    """Return the two-letter country code of a number; "" if the country is unknown."""
    country: str | None = ""
    if parts := _parts(e164):
        country = kind_and_region(*parts)[1]
    if not country and (number := _known(e164)) is not None:
        country = phonenumbers.region_code_for_number(number)
    return country if country and country.isalpha() else ""


@lru_cache(maxsize=32_768)
def _type_of(e164: str) -> int:
    if parts := _parts(e164):
        return kind_and_region(*parts)[0]
    number = _known(e164)
    return phonenumbers.PhoneNumberType.UNKNOWN if number is None else int(phonenumbers.number_type(number))


def number_kind(e164: str) -> Literal["mobile", "fixed", ""]:
    """Return what the numbering plan says of a number; "" where it does not tell, as in North America."""
    kind = _type_of(e164)
    return "mobile" if kind == MOBILE else "fixed" if kind == FIXED_LINE else ""


def may_be_mobile(e164: str) -> bool:
    """Return whether the numbering plan has the number for a mobile one, or does not tell the two apart."""
    return _type_of(e164) in {MOBILE, FIXED_LINE_OR_MOBILE}


def is_in_use(e164: str) -> bool:
    """Return whether the numbering plan has such numbers. No other number is dialled."""
    return _type_of(e164) != phonenumbers.PhoneNumberType.UNKNOWN


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

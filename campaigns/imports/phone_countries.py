"""Columns with the country code of the numbers beside them, and what their cells say. Pure.

Without them `612345678` beside `+34` would be read as a number of the import's own country: another person's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import phonenumbers

from campaigns.imports.country_names import named_country
from campaigns.imports.header_words import tokens, words
from campaigns.imports.phone_headers import MOBILE, phone_header
from campaigns.phones import EVERYWHERE, NotCallable

NAMES = frozenset(
    words(
        "country code|phone country code|phone country|phone code|phone prefix|mobile prefix|telephone country code|"
        "mobile country code|dial code|dialing code|dialling code|calling code|country calling code|country dial code|"
        "country prefix|isd code|phone iso|indicatif|indicatif pays|indicatif telephonique|indicatif du pays|"
        "code pays|landervorwahl|laendervorwahl|landerkennzahl|landeskennzahl|landercode|telefon land|prefijo|"
        "prefijo pais|prefijo telefonico|prefijo del pais|codigo de pais|codigo pais|codigo del pais|prefisso|"
        "prefisso internazionale|landnummer|landcode"
    )
)
OF_PHONES = frozenset(
    words(
        "phone|phones|telephone|tel|telefon|telefono|dial|dialing|dialling|calling|isd|indicatif|telephonique|"
        "telefonico|prefijo|prefisso|landervorwahl|laendervorwahl"
    )
)
CODE_WITHIN = re.compile(r"\+\s*(\d{1,3})\b")  # Balearic Islands (+34)
PADDED = re.compile(r"0+([1-9]\d{0,2})")


def country_column(header: Sequence[str], index: int, numbers: Collection[int]) -> int | None:
    """Return the column with the country code of the numbers in a column, or None. `numbers`: all columns of numbers.

    It is directly beside its numbers. Where there is one column of numbers only, a name about phones is enough.
    """
    beside = [other for other in (index - 1, index + 1) if 0 <= other < len(header)]
    beside = [other for other in beside if _is_code_of(header[other], header[index])]
    if len(beside) == 2 and index - 2 in numbers:
        return beside[1]  # the one before this column belongs to the numbers before it
    if not beside and len(numbers) == 1:
        named = (other for other, column in enumerate(header) if OF_PHONES & set(tokens(column)))
        return next((other for other in named if _is_code_of(header[other], header[index])), None)
    return beside[0] if beside else None


@lru_cache(maxsize=8_192)
def _is_code_of(column: str, number: str) -> bool:
    """Return whether a name says country code, and beside that only words of the name of the numbers."""
    text, own = " ".join(tokens(column)), set(tokens(number))
    counted = any(word.isdigit() for word in own)
    what = phone_header(number)
    if what is None or what.kind in {"", "mobile"}:
        own |= MOBILE
    for name in NAMES:
        if f" {name} " in f" {text} ":
            rest = set(f" {text} ".replace(f" {name} ", " ", 1).split()) | MOBILE.intersection(name.split())
            rest -= own | OF_PHONES
            if not rest or (not counted and all(word.isdigit() for word in rest)):
                return True
    return False


@lru_cache(maxsize=1_024)
def region_of(cell: str) -> str:
    """Return the two-letter country that a cell like `+34`, `0034`, `34`, `ES` or `Spain` means. Raises NotCallable."""
    if country := named_country(cell):
        return country
    found = CODE_WITHIN.search(cell) or PADDED.fullmatch(cell.strip())
    region = str(phonenumbers.region_code_for_country_code(int(found[1]))) if found else ""
    if region not in EVERYWHERE:
        raise NotCallable(f"'{cell[:40]}' is not the country code of a phone number; write it like +34 or ES.")
    return region

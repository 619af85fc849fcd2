"""Columns with the country code of the numbers beside them, and what their cells say. Pure.

Without them `612345678` beside `+34` would be read as a number of the import's own country: another person's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import phonenumbers

from campaigns.imports.header_words import plain, words
from campaigns.phones import EVERYWHERE, NotCallable

NAMES = frozenset(
    words(
        "country code|phone country code|phone country|phone code|phone prefix|telephone country code|"
        "mobile country code|dial code|dialing code|dialling code|calling code|country calling code|country dial code|"
        "country prefix|isd code|phone iso|indicatif|indicatif pays|indicatif telephonique|indicatif du pays|"
        "code pays|landervorwahl|laendervorwahl|landerkennzahl|landeskennzahl|landercode|telefon land|prefijo|"
        "prefijo pais|prefijo telefonico|prefijo del pais|codigo de pais|codigo pais|codigo del pais|prefisso|"
        "prefisso internazionale|landnummer|landcode"
    )
)
CODE = re.compile(r"(?:\+|00)?\s*(\d{1,4})")
CODE_WITHIN = re.compile(r"\+\s*(\d{1,4})\b")  # Spain (+34)


def country_column(header: Sequence[str], index: int) -> int | None:
    """Return the column directly before or after a column of numbers that holds their country code, or None."""
    beside = (other for other in (index - 1, index + 1) if 0 <= other < len(header))
    return next((other for other in beside if plain(header[other]) in NAMES), None)


@lru_cache(maxsize=1_024)
def region_of(cell: str) -> str:
    """Return the two-letter country that a cell like `+34`, `0034`, `34` or `ES` means. Raises NotCallable."""
    text = cell.strip().strip("'()[]= \"")
    if text.upper() in EVERYWHERE:
        return text.upper()
    found = CODE.fullmatch(text) or CODE_WITHIN.search(text)
    digits = found[1].lstrip("0") if found else ""
    if len(digits) == 4 and digits.startswith("1"):
        digits = "1"  # +1 684: the area of a country that shares the code of North America
    region = str(phonenumbers.region_code_for_country_code(int(digits))) if digits else ""
    if region not in EVERYWHERE:
        raise NotCallable(f"'{cell[:40]}' is not the country code of a phone number; write it like +34 or ES.")
    return region

"""Validators of time zones and countries."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from phonenumbers import SUPPORTED_REGIONS

# Codes that people write for the one of ISO 3166, as the European Union does. 2026-12.
MEANT = {"UK": "GB", "EL": "GR"}


def check_timezone(name: str) -> None:
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(f"'{name}' is not a time zone. Use a name such as Europe/Paris.", code="invalid")


def check_region(code: str) -> None:
    if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise _no_country(code)


def check_countries(codes: Iterable[str], kept: Iterable[str] = ()) -> None:
    """Refuse codes of no country with a numbering plan, but for those that are stored already (`kept`).

    Nobody could be called there, and neither an import nor the gate would say that a code is wrong.
    """
    for code in codes:
        if code not in SUPPORTED_REGIONS and code not in kept:
            raise _no_country(code)


def check_regions(codes: Any) -> None:
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValidationError('Give a list of country codes, such as ["FR", "BE"].', code="invalid")
    for code in codes:
        check_region(code)


def _no_country(code: str) -> ValidationError:
    example = MEANT.get(code, "FR")
    return ValidationError(f"'{code}' is not a country. Use a two-letter code such as {example}.", code="invalid")

"""Validators of time zones and countries."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django.core.exceptions import ValidationError


def check_timezone(name: str) -> None:
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(f"'{name}' is not a time zone. Use a name such as Europe/Paris.", code="invalid")


def check_region(code: str) -> None:
    if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise ValidationError(f"'{code}' is not a country. Use a two-letter code such as FR.", code="invalid")


def check_regions(codes: Any) -> None:
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValidationError('Give a list of country codes, such as ["FR", "BE"].', code="invalid")
    for code in codes:
        check_region(code)

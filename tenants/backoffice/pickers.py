"""Selects for time zones, countries, currencies and languages: names with their codes, and a box to search them.

They only offer values. What may be stored is decided by the field's own validation, and a stored value that is not
among those offered stays selected.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from phonenumbers import SUPPORTED_REGIONS
from unfold.widgets import UnfoldAdminSelectMultipleWidget, UnfoldAdminSelectWidget

from tenants.country_names import names_in_languages

Choices = Sequence[tuple[str, str]]

# ISO 4217, the currencies in which telephony is sold or billed most. 2026-11.
CURRENCIES = {
    "AED": "UAE dirham", "ARS": "Argentine peso", "AUD": "Australian dollar", "BGN": "Bulgarian lev",
    "BRL": "Brazilian real", "CAD": "Canadian dollar", "CHF": "Swiss franc", "CLP": "Chilean peso",
    "CNY": "Chinese yuan", "COP": "Colombian peso", "CZK": "Czech koruna", "DKK": "Danish krone",
    "EGP": "Egyptian pound", "EUR": "Euro", "GBP": "Pound sterling", "HKD": "Hong Kong dollar",
    "HUF": "Hungarian forint", "IDR": "Indonesian rupiah", "ILS": "Israeli new shekel", "INR": "Indian rupee",
    "ISK": "Icelandic króna", "JPY": "Japanese yen", "KES": "Kenyan shilling", "KRW": "South Korean won",
    "MAD": "Moroccan dirham", "MXN": "Mexican peso", "MYR": "Malaysian ringgit", "NGN": "Nigerian naira",
    "NOK": "Norwegian krone", "NZD": "New Zealand dollar", "PEN": "Peruvian sol", "PHP": "Philippine peso",
    "PKR": "Pakistani rupee", "PLN": "Polish złoty", "RON": "Romanian leu", "RSD": "Serbian dinar",
    "SAR": "Saudi riyal", "SEK": "Swedish krona", "SGD": "Singapore dollar", "THB": "Thai baht",
    "TND": "Tunisian dinar", "TRY": "Turkish lira", "TWD": "New Taiwan dollar", "UAH": "Ukrainian hryvnia",
    "USD": "US dollar", "UYU": "Uruguayan peso", "VND": "Vietnamese đồng", "XOF": "West African CFA franc",
    "ZAR": "South African rand",
}  # fmt: skip
# ISO 639-1. 2026-11.
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "ga": "Irish", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "ms": "Malay", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "th": "Thai", "tl": "Tagalog", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
# Countries with numbers that the tables of `phonenumbers` leave without a name. 2026-11.
UNNAMED = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}
JANUARY, JULY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


@cache
def zones() -> list[str]:
    """Return the time zones offered: those named after places. Forms accept the older names too."""
    found = zoneinfo.available_timezones()
    return ["UTC", *sorted(name for name in found if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/")))]


@cache
def zone_choices() -> Choices:
    return [(name, f"{name} ({_offsets(zoneinfo.ZoneInfo(name))})" if name != "UTC" else name) for name in zones()]


def _offsets(zone: zoneinfo.ZoneInfo) -> str:
    """Return the names and offsets of a zone over the year, the standard time first."""
    found = [JANUARY.astimezone(zone), JULY.astimezone(zone)]
    ordered = sorted(found, key=lambda moment: moment.utcoffset() or JANUARY - JANUARY)
    return " / ".join(dict.fromkeys(map(_named, ordered)))


def _named(moment: datetime) -> str:
    """Return “CET, UTC+01:00”, or the offset alone where the zone has no letters of its own."""
    offset, name = f"{moment:%z}", moment.tzname() or ""
    written = f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{name}, {written}" if name.isalpha() else written


@cache
def country_choices() -> Choices:
    """Return countries with numbers of their own, by name: “France (FR)”."""
    known = names_in_languages()
    names = {code: names["en"] for code, names in known.items() if code in SUPPORTED_REGIONS and names.get("en")}
    plain = {code: known[code][name[1:]] if name.startswith("*") else name for code, name in names.items()} | UNNAMED
    return sorted(((code, f"{name} ({code})") for code, name in plain.items()), key=lambda pair: pair[1])


@cache
def currency_choices() -> Choices:
    return sorted(((code, f"{name} ({code})") for code, name in CURRENCIES.items()), key=lambda pair: pair[1])


@cache
def language_choices() -> Choices:
    return sorted(((code, f"{name} ({code})") for code, name in LANGUAGES.items()), key=lambda pair: pair[1])


# What columns of these names hold, in every form of the back office.
CHOICES: dict[str, Callable[[], Choices]] = {
    "timezone": zone_choices,
    "default_region": country_choices,
    "language": language_choices,
    "budget_currency": currency_choices,
    "daily_budget_currency": currency_choices,
    "price_per_minute_currency": currency_choices,
}


class _Offering:
    """A select that also offers what is stored."""

    choices: Any

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        """Add a stored value that is not offered, so that saving the form keeps it."""
        offered = {code for code, _ in self.choices}
        kept = [(each, each) for each in value if each and each not in offered]
        if not kept:
            return super().optgroups(name, value, attrs)  # type: ignore[misc]  # of Django's selects
        as_they_are, self.choices = self.choices, [*self.choices, *kept]
        try:
            return super().optgroups(name, value, attrs)  # type: ignore[misc]
        finally:
            self.choices = as_they_are


class Picker(_Offering, UnfoldAdminSelectWidget):
    """A select with a box to search it, which a script adds. Without scripts it is a plain select."""

    def __init__(self, offered: Choices, blank: bool) -> None:
        super().__init__(attrs={"data-picker": ""}, choices=[*([("", "-")] if blank else []), *offered])


class ManyPicker(_Offering, UnfoldAdminSelectMultipleWidget):
    """A select of several values, of which a script makes boxes to tick, with a box to search them."""

    def __init__(self, attrs: Any = None, choices: Choices = ()) -> None:
        super().__init__({"data-picker": "", **(attrs or {})}, choices)


class CountriesField(forms.MultipleChoiceField):
    """A JSON column of country codes."""

    widget = ManyPicker

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=country_choices, **kwargs)

    def to_python(self, value: Any) -> list[str]:
        return [code for code in super().to_python(value) if code]

    def validate(self, value: Any) -> None:
        for code in value:
            if not self.valid_value(code):
                raise ValidationError(f"“{code}” is not a country. Choose countries from the list.")


def picker_of(column: Any) -> Picker | None:
    """Return the picker for a model's column, if it holds one of these codes."""
    offered = CHOICES.get(column.name)
    return Picker(offered(), column.blank) if offered else None

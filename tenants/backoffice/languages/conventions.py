"""How a language writes numbers, days and the names of countries: from the Unicode CLDR, which Babel brings."""

from __future__ import annotations

import calendar
import re
from functools import cache

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

from tenants.backoffice.pickers import country_choices, currency_choices, language_choices

# What the CLDR does not say: a colon after a space, no thing in the singular, a point after the day of a month.
MARKS = {"fr": {":": "\N{NO-BREAK SPACE}:"}}
ZERO_IS_ONE = {"fr"}
AFTER_DAY = {"de": "."}
NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_BEGINS, _ENDS = r"(?<![\w.,:/+-])", r"(?![\w,:/]|\.\d)"
_GROUPED = r"[-\u2212]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"
_MEASURED = r"[-\u2212]?\d+\.\d+(?=\s?(?:%|[A-Z]{3}\b))"  # 12.5 %, 3.20 EUR
_MARKED = re.compile(f"{_BEGINS}(?:{_GROUPED}|{_MEASURED}){_ENDS}")
_FULL_MONTHS = [*calendar.month_name][1:]
_MONTHS = [*calendar.month_abbr][1:]
_FULL_DAYS = [*calendar.day_name]
_DAYS = [*calendar.day_abbr]
_DATE = re.compile(
    rf"\b(?:(?P<day>{'|'.join(_FULL_DAYS + _DAYS)})\s+)?"
    rf"(?P<number>\d{{1,2}})\s(?P<month>{'|'.join(_FULL_MONTHS + _MONTHS)})\b"
)
_WORDS = re.compile(r"(?<![\w/])[A-Za-z]*[a-z]{2}(?![\w/])")  # and no zone: EST, Europe/Paris


def number(text: str, language: str) -> str:
    """Return an English number with the marks of the language: 1,234.5 is 1.234,5 in German."""
    group, decimal = get_group_symbol(language), get_decimal_symbol(language)
    return text.replace(",", "\0").replace(".", decimal).replace("\0", group)


def numbers(text: str, language: str) -> str:
    """Return an amount whose number has marks, such as “1,234.50 EUR”, written so. Phone numbers and versions stay.

    Within another text numbers stay: somebody may have written it.
    """
    return text if _WORDS.search(text) else _MARKED.sub(lambda found: number(found[0], language), text)


def dates(text: str, language: str) -> str:
    """Return a moment, such as “28 Nov”, “Sat 28 Nov 17:13” or “1 Dec - 3 Dec 2026”, with the names of the language.

    Within another text days stay: somebody may have written it.
    """
    if _WORDS.search(_DATE.sub("", text)):
        return text
    return _DATE.sub(lambda found: _day(found, language), text)


def _day(found: re.Match[str], language: str) -> str:
    locale = Locale.parse(language)
    written = found["month"]
    if written in _MONTHS and written != "May":
        month = locale.months["format"]["abbreviated"][_MONTHS.index(written) + 1]
    else:
        width = "abbreviated" if written == "May" else "wide"
        month = locale.months["format"][width][_FULL_MONTHS.index(written) + 1]
    return f"{_weekday(found['day'], locale)}{found['number']}{AFTER_DAY.get(language, '')} {month}"


def _weekday(written: str | None, locale: Locale) -> str:
    if not written:
        return ""
    short = written in _DAYS
    place = (_DAYS if short else _FULL_DAYS).index(written)
    return f"{locale.days['format']['abbreviated' if short else 'wide'][place]} "


@cache
def names(language: str) -> dict[str, str]:
    """Return the names of countries, languages and currencies by their English name."""
    english, other = Locale.parse("en"), Locale.parse(language)
    found: dict[str, str] = {}
    offered = {"territories": country_choices(), "languages": language_choices(), "currencies": currency_choices()}
    for kind, choices in offered.items():
        theirs = getattr(other, kind)
        found |= {label.removesuffix(f" ({code})"): theirs[code] for code, label in choices if code in theirs}
    for kind in offered:
        ours, theirs = getattr(english, kind), getattr(other, kind)
        found |= {name: theirs[code] for code, name in ours.items() if code in theirs}
    return found


def days(language: str) -> dict[str, str]:
    """Return the names of days by their English name."""
    other, found = Locale.parse(language), {}
    for place, (short, full) in enumerate(zip(_DAYS, _FULL_DAYS, strict=True)):
        found[short] = other.days["stand-alone"]["abbreviated"][place]
        found[full] = other.days["stand-alone"]["wide"][place]
    return found

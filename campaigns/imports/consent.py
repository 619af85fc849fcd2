"""Columns that hold a contact's consent: its basis, its moment, and its text or evidence. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from campaigns.imports.header_words import plain, words

MAX_BASIS = 64
YEARS = range(1990, 2101)
# Names that say one part of a consent. `Consent` alone does not: its cells may be a date, a text or yes.
HEADERS = {
    "consent_basis": frozenset(
        words(
            "consent basis|basis of consent|legal basis|lawful basis|legal basis for processing|"
            "legal basis for processing contact s data|gdpr legal basis|lawful basis for processing|consent type|"
            "base legale|base juridique|fondement juridique|base legale du traitement|type de consentement|"
            "rechtsgrundlage|rechtliche grundlage|einwilligungsgrundlage|grundlage der einwilligung|"
            "art der einwilligung|base legal|base juridica|base juridica del consentimiento|base del consentimiento|"
            "tipo de consentimiento"
        )
    ),
    "consent_at": frozenset(
        words(
            "consent at|consent at utc|consent date|consent time|consent timestamp|consent datetime|consented at|"
            "consented on|consent given at|consent given on|date of consent|time of consent|"
            "consent date time|phone consent date|call consent date|"
            "date du consentement|date de consentement|date consentement|consentement le|consentement donne le|"
            "horodatage du consentement|einwilligung am|einwilligungsdatum|datum der einwilligung|"
            "datum einwilligung|einwilligung erteilt am|zeitpunkt der einwilligung|zustimmung am|"
            "fecha de consentimiento|fecha del consentimiento|fecha consentimiento|consentimiento otorgado el|"
            "momento del consentimiento"
        )
    ),
    "consent_evidence": frozenset(
        words(
            "consent evidence|consent text|consent proof|proof of consent|evidence of consent|consent source|"
            "source of consent|consent wording|consent statement|consent url|consent record|consent reference|"
            "preuve de consentement|preuve du consentement|texte du consentement|texte de consentement|"
            "source du consentement|origine du consentement|einwilligungstext|einwilligungsnachweis|"
            "nachweis der einwilligung|nachweis einwilligung|text der einwilligung|quelle der einwilligung|"
            "prueba de consentimiento|prueba del consentimiento|texto de consentimiento|texto del consentimiento|"
            "evidencia del consentimiento|origen del consentimiento"
        )
    ),
}
NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:(?:,?\s+|T)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?")
YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)")
HINT = "write it like 2026-03-31 or 2026-03-31T14:05:00+02:00"


class NotAMoment(ValueError):
    """A cell of consents cannot be used. The message says what to write."""


def consent_field(header: str) -> str:
    """Return the part of a consent that a column holds by its name; "" if it holds none."""
    text = plain(header)
    return next((field for field, known in HEADERS.items() if text in known), "")


def read_moment(cell: str, column: str) -> datetime | None:
    """Return the moment of a consent, in UTC; None for an empty cell. Raises NotAMoment.

    A moment without an offset is in UTC, and a day without a time is its first moment in UTC.
    """
    text = " ".join(cell.split())
    if not text:
        return None
    found = _iso(text) or _numeric(text, column)
    if found is None or found.year not in YEARS:
        raise NotAMoment(f"'{text[:40]}' in column '{column[:60]}' is not a date; {HINT}.")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _iso(text: str) -> datetime | None:
    if slashed := YEAR_FIRST.fullmatch(text):  # 2026/3/31 10:00
        text = f"{slashed[1]}-{slashed[2]:0>2}-{slashed[3]:0>2}{slashed[4]}"
    text = re.sub(r"(?<=\d) ?(?:UTC|GMT)$", "+00:00", text)
    text = re.sub(r"(?<=\d) (?=[+-]\d{2})", "", text)
    if not re.match(r"\d{4}-\d{2}-\d{2}(?:\D|$)", text):  # the library takes 20260331 too, which may be a number
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _numeric(text: str, column: str) -> datetime | None:
    """Return a moment whose day stands first or second. Raises NotAMoment if both readings are possible."""
    found = NUMERIC.fullmatch(text)
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if found[2] != "." and first != second and max(first, second) <= 12:
        raise NotAMoment(
            f"'{text[:40]}' in column '{column[:60]}' may be {year}-{second:02}-{first:02} or "
            f"{year}-{first:02}-{second:02}; write the one that is meant."
        )
    day, month = (second, first) if found[2] != "." and second > 12 else (first, second)
    try:
        return datetime(year, month, day, int(found[5] or 0), int(found[6] or 0), int(found[7] or 0))  # noqa: DTZ001
    except ValueError:
        return None

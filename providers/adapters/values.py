"""Read one value in every form that leaves one meaning. Pure.

Each function returns the value and why its form was odd, "" for the usual form, and raises `Doubtful` for a value that
could mean two things, or nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

YEARS = range(2000, 2100)  # a time outside this range names no call

AS_TEXT = "A number was sent as text."
NO_NUMBER = "It is not a number."
OTHER_UNIT = (
    "It is less than a cent and has a fraction, so it may be dollars or cents instead of thousandths of a cent."
)
NO_WHOLE_NUMBER = "It is not a whole number."
NO_FLAG = "It is neither true nor false."
FLAG_IN_WORDS = "True or false was sent in another form."
NO_DURATION = "It is not a duration."
DURATION_IN_WORDS = "A duration was sent in another form than seconds."
PART_OF_A_SECOND = "Parts of a second were cut."
NO_TIME = "It is not a time."
OTHER_TIME_FORM = "A time was sent in another form than ISO 8601."
UNIX_TIME = "A time was sent as a Unix time."
OUT_OF_RANGE = "The time is not between the years 2000 and 2099."
NO_ZONE = "The time names no zone. Set the provider's time zone on the page of the provider account."
ZONE_PLACED = "The time names no zone; it was read in the zone of the provider account."
TWICE_OR_NEVER = "In the zone of the provider account this local time occurs twice or never."

_NUMERIC = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,18})?")
_FLAGS = {"true": True, "yes": True, "y": True, "t": True, "on": True, "1": True, "1.0": True} | {
    "false": False, "no": False, "n": False, "f": False, "off": False, "0": False, "0.0": False
}  # fmt: skip
_CLOCK = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5}):([0-9]{1,2})(\.[0-9]{1,9})?")
_UNITS = re.compile(
    r"(?=[0-9])(?:([0-9]{1,9}) ?h(?:ours?|rs?)? ?)?(?:([0-9]{1,9}) ?m(?:in(?:ute)?s?)? ?)?"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
_MILLISECONDS = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:ms|msec|millis|milliseconds?)", re.IGNORECASE)
_ISO_DURATION = re.compile(r"PT(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)S)?")

_TWO_PARTS = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ]")  # a date and a time; a date alone is no moment
_ZONE_APART = re.compile(r" (?:(?:UTC|GMT|Z)([+-][0-9]{2}:?[0-9]{2})?|([+-][0-9]{2}:?[0-9]{2}))$", re.IGNORECASE)
_ZONE_NAME = re.compile(r"(?<=[0-9Z])\[[A-Za-z0-9_+/-]{1,64}\]$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_RFC_2822 = re.compile(
    r"(?:[A-Za-z]{3,9}, ?)?([0-9]{1,2})[ -]([A-Za-z]{3})[ -]([0-9]{4}) ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"(?: ([+-][0-9]{4}|GMT|UTC?|Z))?"
)
_USUAL_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
UNIX_UNITS = (1, 10**3, 10**6, 10**9)  # for one of them at most, a number is a time between 2000 and 2099


class Doubtful(ValueError):
    """The value has no single meaning. The text is a sentence for staff."""


def number(value: Any) -> tuple[Decimal, str]:
    """Return a number, also one written as text."""
    if isinstance(value, str) and _NUMERIC.fullmatch(value.strip()):
        return Decimal(value.strip()), AS_TEXT
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Doubtful(NO_NUMBER)
    return Decimal(str(value)), ""


def integer(value: Any, low: int, high: int) -> tuple[int, str]:
    """Return a whole number within the limits."""
    found, why = number(value)
    if found != found.to_integral_value():
        raise Doubtful(NO_WHOLE_NUMBER)
    if not low <= found <= high:
        raise Doubtful(f"It is not between {low} and {high}.")
    return int(found), why


def milli_cents(value: Any) -> tuple[Decimal, str]:
    """Return thousandths of a cent as dollars.

    Public reports show amounts in other units. Less than a cent with a fraction of its thousandth may be dollars.
    """
    found, why = number(value)
    if not 0 <= found <= 10**12:
        raise Doubtful("It is not a price.")
    if found < 1000 and found != found.to_integral_value():
        raise Doubtful(OTHER_UNIT)
    return found.scaleb(-5), why


def flag(value: Any) -> tuple[bool, str]:
    if isinstance(value, bool):
        return value, ""
    if not isinstance(value, str | int | float) or (found := _FLAGS.get(str(value).strip().lower())) is None:
        raise Doubtful(NO_FLAG)
    return found, FLAG_IN_WORDS


def seconds(value: Any) -> tuple[int, str]:
    """Return a duration in whole seconds. A number is in seconds; whether it can be is for the fold to say."""
    try:
        found, why = number(value)
    except Doubtful:
        found, why = _duration(value.strip()) if isinstance(value, str) else (Decimal(-1), "")
    if not 0 <= found <= 2**31 - 1:
        raise Doubtful(NO_DURATION)
    whole = int(found)
    return whole, why or (PART_OF_A_SECOND if whole != found else "")


def _duration(text: str) -> tuple[Decimal, str]:
    """Return a duration in seconds, -1 for anything else."""
    if found := _MILLISECONDS.fullmatch(text):
        return Decimal(found[1]) / 1000, DURATION_IN_WORDS
    if (found := _CLOCK.fullmatch(text)) and int(found[3]) < 60 and (not found[1] or int(found[2]) < 60):
        parts = (found[1], found[2], found[3] + (found[4] or ""))
    elif found := _ISO_DURATION.fullmatch(text) or _UNITS.fullmatch(text):
        parts = (found[1], found[2], found[3])
    else:
        return Decimal(-1), ""
    hours, minutes, rest = (Decimal(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + rest, DURATION_IN_WORDS


def moment(value: Any, zone: ZoneInfo | None) -> tuple[datetime, str]:
    """Return a time in UTC: ISO 8601, RFC 2822, or a Unix time in s, ms, µs or ns. A time without zone is in `zone`."""
    local, why = _told(value)
    try:
        if local.tzinfo is None:
            local, why = _placed(local, zone), ZONE_PLACED
        moved = local.astimezone(UTC)
    except OverflowError:
        raise Doubtful(OUT_OF_RANGE) from None
    if moved.year not in YEARS:
        raise Doubtful(OUT_OF_RANGE)
    return moved, why


def _told(value: Any) -> tuple[datetime, str]:
    """Return a time as it was told, naive if it names no zone."""
    if isinstance(value, str) and _USUAL_TIME.fullmatch(value):
        return _read_iso(value), ""
    try:
        found, _ = number(value)
    except Doubtful:
        if not isinstance(value, str):
            raise Doubtful(NO_TIME) from None
        return _written(value.strip())
    return _unix(found), UNIX_TIME


def _unix(found: Decimal) -> datetime:
    for unit in UNIX_UNITS:
        if 946_684_800 <= found / unit < 4_102_444_800:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(found * 10**6 / unit))
    raise Doubtful(OUT_OF_RANGE)


def _written(text: str) -> tuple[datetime, str]:
    """Return a written time, naive if it names no zone."""
    why = ""
    if found := _RFC_2822.fullmatch(text):
        text, why = _as_iso(found), OTHER_TIME_FORM
    else:
        plain = _ZONE_NAME.sub("", re.sub(r"^([0-9]{4})/([0-9]{2})/([0-9]{2})", r"\1-\2-\3", text))
        plain = _ZONE_APART.sub(lambda zone: zone[1] or zone[2] or "+00:00", plain)
        text, why = plain, OTHER_TIME_FORM if plain != text else ""
    if not _TWO_PARTS.match(text):
        raise Doubtful(NO_TIME)
    return _read_iso(text), why


def _read_iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Doubtful(NO_TIME) from None


def _as_iso(found: re.Match[str]) -> str:
    day, month, year, clock, zone = found.groups()
    if month.lower() not in _MONTHS:
        raise Doubtful(NO_TIME)
    offset = "" if zone is None else zone if zone[0] in "+-" else "+00:00"
    return f"{year}-{_MONTHS.index(month.lower()) + 1:02}-{int(day):02}T{clock}{offset}"


def _placed(local: datetime, zone: ZoneInfo | None) -> datetime:
    """Return a local time in the zone, unless the clocks are changed at that time."""
    if zone is None:
        raise Doubtful(NO_ZONE)
    placed = local.replace(tzinfo=zone)
    if placed.utcoffset() != placed.replace(fold=1).utcoffset():
        raise Doubtful(TWICE_OR_NEVER)
    return placed

"""One way to read a moment that a program sends, in a body or in a filter."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from tenants.clock_changes import in_range

EXAMPLE = "2026-05-12T09:30:00Z"
UNREADABLE = f"This is not a time. Write it like {EXAMPLE}."
WITHOUT_ZONE = f"Give the time with its zone, like {EXAMPLE}."
OUT_OF_RANGE = "This time is out of range. Give a year from 2 to 9998."
# In an address, a plus that is not written as %2B arrives as a space.
LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")


class NotAMoment(ValueError):
    """The text is not a moment. Its message says what to write instead."""


def read_moment(text: str) -> datetime:
    """Return the moment of RFC 3339 text, in UTC. `z` and `t` may be lower case. Raises NotAMoment.

    A time without a zone is refused: where it was meant it may occur twice, or not at all.
    """
    try:
        found = parse_datetime(text.strip().upper())
    except ValueError:  # the 30th of February
        found = None
    if found is None:
        raise NotAMoment(UNREADABLE)
    if found.tzinfo is None:
        raise NotAMoment(WITHOUT_ZONE)
    if not in_range(found):
        raise NotAMoment(OUT_OF_RANGE)
    return found.astimezone(UTC)


def read_moment_of_address(text: str) -> datetime:
    """Return the same for a value of an address, whose plus may have become a space. Raises NotAMoment."""
    return read_moment(LOST_PLUS.sub("+", text.strip()))

"""Why a text is no number that may be called, in words for the person who wrote it."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

EXAMPLE = "+33123456789"


class NotCallable(ValueError):
    """The text is not a number that may be called. The message says what to do."""


class TwoReadings(NotCallable):
    """The text fits two numbers. The message names both."""

    def __init__(self, text: str, first: str, second: str) -> None:
        self.numbers: tuple[str, ...] = (first, second)
        super().__init__(
            f"'{shown(text)}' can be read as {first} and as {second}; write the right one in full, with its plus."
        )


def shown(text: str) -> str:
    """Return the text shortened to 40 printable characters, for an error message."""
    short = text if len(text) <= 40 else text[:39] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in short)


@lru_cache(maxsize=512)
def example(region: str | None) -> str:
    """Return an example number in E.164: of this country if it is known, else EXAMPLE."""
    number = phonenumbers.example_number(region) if region else None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) if number else EXAMPLE

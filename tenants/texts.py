"""One rule for texts, however they come in: from a file, over the API, or in a form.

Line breaks in a text of one line become spaces, because no input field of a page can hold them. Control characters and
halves of characters are refused, because programs and spreadsheets that get the text later fail on them.
"""

from __future__ import annotations

import re

BREAK = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
NEWLINE = re.compile("\r\n?|[\v\f\x1c-\x1f\x85\u2028\u2029]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
HALF = re.compile("[\ud800-\udfff]")


class NotText(ValueError):
    """The value cannot be stored as text. The message is a sentence that says what to do."""


def one_line(text: str) -> str:
    """Return the text on one line, without spaces at its ends. Raises NotText."""
    if text.isprintable():  # nearly every text; imports read millions
        return text.strip()
    _check(text)
    return " ".join(filter(None, (part.strip() for part in BREAK.split(text))))


def several_lines(text: str) -> str:
    r"""Return the text with `\n` between its lines, without spaces at its ends. Raises NotText."""
    if text.isprintable():
        return text.strip()
    _check(text)
    return NEWLINE.sub("\n", text).strip()


def _check(text: str) -> None:
    if CONTROL.search(text):
        raise NotText("Control characters are not allowed. Type the text again.")
    if HALF.search(text):
        raise NotText("Half of a character is missing. Type the text again.")

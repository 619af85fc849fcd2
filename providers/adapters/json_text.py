"""Parse JSON text: strictly first, then with those slips of programs that leave one reading.

A number that is none (NaN, Infinity, 1e999) becomes an `Odd`. A trailing comma, Python's spelling, and text after a
complete object are read with a remark. What could mean two things raises ValueError.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from decimal import Decimal
from typing import Any

from providers.adapters.base import Remark
from providers.adapters.oddities import SAID, Odd, alike, object_of, printable

# Python refuses to read longer integers again (sys.get_int_max_str_digits), so they could not be stored as numbers.
MAX_DIGITS = 4000
EXACT_FLOATS = 2**53  # from here on, a float does not hold every whole number

NOT_A_NUMBER = "It is not a number, so it was not read."
TOO_LARGE = "It is too large for a number, so it was not read."
TOO_LONG = "It is a number of more than 4,000 digits and was kept as text."
FOLLOWED_BY_TEXT = "Text after the end of the JSON was ignored."
SENT_TWICE = "The same JSON was sent twice."
TRAILING_COMMA = "A comma too many was ignored."
OTHER_WORD = "A word of another language was read as JSON's."
OTHER_QUOTES = "A text in single quotes was read as a text."
ODD_NUMBER = "A number in another spelling was read."
CONTROL = "A control character or an unknown escape in a text was read."

# Every token that may need mending, each whole, so that the time is linear. A string without an end takes the rest.
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
    r"|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)"
    r"|,(?=\s*[}\]])"
    r"|[+-]?[\w.$][\w.$#+-]*+",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NEARLY_NUMBER = re.compile(r"\+?(-?)(?:(0|[1-9][0-9]*)\.?|(?=\.[0-9]))(\.[0-9]+)?")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = re.compile(r'["\\/bfnrt]|u.{4}')
_IN_SINGLE_QUOTES = re.compile(r'\\.|"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_BLANK = " \t\r\n\x00"
_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null", "nil": "null"}
_CONSTANTS = frozenset({"nan", "inf", "infinity", "undefined"})


def parse(text: str, remarks: list[Remark]) -> Any:
    """Return the value of JSON text, with an `Odd` in the place of each value that cannot stand.

    Slips that concern the whole text are added to `remarks`. Raise ValueError or RecursionError if it is unreadable.
    """
    try:
        return _decoder(deque()).decode(text)
    except json.JSONDecodeError:
        return _mended(text, remarks)


def _decoder(constants: deque[str], *, strict: bool = True) -> json.JSONDecoder:
    """Return a decoder. `constants`: how the values that are no numbers were written, in order, where it was odd."""
    return json.JSONDecoder(
        object_pairs_hook=object_of,
        parse_constant=lambda word: Odd(None, constants.popleft() if constants else word, NOT_A_NUMBER),
        parse_float=_float,
        parse_int=_integer,
        strict=strict,
    )


def _float(digits: str) -> Any:
    value = float(digits)
    if not math.isfinite(value):
        return Odd(None, digits[:SAID], TOO_LARGE)
    if abs(value) >= EXACT_FLOATS:
        exact = Decimal(digits)
        if exact == exact.to_integral_value():
            return int(exact)
    return value


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_DIGITS else Odd(digits, digits[:SAID], TOO_LONG, taken=True)


def _mended(text: str, remarks: list[Remark]) -> Any:
    slips: dict[str, str] = {}  # why -> the first text that was mended so
    constants: deque[str] = deque()
    text = _TOKEN.sub(lambda token: _mended_token(token[0], slips, constants), text).lstrip(_BLANK)
    decoder = _decoder(constants, strict=False)
    value, end = decoder.raw_decode(text)
    if not isinstance(value, dict | list):
        raise ValueError("text after a single value could belong to it")
    if rest := text[end:].strip(_BLANK):
        slips[_why_ignored(value, rest, decoder)] = rest
    remarks += [Remark("", printable(said[:SAID]), why, taken=True) for why, said in slips.items()]
    return value


def _why_ignored(value: Any, rest: str, decoder: json.JSONDecoder) -> str:
    """Return why the text after a complete value may be ignored. Raise ValueError if it may mean something."""
    if rest.startswith(("{", "[")):
        second, end = decoder.raw_decode(rest)
        if rest[end:].strip(_BLANK) or not alike(value, second):
            raise ValueError("two different values")
        return SENT_TWICE
    markup = rest.startswith("<")
    if re.search(r"[{\[]", rest) if not markup else re.match(r"(?:<[^>]*>\s*)+[{\[]", rest):
        raise ValueError("another value may follow")
    return FOLLOWED_BY_TEXT


def _mended_token(token: str, slips: dict[str, str], constants: deque[str]) -> str:
    """Return a token as JSON writes it, or unchanged if it has no other reading."""
    if token[0] == '"':
        return _string(token, slips)
    if token[0] == "'":
        slips.setdefault(OTHER_QUOTES, token)
        inner = _IN_SINGLE_QUOTES.sub(lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), token[1:-1])
        return _string(f'"{inner}"', slips) if token.endswith("'") else token
    if token.startswith(","):
        slips.setdefault(TRAILING_COMMA, token)
        return ""
    return _word_or_number(token, slips, constants)


def _word_or_number(token: str, slips: dict[str, str], constants: deque[str]) -> str:
    if _NUMBER.fullmatch(token):
        return token
    if word := _WORDS.get(token.lower()):
        if word != token:
            slips.setdefault(OTHER_WORD, token)
        return word
    if found := _NEARLY_NUMBER.fullmatch(token):
        slips.setdefault(ODD_NUMBER, token)
        return f"{found[1]}{found[2] or '0'}{found[3] or ''}"
    if token[0].isdigit() or token.lstrip("+-").lower() in _CONSTANTS:  # 0x1F, 007, 1.#QNAN: no one number
        constants.append(token[:SAID])
        return "NaN"
    return token


def _string(token: str, slips: dict[str, str]) -> str:
    mended = _ESCAPE.sub(lambda found: found[0] if _ESCAPED.fullmatch(found[1]) else f"\ufffd{found[1]}", token)
    if mended != token or _CONTROL.search(token):
        slips.setdefault(CONTROL, token)
    return mended

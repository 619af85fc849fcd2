"""Read the usual JSON body fast: one in which nothing is odd. Every other body is left to the careful decoder.

orjson is quick, but keeps the last of two values with one name, and reads a whole number of more than 64 bits as a
float. Both show in what it returns: a lost name is missing among the strings, of which the body's quotation marks tell
the number, and such a float is too large to be exact.
"""

from __future__ import annotations

from typing import Any

import orjson

from providers.adapters.json_text import EXACT_FLOATS
from providers.adapters.oddities import MAX_DEPTH

UNSURE = object()  # the body may be ordinary or not


def read(body: bytes) -> Any:
    """Return the value of an ordinary body, exactly as the careful decoder reads it. UNSURE for every other one."""
    if b"\\\\" in body or b"\\u0000" in body:  # after two backslashes, a quotation mark may be the end of a text
        return UNSURE
    try:
        value = orjson.loads(body)  # refuses surrogates, byte order marks, other encodings, infinities and slips
    except ValueError:
        return UNSURE
    quoted = body.count(b'"') - body.count(b'\\"')
    return value if 2 * _strings(value) == quoted else UNSURE


def _strings(value: Any) -> int:
    """Return how many names and texts a value has, or -1 if it is nested too deeply or has an inexact number."""
    found = depth = 0
    level = [value]
    while level:
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is str:
                found += 1
            elif kind is dict or kind is list:
                if depth >= MAX_DEPTH:
                    return -1
                if kind is dict:
                    found += len(each)
                    inner += each.values()
                else:
                    inner += each
            elif kind is float and not -EXACT_FLOATS < each < EXACT_FLOATS:
                return -1
        level, depth = inner, depth + 1
    return found

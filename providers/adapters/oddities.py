"""Values that a provider sent in a body and that cannot stand as they are: each costs itself, not the whole body.

A parser puts an `Odd` in the place of such a value. `settle` replaces each one, and says in a remark where it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from providers.adapters.base import Remark

MAX_DEPTH = 32  # nested objects and lists
SAID = 200  # characters of a value that a remark keeps
MOST_REMARKS = 300  # about one message; each further one would cost all that look through them

TOO_DEEP = "It is nested too deeply, so it was not read."
NAMED_TWICE_ALIKE = "It is named twice with the same value."
NAMED_TWICE_ONCE_EMPTY = "It is named twice, and only one value says anything."
NAMED_TWICE = "It is named twice with different values, so neither was believed."
TOO_MANY = "The message has further oddities, which are not listed."

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses NUL and lone surrogates
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Odd:
    """A value in a parsed body that is replaced by `value`, with a remark."""

    value: Any
    said: str
    why: str
    taken: bool = False


class _HasOdd(Exception):
    """The parsed value contains an `Odd`, or is nested too deeply."""


def storable(value: str) -> str:
    """Return the text with NUL and lone surrogates replaced."""
    return value if value.isprintable() else _UNSTORABLE.sub("\ufffd", value)


def printable(value: str) -> str:
    """Return the text on one line: control characters, including line breaks, become spaces."""
    return storable(_CONTROL.sub(" ", value)).strip()


def said(value: Any) -> str:
    """Return any value as text for staff, at most 200 characters."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_shown)
    return printable(shown)[:SAID]


def _shown(value: Any) -> Any:
    return value.said if isinstance(value, Odd) else str(value)


def alike(one: Any, other: Any) -> bool:
    """Return whether two decoded values are the same. True is not 1."""
    return json.dumps(one, sort_keys=True, default=_shown) == json.dumps(other, sort_keys=True, default=_shown)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. A name that occurs twice keeps its value only if no other one says something else."""
    found = {storable(name): value for name, value in pairs}
    if len(found) == len(pairs):
        return found
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(storable(name), []).append(value)
    return {name: _one_of(named) for name, named in values.items()}


def _one_of(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    if all(alike(value, values[0]) for value in values):
        return Odd(values[0], said(values[0]), NAMED_TWICE_ALIKE, taken=True)
    telling = [value for value in values if value not in (None, "")]
    if telling and all(alike(value, telling[0]) for value in telling):
        return Odd(telling[0], said(telling[0]), NAMED_TWICE_ONCE_EMPTY, taken=True)
    return Odd(None, printable(" | ".join(said(value) for value in values))[:SAID], NAMED_TWICE)


def settle(value: Any, remarks: list[Remark]) -> Any:
    """Return a parsed value without anything odd in it and with storable texts. What was odd is added to `remarks`."""
    try:
        return _plain(value, 0)
    except _HasOdd:
        return _settled(value, "", 0, remarks)


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _HasOdd
        if isinstance(value, dict):
            return {name: _plain(inner, depth + 1) for name, inner in value.items()}
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, Odd):
        raise _HasOdd
    return value


def _settled(value: Any, path: str, depth: int, remarks: list[Remark]) -> Any:
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        value = Odd(None, "{…}" if isinstance(value, dict) else "[…]", TOO_DEEP)
    if isinstance(value, Odd):
        note(Remark(path, value.said, value.why, value.taken), remarks)
        return _settled(value.value, path, depth, remarks)
    if isinstance(value, dict):
        return {name: _settled(inner, inside(path, name), depth + 1, remarks) for name, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner, f"{path}[{place}]", depth + 1, remarks) for place, inner in enumerate(value)]
    return storable(value) if isinstance(value, str) else value


def note(remark: Remark, remarks: list[Remark]) -> None:
    """Add a remark once. After MOST_REMARKS a last one says that there are more: a body may have a million oddities."""
    if len(remarks) > MOST_REMARKS or remark in remarks:
        return
    full = len(remarks) == MOST_REMARKS
    remarks.append(Remark("", "", TOO_MANY, taken=False) if full else remark)


def inside(path: str, name: str) -> str:
    """Return the path of a field of the object at `path`."""
    return f"{path}.{name}" if path else name

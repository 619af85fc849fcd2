"""Which object a value is, where it can only be one: also JSON text of one, and a list of names and values. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from providers.adapters.base import Remark
from providers.adapters.decoding import decode_json
from providers.adapters.errors import MayBeRinging
from providers.adapters.oddities import alike

LAYERS = 3  # of JSON text inside JSON text
JSON_AS_TEXT = "JSON was sent as text."
CODE_BLOCK = "JSON was sent as a code block of Markdown."
NAMES_AND_VALUES = "A list of names and values was read as an object."
ONE_IN_A_LIST = "A list with one object was read as that object."

_NAMES = ("name", "key", "field", "field_name", "fieldName", "slot", "variable", "property", "label", "title",
          "question", "id")  # fmt: skip
_VALUES = ("value", "val", "answer", "response", "result", "content", "text")
# What else may stand in a row with a name and a value. With any other field, the row is no such pair.
_ABOUT = {"type", "kind", "data_type", "dataType", "description", "confidence", "score", "index", "order", "position",
          "required", "unit", "format", "source", "reason", "rationale"}  # fmt: skip


def opened_text(value: Any, remarks: list[Remark]) -> Any:
    """Return what JSON text holds, also JSON text inside JSON text. Any other value, also other text, is unchanged.

    What is odd in it is added to `remarks`, with paths inside it.
    """
    for _ in range(LAYERS):
        if not isinstance(value, str):
            return value
        block = _code_block(value)
        plain = block or value
        if not plain.lstrip().startswith(("{", "[", '"')):
            return value
        inner: list[Remark] = []
        try:
            value = decode_json(plain.encode("utf-8", "replace"), remarks=inner)
        except MayBeRinging:
            return value
        why = CODE_BLOCK if block else JSON_AS_TEXT
        remarks += [Remark("", value if isinstance(value, str) else "", why, taken=True), *inner]
    return value


def _code_block(text: str) -> str:
    """Return what a text holds that is one code block of Markdown, as language models write JSON, or ""."""
    stripped = text.strip()
    if not (stripped.startswith("```") and stripped.endswith("```") and stripped.count("```") == 2):
        return ""
    return re.sub(r"^[A-Za-z0-9_-]{0,16}", "", stripped[3:-3]).strip()


def object_in(value: Any) -> tuple[Mapping[str, Any] | None, str]:
    """Return the object that a value is, and why its form was odd. None: it is none, or could be two."""
    if isinstance(value, dict):
        return value, ""
    if not isinstance(value, list) or not value:
        return None, ""
    if all(_is_named(row) for row in value):
        named = [pair for row in value for pair in _named(row)]
        return (_agreeing(named), NAMES_AND_VALUES) if len(named) == len(value) else (None, "")
    if (pairs := _paired(value) or _single(value)) is not None:
        return _agreeing(pairs), NAMES_AND_VALUES
    if len(value) == 1 and isinstance(value[0], dict):
        return value[0], ONE_IN_A_LIST
    return None, ""


def _is_named(row: Any) -> bool:
    """Return whether a row is like {"name": "slot", "value": "10:00"}."""
    if not isinstance(row, dict) or not row.keys() <= {*_NAMES, *_VALUES, *_ABOUT}:
        return False
    return not row.keys().isdisjoint(_NAMES) and not row.keys().isdisjoint(_VALUES)


def _named(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the one name and value of such a row. Empty: it has none, or two values."""
    names = [row[key] for key in _NAMES if isinstance(row.get(key), str) and row[key].strip()]
    values = [row[key] for key in _VALUES if key in row]
    return [(names[0], values[0])] if names and all(alike(value, values[0]) for value in values) else []


def _paired(rows: list[Any]) -> list[tuple[Any, Any]] | None:
    """Return the pairs of a list like [["slot", "10:00"]]."""
    pairs = [(row[0], row[1]) for row in rows if isinstance(row, list) and len(row) == 2 and isinstance(row[0], str)]
    return pairs if len(pairs) == len(rows) else None


def _single(rows: list[Any]) -> list[tuple[Any, Any]] | None:
    """Return the pairs of a list like [{"slot": "10:00"}, {"confirmed": true}]."""
    if len(rows) < 2 or not all(isinstance(row, dict) and len(row) == 1 for row in rows):
        return None
    return list(itertools.chain.from_iterable(row.items() for row in rows))


def _agreeing(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """Return an object, or None if one name has two values."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not alike(found.setdefault(name.strip(), value), value):
            return None
    return found

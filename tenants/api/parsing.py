"""Parsers of request bodies: strict JSON, without values that a database or a program could not handle later."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser, MultiPartParser

from tenants.api.errors import TooLarge

MAX_DEPTH = 32
FORM_ROOM = 64 * 1024  # bytes for the other fields and the boundaries of an upload


class StrictJSONParser(JSONParser):
    """Parse an object of at most 1 MB. Refuse NaN, duplicate keys, NUL, lone surrogates and deep nesting."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        raw = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(raw) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge()
        try:
            text = raw.decode("utf-8")
            if not text.strip():
                return {}
            found = strict_json(text)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The request body is not readable JSON: {_reason(error)}") from error
        if not isinstance(found, dict):
            raise ParseError("The request body must be a JSON object.")
        if faults := {path: ["A NUL character cannot be stored."] for path, text in _texts(found) if "\x00" in text}:
            raise ValidationError(faults)
        return found


class UploadParser(MultiPartParser):
    """Parse a form with a file. A body whose Content-Length exceeds the import limit is not read."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        announced = stream.META.get("CONTENT_LENGTH") or "0"
        if announced.isascii() and announced.isdigit() and int(announced) > settings.IMPORT_MAX_BYTES + FORM_ROOM:
            raise TooLarge()
        return super().parse(stream, media_type, parser_context)


def strict_json(text: str) -> Any:
    """Return what JSON text holds. Raises ValueError or RecursionError, also for what could not be stored."""
    found = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_float=_finite)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def _texts(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every string of the body, keys included, with its dotted path."""
    if depth > MAX_DEPTH:
        raise ParseError("The request body is not readable JSON: it is nested too deeply.")
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}.{index}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            yield below, key
            yield from _texts(item, below, depth + 1)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if isinstance(error, UnicodeError):
        return "it is not UTF-8."
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}."
    return f"{error}."


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is out of range")
    return value

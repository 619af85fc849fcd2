"""How an answer's JSON is written: manners of the bytes. Pure."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Collection
from typing import Any

# What a sentinel text stands for in the finished JSON: a literal that JSON does not have, or one name twice.
_LITERAL, _TWICE = "@@literal ", "@@twice "
_SENTINEL = re.compile(
    r'"(?P<name>[^"\\]+)": "@@(?P<kind>literal|twice) (?P<first>[^ "@]+)(?: (?P<second>[^ "@]+))?@@"'
)

TRANSCRIPT = {"transcript": "Assistant: Hello, is now a good time? Caller: Yes, go ahead. " * 5_000}  # about 300 KB
PADDING = {"notes": "A long note of the provider. " * 2_500}  # about 70 KB
EXTRA: dict[str, Any] = {
    "revision": 7,
    "analysis": {"sentiment": "neutral", "success": None, "scores": [0.25, 1e-7, -0.0]},
    "cost": {"breakdown": [], "total": None},
    "schema": "v2",
    "tags": ["a", "b", "\u00e9\u2028\U0001f4de"],
}
# The manners of values that only JSON can write.
JSON_ONLY = frozenset({"duration NaN", "duration twice"})
GARBAGE = b"\r\n<!-- 0.0031 s -->\r\n"


def literal(text: str) -> str:
    """Return a value that is written as this literal, without quotes."""
    return f"{_LITERAL}{text}@@"


def twice(first: int, second: int) -> str:
    """Return a value whose name is written twice, with these two values."""
    return f"{_TWICE}{first} {second}@@"


def encode(body: Any, names: Collection[str]) -> tuple[dict[str, str], bytes, set[str]]:
    """Return headers, bytes, and those of the manners that changed something."""
    text = _SENTINEL.sub(_unfolded, json.dumps(body))
    headers: dict[str, str] = {"Content-Type": "application/json"}
    used = {name for name in names if name in _INSERTED or name in _BYTES}
    for name in used & set(_INSERTED):
        text = _inserted(text, name)
    data = text.encode()
    for name in used & set(_BYTES):
        data = _BYTES[name](data)
        if name == "gzip":
            headers["Content-Encoding"] = "gzip"
    return headers, data, used


def _unfolded(found: re.Match[str]) -> str:
    name, first, second = found["name"], found["first"], found["second"]
    return f'"{name}": {first}' if found["kind"] == "literal" else f'"{name}": {first}, "{name}": {second}'


_INSERTED = {
    "NaN beside": '"confidence": NaN, ',
    "Infinity beside": '"latency": Infinity, "jitter": -Infinity, "load": 1e999, ',
    "name twice": "",
    "name twice with another value": '"revision": 1, "revision": 2, ',
}
_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "gzip without its header": lambda data: gzip.compress(data, mtime=0),
    "trailing garbage": lambda data: data + GARBAGE,
}
_FIRST = re.compile(r'\{("[^"\\]*": (?:"[^"\\]*"|[0-9]+|null|true|false)), ')


def _inserted(text: str, name: str) -> str:
    """Write further members at the beginning of the object. "name twice": its first member again, if it is simple."""
    if name != "name twice":
        return text.replace("{", "{" + _INSERTED[name], 1) if not text.startswith("{}") else text
    first = _FIRST.match(text)
    return f"{{{first[1]}, {text[1:]}" if first else text


def listed(rows: list[dict[str, Any]], names: Collection[str], *, page: bool, more: bool) -> tuple[bytes, set[str]]:
    """Return the bytes of a list of objects, and those of the manners that changed something.

    `page`: an object with the list in `data`, else the bare list. Rows that are added never come last, because the last
    one is the cursor of the next page.
    """
    told = [_SENTINEL.sub(_unfolded, json.dumps(row)) for row in rows]
    used = {name for name in names if name in _BESIDE and rows}
    for name in sorted(used):
        told = [*_BESIDE[name], *told]
    listing = f"[{', '.join(told)}]"
    return (f'{{"data": {listing}, "has_more": {json.dumps(more)}}}' if page else listing).encode(), used


_BESIDE: dict[str, list[str]] = {
    "broken rows beside": [
        '{"id": "b7", "status": NaN, "to_number": "+14155550199", "direction": "outbound", "metadata": null}',
        "null",
        '{"id": tru, "status": "completed", "direction": "outbound"}',
        '["completed"]',
    ],
    "long list": [json.dumps({"id": f"i{turn}", "direction": "inbound", **PADDING}) for turn in range(5)],
}

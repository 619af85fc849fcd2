"""Write a provider's documented answer in the odd forms that public reports show, one oddity at a time.

Knows nothing of the adapters. Each answer says which field was touched, so that a test can tell what may be missing.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Pairs = list[tuple[str, str]]  # names and raw JSON, so that a name can come twice and a value can be no JSON


@dataclass(frozen=True)
class OddAnswer:
    body: bytes
    manner: str
    path: tuple[str, ...] = ()  # the field that was touched; empty: the body as a whole

    def __str__(self) -> str:
        return f"{'.'.join(self.path) or 'the body'}: {self.manner}"


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "camel case": camel,
    "snake case": snake,
    "upper case": str.upper,
    "with hyphens": lambda name: snake(name).replace("_", "-"),
    "capitalised": lambda name: name[:1].upper() + name[1:],
}
# Values that no field has.
VALUES = {
    "null": "null",
    "empty text": '""',
    "blank": '"  "',
    "empty object": "{}",
    "empty list": "[]",
    "true": "true",
    "negative": "-7",
    "huge": "9" * 40,
    "beyond a float": "1e999",
    "not a number": "NaN",
    "infinite": "-Infinity",
    "an object": '{"zz": 1}',
    "two in a list": '["zz", "yy"]',
}
SAY_NOTHING = ("absent", "null", "empty text", "blank", "empty object", "empty list")
ENVELOPES = ("data", "call", "response", "payload", "Data")


def odd_fields(answer: Mapping[str, Any], other: Callable[[str], Any]) -> Iterator[OddAnswer]:
    """Return the answer with one field told oddly. `other` gives another valid value of the field of that name."""
    for path, value in _leaves(answer):
        for manner, pairs in _manners(path[-1], value, other).items():
            yield OddAnswer(_written(answer, {path: pairs}).encode(), manner, path)


def odd_mixtures(
    answer: Mapping[str, Any], other: Callable[[str], Any], dice: random.Random, count: int
) -> Iterator[tuple[bytes, frozenset[str]]]:
    """Return answers with several fields told oddly, some of them in an envelope too, and the names of these fields."""
    leaves = list(_leaves(answer))
    for _ in range(count):
        edits = {}
        for path, value in dice.sample(leaves, min(len(leaves), dice.randint(2, 5))):
            edits[path] = dice.choice(list(_manners(path[-1], value, other).values()))
        written = _written(answer, edits)
        if dice.random() < 0.3:
            written = f'{{"ok":true,"{dice.choice(ENVELOPES)}":{written}}}'
        yield written.encode(), frozenset(name for path in edits for name in path)


def _manners(name: str, value: Any, other: Callable[[str], Any]) -> dict[str, Pairs]:
    raw, different = json.dumps(value), json.dumps(other(name))
    manners: dict[str, Pairs] = {"absent": []}
    manners |= {manner: [(name, written)] for manner, written in VALUES.items()}
    if isinstance(value, dict):
        del manners["an object"]
    manners["in a list"] = [(name, f"[{raw}]")]
    manners["as text"] = [(name, json.dumps(raw if not isinstance(value, str) else value))]
    manners["twice alike"] = [(name, raw), (name, raw)]
    manners["twice, different"] = [(name, raw), (name, different)]
    manners["twice, different, reversed"] = [(name, different), (name, raw)]
    for manner, spell in SPELLINGS.items():
        if spell(name) != name:
            manners[manner] = [(spell(name), raw)]
            manners[f"{manner} beside it"] = [(name, raw), (spell(name), raw)]
            manners[f"{manner} beside it, different"] = [(name, raw), (spell(name), different)]
    if value is None:  # then the other value is the only one
        return {manner: pairs for manner, pairs in manners.items() if "different" not in manner}
    return manners


def odd_bodies(answer: Mapping[str, Any]) -> Iterator[OddAnswer]:
    """Return the whole answer in another encoding or envelope. It says the same, and nothing may be missing."""
    plain = json.dumps(answer)
    bodies: dict[str, bytes] = {
        "with a byte order mark": b"\xef\xbb\xbf" + plain.encode(),
        "in UTF-16": plain.encode("utf-16"),
        "compressed": gzip.compress(plain.encode()),
        "alone in a list": f"[{plain}]".encode(),
        "as JSON text": json.dumps(plain).encode(),
        "among unknown fields": json.dumps({"zz": [1], **answer, "yy": {"state": "x"}}).encode(),
        "in two envelopes": json.dumps({"data": {"call": answer}}).encode(),
        "in a list in an envelope": json.dumps({"data": [answer], "success": True}).encode(),
        "in an envelope as JSON text": json.dumps({"data": plain}).encode(),
    }
    bodies |= {f"in {name}": json.dumps({"ok": True, name: answer, "code": 200}).encode() for name in ENVELOPES}
    for manner, body in bodies.items():
        yield OddAnswer(body, manner)


def _leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        yield (*path, name), inner
        if isinstance(inner, dict):
            yield from _leaves(inner, (*path, name))


def _written(value: Mapping[str, Any], edits: Mapping[tuple[str, ...], Pairs]) -> str:
    """Return an object as JSON, with these pairs in the places of the fields at these paths."""
    members: Pairs = []
    for name, inner in value.items():
        if (name,) in edits:
            members += edits[name,]
            continue
        below = {path[1:]: pairs for path, pairs in edits.items() if path[0] == name}
        members.append((name, _written(inner, below) if below else json.dumps(inner)))
    return "{" + ",".join(f"{json.dumps(name)}:{written}" for name, written in members) + "}"

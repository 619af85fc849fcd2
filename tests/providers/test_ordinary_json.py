"""The fast reader of JSON bodies against the careful decoder: the same value, or no value at all."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from providers.adapters import decoding, ordinary_json
from providers.adapters.base import Remark
from providers.adapters.errors import ProviderError

TEXTS = [
    "",
    "a",
    "status",
    "é",
    "\u2028",
    "😀",
    'say "x"',
    "back\\slash",
    "line\nbreak",
    "nul\x00",
    "\ud800",
    "a/b",
    "\x7f",
]
NUMBERS = [
    "0", "-0", "-0.0", "1", "42", "1.0", "0.1", "1e5", "1E+2", "2.5e-3", "1e-400", "1e400", "1e999", "-1e999", "1e22",
    "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740991.0", "9007199254740993.0",
    "4503599627370497.5", "-9007199254740993.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1" * 30, "9" * 400, "1" * 5000,
    "0.1000000000000000055511151231257827", "2.2250738585072011e-308", "5e-324", "0." + "3" * 200,
    "123456789.123456789e-5", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1F",
]  # fmt: skip
NAMES = ["id", "status", "status", "a", "é", "callDetails", "dup", "dup", "Dup", "nul\x00", 'q"uote', "back\\"]
SPLICES = [
    b"\\", b'"', b"\\\\", b'\\"', b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\u0061", b"\x00", b"\xff", b"\xc3",
    b",", b"{", b"}", b"[", b"]", b":", b"1", b"e9", b".", b"-", b" ", b"\n", b"\xef\xbb\xbf", b"null", b"NaN", b"/",
    b"\x0b", b'"id":1,', b'"dup":"x",', b"[" * 31, b"]" * 31, b"\xed\xa0\x80", b"\xc2\xa0",
]  # fmt: skip


class Bodies:
    """Random bodies, most of them nearly right."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def body(self) -> bytes:
        raw = self.value(0).encode("utf-8", "surrogatepass")
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 4])):
            place, end = sorted(self.random.randrange(len(raw) + 1) for _ in range(2))
            raw = self.mutated(raw, place, end)
        return raw

    def mutated(self, raw: bytes, place: int, end: int) -> bytes:
        how = self.random.choice(["put in", "leave out", "repeat", "change"])
        if how == "put in":
            return raw[:place] + self.random.choice(SPLICES) + raw[place:]
        if how == "leave out":
            return raw[:place] + raw[min(end, place + 3) :]
        if how == "repeat":
            return raw[:end] + raw[place:end] + raw[end:]
        return raw[:place] + bytes([self.random.randrange(256)]) + raw[place + 1 :]

    def value(self, depth: int) -> str:
        kind = self.random.choice(["object"] * 4 + ["list", "text", "text", "number", "number", "word", "deep"])
        space = self.random.choice(["", "", " ", "\r\n\t"])
        if kind == "object" and depth < 5:
            pairs = [f"{self.text(NAMES)}:{space}{self.value(depth + 1)}" for _ in range(self.random.randrange(5))]
            return "{" + f",{space}".join(pairs) + "}"
        if kind == "list" and depth < 5:
            return "[" + f"{space},".join(self.value(depth + 1) for _ in range(self.random.randrange(4))) + "]"
        if kind == "deep" and self.random.random() < 0.2:
            levels = self.random.randrange(25, 40)
            return '{"a":' * levels + self.text(TEXTS) + "}" * levels
        if kind == "number":
            return self.random.choice([*NUMBERS, repr(self.random.uniform(-1e17, 1e17)), repr(self.random.random())])
        return self.random.choice(["true", "false", "null"]) if kind == "word" else self.text(TEXTS)

    def text(self, among: list[str]) -> str:
        """Return a text as one program or another would write it."""
        return json.dumps(self.random.choice(among), ensure_ascii=self.random.random() < 0.4)


def careful(body: bytes) -> tuple[Any, list[Remark]]:
    remarks: list[Remark] = []
    return decoding._guarded(decoding._parse_json, body, 0, "JSON", remarks), remarks


def compare(count: int, seed: int) -> int:
    """Compare the two on random bodies. Return how many were ordinary."""
    bodies, ordinary = Bodies(seed), 0
    for _ in range(count):
        body = bodies.body()
        value = ordinary_json.read(body)
        if value is ordinary_json.UNSURE:
            continue
        ordinary += 1
        try:
            found, remarks = careful(body)
        except ProviderError:
            pytest.fail(f"unreadable, but read: {body!r}")
        assert (repr(value), remarks) == (repr(found), []), body  # repr tells -0.0 from 0 and True from 1
    return ordinary


def test_whatever_is_read_fast_is_read_alike() -> None:
    assert compare(5000, 11) > 1000


@pytest.mark.proof
def test_whatever_is_read_fast_is_read_alike_a_hundred_thousand_times() -> None:
    assert compare(150_000, 12) > 30_000


def test_usual_bodies_are_ordinary(subtests: pytest.Subtests) -> None:
    """Otherwise the fast road is right, and of no use."""
    value: Any = {
        "id": "c-1",
        "ok": True,
        "none": None,
        "n": 42,
        "cost": 0.05,
        "said": 'so "x", é',
        "rows": [{"a": 1}, {}],
    }
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2), "[]", '"text"', "7"):
        with subtests.test(body):
            assert ordinary_json.read(body.encode()) == json.loads(body)


def test_what_orjson_reads_otherwise_is_left_to_the_careful_decoder(subtests: pytest.Subtests) -> None:
    odd = [
        '{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', r'{"a":1,"\u0061":2}', "[18446744073709551616]", "[9007199254740993.0]",
        r'["\u0000"]', r'["\\"]', "[" * 33 + "]" * 33, "NaN", '{"a":1,}', "", '{"a":"\\ud800"}', "\ufeff{}",
    ]  # fmt: skip
    for body in odd:
        with subtests.test(body[:40]):
            assert ordinary_json.read(body.encode()) is ordinary_json.UNSURE
    assert ordinary_json.read(("[" * 32 + "]" * 32).encode()) is not ordinary_json.UNSURE

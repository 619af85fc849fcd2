"""The decoders and field readers against malformed and hostile input."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters import decoding
from providers.adapters.base import Remark
from providers.adapters.decoding import (
    MAX_BODY,
    call_id,
    decode_form,
    decode_json,
    decode_json_or_xml,
    fold,
    printable,
    text,
)
from providers.adapters.errors import MayBeRinging
from providers.adapters.verdicts import retry_after

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;&b;</x>'
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><result><call_id>&f;</call_id></result>'

DEEP: Any = None  # what is left of forty nested lists: thirty-two levels in all, the outer object included
for _ in range(31):
    DEEP = [DEEP]


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"{", b"{a: 1}", b'{"a": 1', b"nope", b"\x00", b"\xff\xfe\xff", b'{"a": 1,, "b": 2}',
            b"[" * 20_000, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 20_000,
            b'{"a": 1}{"a": 2}', b'{"a": 1}, {"b": 2}', b'{"a": 1}<b>{"a": 2}', b"1 2", b'{"a": "x',
            b"{'a': 'it's'}", b'"' + b'\\"' * 100_000, b'"' + b"x" * MAX_BODY + b'"',
        ],
    )  # fmt: skip
    def test_untrustworthy_bodies_are_unreadable(self, body: bytes) -> None:
        for decode in (decode_json, decode_json_or_xml):
            with pytest.raises(MayBeRinging) as caught:
                decode(body, status=201)
            assert "unreadable" in str(caught.value)
            assert caught.value.evidence == body[:4096]
            assert caught.value.status == 201

    def test_thirty_two_nested_levels_are_read(self) -> None:
        assert decode_json(b"[" * 32 + b"]" * 32)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_every_encoding_of_json_is_read(self, encoding: str) -> None:
        assert decode_json('{"id": "é", "n": [1, null]}'.encode(encoding)) == {"id": "é", "n": [1, None]}

    def test_invalid_utf_8_affects_only_its_own_field(self) -> None:
        assert decode_json(b'{"id": "x1", "name": "Ren\xff\x01"}')["id"] == "x1"
        assert decode_json(b'{"id": "x1", "name": "Ren\x90"}') == {"id": "x1", "name": "Ren\ufffd"}
        assert decode_json('{"a": "é", "b": "'.encode() + b'\xe9"}') == {"a": "é", "b": "\ufffd"}

    def test_a_body_in_windows_1252_is_read(self) -> None:
        """Public reports show providers that answer in ISO 8859-1, which Windows-1252 contains."""
        for said in ("René", "s\xed", "Müller \u2014 “Straße”", "¿Cómo está?", "l\u2019été, 5\xa0€"):
            remarks: list[Remark] = []
            body = json.dumps({"id": "x1", "name": said}, ensure_ascii=False).encode("cp1252")
            assert decode_json(body, remarks=remarks) == {"id": "x1", "name": said}
            assert [remark.taken for remark in remarks] == [True]

    def test_characters_that_a_database_refuses_are_replaced(self) -> None:
        found = decode_json(b'{"a\\u0000": ["\\u0000", {"b": "\\ud800x"}], "pair": "\\ud83d\\ude00"}')
        assert found == {"a\ufffd": ["\ufffd", {"b": "\ufffdx"}], "pair": "\U0001f600"}

    def test_integers_are_exact_at_any_length(self) -> None:
        for digits in (str(2**63), str(-(2**70)), "9" * 4000, "-" + "9" * 3999):
            assert decode_json(f'{{"n": {digits}}}'.encode()) == {"n": int(digits)}
        assert decode_json(b"[9007199254740993.0, 9007199254740992.5, 1e2]") == [9007199254740993, 2.0**53, 100.0]

    def test_an_integer_that_python_would_not_read_again_is_text(self) -> None:
        assert decode_json(b'{"n": ' + b"9" * 5000 + b"}") == {"n": "9" * 5000}

    @given(st.binary(max_size=200))
    def test_arbitrary_bytes_raise_only_may_be_ringing(self, body: bytes) -> None:
        for decode in (decode_json, decode_json_or_xml, decode_form):
            with contextlib.suppress(MayBeRinging):
                decode(body)

    @given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), st.lists, max_leaves=9))
    def test_valid_json_is_decoded_unchanged(self, value: Any) -> None:
        clean = json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))
        assert decode_json(json.dumps(value).encode()) == clean


# What was sent, what stands, and the path of each remark with whether the value was taken. JSON's own words: RFC 8259.
ODDITIES: list[tuple[bytes, Any, list[tuple[str, bool]]]] = [
    (b'{"id": "x", "n": NaN}', {"id": "x", "n": None}, [("n", False)]),
    (b'{"id": "x", "n": {"m": [1, -Infinity]}}', {"id": "x", "n": {"m": [1, None]}}, [("n.m[1]", False)]),
    (b'{"id": "x", "n": 1e999}', {"id": "x", "n": None}, [("n", False)]),
    (b'{"id": "x", "n": nan, "m": -inf}', {"id": "x", "n": None, "m": None}, [("n", False), ("m", False)]),
    (b'{"id": "x", "n": 007}', {"id": "x", "n": None}, [("n", False)]),
    (b'{"id": "x", "n": undefined}', {"id": "x", "n": None}, [("n", False)]),
    (b'{"a": 1, "a": 1}', {"a": 1}, [("a", True)]),
    (b'{"a": 1, "b": 3, "a": 2}', {"a": None, "b": 3}, [("a", False)]),
    (b'{"a": 1, "a": true}', {"a": None}, [("a", False)]),
    (b'{"a": null, "a": "x"}', {"a": "x"}, [("a", True)]),
    (b'{"a": "x", "a": "", "a": "x"}', {"a": "x"}, [("a", True)]),
    (b'{"a": NaN, "a": NaN}', {"a": None}, [("a", True), ("a", False)]),
    (b'{"a": {"b": 1, "b": 2}, "c": 4}', {"a": {"b": None}, "c": 4}, [("a.b", False)]),
    (b'{"a\\u0000": 1, "a\\u0000": 2}', {"a\ufffd": None}, [("a\ufffd", False)]),
    (b'{"a": 1}\n<!-- x -->', {"a": 1}, [("", True)]),
    (b'{"a": 1}<br />Warning: x in y on line 3', {"a": 1}, [("", True)]),
    (b'{"a": 1}}', {"a": 1}, [("", True)]),
    (b'{"a": 1} done', {"a": 1}, [("", True)]),
    (b'{"a": 1}\x00\x00', {"a": 1}, []),
    (b'{"a": 1}\n{"a": 1}', {"a": 1}, [("", True)]),
    (b'{"a": [1, 2,], "b": 3}', {"a": [1, 2], "b": 3}, [("", True)]),
    (b'{"a": True, "b": None, "c": False}', {"a": True, "b": None, "c": False}, [("", True)]),
    (b"{'a': 'it\\'s \"q\"', 'b': True}", {"a": 'it\'s "q"', "b": True}, [("", True), ("", True)]),
    (b'{"a": .5, "b": +5, "c": 5.}', {"a": 0.5, "b": 5, "c": 5}, [("", True)]),
    (b'{"a": "one\ntwo", "b": "c:\\dir"}', {"a": "one\ntwo", "b": "c:\ufffddir"}, [("", True)]),
    (b'{"a": "x, }", "b": "NaN", "c": "True",}', {"a": "x, }", "b": "NaN", "c": "True"}, [("", True)]),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}, [("", True)]),
    (b'{"a": "Ren\xe9"}', {"a": "Ren\xe9"}, [("", True)]),
    (b'{"a": "Ren\x90"}', {"a": "Ren\ufffd"}, [("", True)]),
    (gzip.compress(b'{"a": 1}'), {"a": 1}, [("", True)]),
    (gzip.compress(b'{"a"') + gzip.compress(b": 1}"), {"a": 1}, [("", True)]),
    (zlib.compress(b'{"a": 1}'), {"a": 1}, [("", True)]),
    (b'{"a": ' + b"[" * 40 + b"]" * 40 + b', "b": 1}', {"a": DEEP, "b": 1}, [("a" + "[0]" * 31, False)]),
]


class TestOddities:
    def test_each_costs_itself_and_is_named(self) -> None:
        for body, expected, paths in ODDITIES:
            remarks: list[Remark] = []
            found = decode_json(body, remarks=remarks)
            assert (found, [(remark.path, remark.taken) for remark in remarks]) == (expected, paths), body
            json.dumps(found, allow_nan=False)  # PostgreSQL's JSON knows no NaN

    def test_both_values_of_a_repeated_name_are_kept_for_staff(self) -> None:
        remarks: list[Remark] = []
        decode_json(b'{"status": "busy", "status": {"a": NaN}}', remarks=remarks)
        assert remarks[0].said == 'busy | {"a": "NaN"}'

    def test_a_compressed_body_is_never_larger_in_memory_than_a_plain_one_may_be(self) -> None:
        packed = zlib.compressobj(9, wbits=31)
        bomb = b"".join(packed.compress(b" " * 2**20) for _ in range(200)) + packed.flush()
        tracemalloc.start()
        with pytest.raises(MayBeRinging, match="too long"):
            decode_json(bomb)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * MAX_BODY
        assert decoding.opened(bomb) == bomb
        with pytest.raises(MayBeRinging, match="incomplete"):
            decode_json(gzip.compress(b'{"a": 1}')[:-9])

    @given(
        st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.lists(st.booleans()), max_size=4),
        st.sampled_from(["", "\n<!-- x -->", " ok", "\x00", "}", ";"]),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        st.booleans(),
    )
    def test_no_tolerance_changes_another_value(self, value: Any, after: str, encoding: str, packed: bool) -> None:
        body = (json.dumps(value) + after).encode(encoding)
        clean = json.loads(json.dumps(value).replace("\\u0000", "\ufffd"))
        if len(clean) == len(value):
            assert decode_json(gzip.compress(body) if packed else body) == clean

    @given(st.text(alphabet="{}[]\"'\\,:naNTrue01.-+e \n<!\x00", max_size=60))
    def test_nearly_json_raises_only_may_be_ringing(self, body: str) -> None:
        for raw in (body.encode(), gzip.compress(body.encode())):
            with contextlib.suppress(MayBeRinging):
                json.dumps(decode_json(raw), allow_nan=False)


class TestXml:
    def test_items_are_a_list_even_a_single_one(self) -> None:
        assert decode_json_or_xml(b"<r><a><item>1</item></a><b><item>1</item><item><c>2</c></item></b></r>") == {
            "a": ["1"],
            "b": ["1", {"c": "2"}],
        }

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_encodings_and_namespaces_are_read(self, encoding: str) -> None:
        body = f'<?xml version="1.0" encoding="{encoding}"?><r xmlns="urn:x"><a> é </a></r>'
        assert decode_json_or_xml(body.encode(encoding)) == {"a": "é"}

    @pytest.mark.parametrize(
        "body",
        [
            BOMB, OUTSIDE, b"<r>", b"<r><a/></b>", b"<!DOCTYPE html><html></html>",
            b"<a>" * 40 + b"</a>" * 40, b"<a>" * 20_000 + b"</a>" * 20_000,
            b'<?xml version="1.0" encoding="nope"?><a/>',
        ],
    )  # fmt: skip
    def test_untrustworthy_bodies_are_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            decode_json_or_xml(body)

    def test_a_repeated_element_costs_itself(self) -> None:
        remarks: list[Remark] = []
        assert decode_json_or_xml(b"<r><a>1</a><a>2</a><b>x</b></r>", remarks=remarks) == {"a": None, "b": "x"}
        assert [remark.path for remark in remarks] == ["a"]


class TestForms:
    def test_a_contradiction_costs_itself(self) -> None:
        remarks: list[Remark] = []
        body = b"a=1&a[b]=2&c[d]=1&c=3&e=1&e=1&f=1&f=2&g=7"
        assert decode_form(body, remarks=remarks) == {"a": None, "c": None, "e": "1", "f": None, "g": "7"}
        assert {remark.path: remark.taken for remark in remarks} == {"a": False, "c": False, "e": True, "f": False}

    def test_brackets_make_nested_objects(self) -> None:
        assert decode_form(b"a=1&b%5Bc%5D=%C3%A9&b[d][0][e]=2&f=") == {
            "a": "1",
            "b": {"c": "é", "d": {"0": {"e": "2"}}},
            "f": "",
        }

    @pytest.mark.parametrize("body", [b"", b"x", b"a" + b"[b]" * 40 + b"=1", b"a=1&" * 2000])
    def test_untrustworthy_bodies_are_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            decode_form(body)
        with pytest.raises(MayBeRinging):
            decode_form(body, "multipart/form-data; boundary=b")


class TestFields:
    def test_text_is_truncated_and_other_types_are_empty(self) -> None:
        values: list[Any] = ["abcd", " a ", 12345, None, True, [], {}, "\x00"]
        assert [text(value, 3) for value in values] == [
            "abc", "a", "123", "", "", "", "", "\ufffd"
        ]  # fmt: skip
        assert printable("a\r\nb\x00\x85c") == "a b c"

    def test_an_id_is_opaque_but_fits_in_a_url(self) -> None:
        usable: list[Any] = ["OUT-1", 88120457, "x" * 128]
        assert [call_id(value) for value in usable] == ["OUT-1", "88120457", "x" * 128]
        unusable: list[Any] = ["", None, "x" * 129, "a b", "é", ".", "..", {}, True, "a\nb"]
        assert {call_id(value) for value in unusable} == {""}

    def test_statuses_are_folded(self) -> None:
        assert {fold(word) for word in ("no-answer", "No Answer", "NO_ANSWER ", "no--answer")} == {"no_answer"}
        assert fold("Cancelled") == "canceled"

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("30", 30), ("1.5", 1.5), ("0", 1), ("86400", 3600), ("Mon, 11 May 2026 14:01:00 GMT", 60),
         ("Mon, 11 May 2026 13:00:00 GMT", 1), ("Mon, 11 May 2026 14:01:00 -0000", 60), ("-5", None), ("soon", None),
         ("", None), ("٣", None), ("9" * 400, None), ("Mon, 99 May 2026 14:01:00 GMT", None)],
    )  # fmt: skip
    def test_retry_after_is_seconds_or_a_date(self, value: str, seconds: float | None) -> None:
        assert retry_after({"retry-after": value}, datetime(2026, 5, 11, 14, 0, tzinfo=UTC)) == seconds

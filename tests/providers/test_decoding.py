"""The decoders and field readers against malformed and hostile input."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters import decoding
from providers.adapters.decoding import (
    MAX_BODY,
    call_id,
    decode_form,
    decode_json,
    decode_json_or_xml,
    dollars,
    fold,
    integer,
    moment,
    printable,
    text,
)
from providers.adapters.errors import MayBeRinging
from providers.adapters.verdicts import retry_after

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;&b;</x>'
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><result><call_id>&f;</call_id></result>'

NO_TIMES: list[Any] = [
    *("", None, "soon", "2026-02-30T00:00:00Z", True, [], -1, 0, 1e30, "9" * 30, 10**13, "1778500000000"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", "1999-12-31", "2100-01-01T00:00:00Z"),
    *(float("nan"), float("inf")),
]


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"{", b"{'a': 1}", b'{"a": 1}}', b"nope", b"\x00", b"\xff\xfe\xff",
            b"[" * 20_000, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 20_000, b"[" * 33 + b"]" * 33,
            b"[NaN]", b"[Infinity]", b"[-Infinity]", b"[1e999]", b"[-1e999]", b'{"a": 1, "a": 2}',
            b'{"a\\u0000": 1, "a\\u0000": 2}', b'"' + b"x" * MAX_BODY + b'"',
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
        assert decode_json(b'{"id": "x1", "name": "Ren\xe9"}') == {"id": "x1", "name": "Ren\ufffd"}

    def test_characters_that_a_database_refuses_are_replaced(self) -> None:
        found = decode_json(b'{"a\\u0000": ["\\u0000", {"b": "\\ud800x"}], "pair": "\\ud83d\\ude00"}')
        assert found == {"a\ufffd": ["\ufffd", {"b": "\ufffdx"}], "pair": "\U0001f600"}

    @pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 5000, str(2**63), str(-(2**70))])
    def test_huge_numbers_are_clamped(self, digits: str) -> None:
        found = decode_json(f'{{"id": "x", "n": {digits}}}'.encode())
        assert found == {"id": "x", "n": -decoding.MAX_INTEGER if digits.startswith("-") else decoding.MAX_INTEGER}

    @given(st.binary(max_size=200))
    def test_arbitrary_bytes_raise_only_may_be_ringing(self, body: bytes) -> None:
        for decode in (decode_json, decode_json_or_xml, decode_form):
            with contextlib.suppress(MayBeRinging):
                decode(body)

    @given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), st.lists, max_leaves=9))
    def test_valid_json_is_decoded_unchanged(self, value: Any) -> None:
        clean = json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))
        assert decode_json(json.dumps(value).encode()) == clean


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
            BOMB, OUTSIDE, b"<r>", b"<r><a/></b>", b"<r><a>1</a><a>2</a></r>", b"<!DOCTYPE html><html></html>",
            b"<a>" * 33 + b"</a>" * 33, b"<a>" * 20_000 + b"</a>" * 20_000,
            b'<?xml version="1.0" encoding="nope"?><a/>',
        ],
    )  # fmt: skip
    def test_untrustworthy_bodies_are_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            decode_json_or_xml(body)


class TestForms:
    def test_brackets_make_nested_objects(self) -> None:
        assert decode_form(b"a=1&b%5Bc%5D=%C3%A9&b[d][0][e]=2&f=") == {
            "a": "1",
            "b": {"c": "é", "d": {"0": {"e": "2"}}},
            "f": "",
        }

    @pytest.mark.parametrize("body", [b"", b"x", b"a=1&a=2", b"a=1&a[b]=2", b"a" + b"[b]" * 40 + b"=1", b"a=1&" * 2000])
    def test_untrustworthy_bodies_are_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            decode_form(body)
        with pytest.raises(MayBeRinging):
            decode_form(body, "multipart/form-data; boundary=b")


class TestFields:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(7, 7), ("7", 7), (" 7 ", 7), ("7.9", 7), (7.9, 7), (-1, 0), ("-5", 0), (2**40, 2**31 - 1),
         (float("inf"), 2**31 - 1),
         ("", None), (None, None), ("x", None), (True, None), ([], None), ({}, None), (float("nan"), None), ("٣", None),
         ("1e9", None), ("9" * 19, None), ("0x1", None)],
    )  # fmt: skip
    def test_numbers_are_read_quoted_or_not(self, value: Any, expected: int | None) -> None:
        assert integer(value) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("2026-05-11T13:05:10Z", datetime(2026, 5, 11, 13, 5, 10, tzinfo=UTC)),
            ("2026-05-11T13:05:10", datetime(2026, 5, 11, 13, 5, 10, tzinfo=UTC)),
            ("2026-05-11T15:05:10.5+02:00", datetime(2026, 5, 11, 13, 5, 10, 500_000, tzinfo=UTC)),
            (1767225600, datetime(2026, 1, 1, tzinfo=UTC)),
            ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
            *((value, None) for value in NO_TIMES),
        ],
    )
    def test_times_are_read_in_both_formats_within_2000_to_2099(self, value: Any, expected: datetime | None) -> None:
        assert moment(value) == expected

    def test_milli_cents_are_dollars(self) -> None:
        values: list[Any] = [3333, "5000", 0, None, "", -4]
        assert [dollars(value) for value in values] == [
            Decimal("0.03333"),
            Decimal("0.05"),
            Decimal(0),
            None,
            None,
            Decimal(0),
        ]

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

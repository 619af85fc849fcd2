"""A list of calls is split into its rows, whatever is in them and however it arrives."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.errors import MayBeRinging
from providers.adapters.rows import LIST_NAMES, MAX_ROW, Splitter, split

LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\\\[]{},:é', max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
ROWS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=4)


def fed(body: bytes, size: int) -> tuple[list[bytes], bytes]:
    found: list[bytes] = []
    splitter = Splitter(found.append)
    for at in range(0, len(body), size):
        splitter.feed(body[at : at + size])
    return found, splitter.envelope()


class TestRows:
    @given(ROWS, st.integers(1, 50), st.sampled_from([None, 0, 2]), st.booleans())
    def test_rows_come_out_as_they_went_in(self, rows: Any, size: int, indent: int | None, packed: bool) -> None:
        before = {"note": 'a "data": [1, 2]', "other": [1, {"data": [5]}], "deep": {"data": [6]}}
        shapes: list[tuple[Any, Any]] = [
            (rows, []),
            (before | {"data": rows, "has_more": True}, before | {"data": [], "has_more": True}),
            ({"has_more": True, "data": rows}, {"has_more": True, "data": []}),
            (before | {"_embedded": {"calls": rows}}, before | {"_embedded": {"calls": []}}),
            ({"data": {"x": {"data": [7]}, "data": rows, "n": 1}}, {"data": {"x": {"data": [7]}, "data": [], "n": 1}}),
            ({"response": {"data": {"objects": rows}, "y": [8]}}, {"response": {"data": {"objects": []}, "y": [8]}}),
        ]
        for shape, envelope in shapes:
            body = json.dumps(shape, indent=indent).encode()
            found, left = fed(gzip.compress(body) if packed else body, size)
            assert [json.loads(row) for row in found] == rows
            assert json.loads(left) == envelope

    @given(
        st.binary(max_size=100) | st.text(alphabet='{}[]",:\\\\ad t', max_size=100).map(str.encode), st.integers(1, 9)
    )
    def test_no_bytes_raise_anything_but_may_be_ringing(self, body: bytes, size: int) -> None:
        with contextlib.suppress(MayBeRinging):
            fed(body, size)

    def test_other_names_of_the_list_and_other_lists(self) -> None:
        for name in LIST_NAMES:
            assert fed(f'{{"{name}": [{{"id": 1}}]}}'.encode(), 3)[0] == [b'{"id": 1}']
        for body in (
            b'{"tags": ["data", "x"]}',
            b'{"tags": "data", "x": [1]}',
            b'{"x": {"data": [1]}}',
            b'{"data": {"x": {"data": [1]}, "y": "data"}}',
            b'{"data": {"data": {"data": {"data": [1]}}}}',
            b'"[1]"',
            b"7",
        ):
            assert fed(body, 4) == ([], body)

    def test_a_row_that_is_no_json_costs_itself(self) -> None:
        body = b'[{"id": 1}, {"id": NaN, x}, nope, {"id": 2,}, [7], "a, b", {"id": 3}]'
        assert fed(body, 7)[0] == [
            b'{"id": 1}', b'{"id": NaN, x}', b"nope", b'{"id": 2,}', b"[7]", b'"a, b"', b'{"id": 3}'
        ]  # fmt: skip

    def test_a_row_that_is_too_long_costs_itself(self) -> None:
        long = json.dumps({"id": 2, "transcript": "x" * MAX_ROW}).encode()
        found, left = fed(b'{"data": [{"id": 1}, ' + long + b', {"id": 3}], "has_more": false}', 9999)
        assert found == [b'{"id": 1}', b'{"id": 3}']
        assert json.loads(left) == {"data": [], "has_more": False}

    def test_a_bomb_is_refused_without_much_memory(self) -> None:
        packed = zlib.compressobj(9, wbits=31)
        pieces = [packed.compress(b" " * 2**20) for _ in range(70)]
        bomb = b"".join([packed.compress(b"["), *pieces, packed.flush()])
        tracemalloc.start()
        with pytest.raises(MayBeRinging, match="too long"):
            split(bomb, lambda row: None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20
        with pytest.raises(MayBeRinging, match="too long"):
            split(b'{"note": "' + b"x" * 3_000_000, lambda row: None)
        with pytest.raises(MayBeRinging, match="broken"):
            split(b"\x1f\x8brubbish", lambda row: None)

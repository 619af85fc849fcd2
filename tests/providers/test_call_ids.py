"""Whether two IDs name the same call: every form that public reports show, and IDs of different calls."""

from __future__ import annotations

import uuid

from hypothesis import assume, given
from hypothesis import strategies as st

from providers.adapters.call_ids import same_call, spellings

UUID = "3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413"
BARE = UUID.replace("-", "")
SAME = [
    (UUID, UUID.upper()),
    (UUID, BARE),
    (UUID, f"{{{UUID.upper()}}}"),
    (UUID, f"urn:uuid:{UUID}"),
    (UUID, f"OUT-{UUID}"),
    (BARE, f"out_{UUID}"),
    (f"call:{BARE}", UUID),
    (UUID, f" {UUID}\n"),
    (UUID, f'"{UUID}"'),
    ("OUT-4f2a91", "4f2a91"),
    ("OUT-4f2a91", "out-4F2A91"),
    ("call_1234", "1234"),
    ("CA0123abcd", "ca0123ABCD"),
    ("88120457", "88120457.0"),
    ("88120457", " 88120457 "),
]
DIFFERENT = [
    ("", ""),
    ("", UUID),
    ("5", "15"),
    ("5", "05"),
    ("1234", "12340"),
    ("A-1", "B-1"),
    ("A-1", "1"),
    ("OUT-4f2a91", "IN-4f2a91"),
    ("OUT-4f2a91", "OUT-4f2a92"),
    ("9007199254740993", "9007199254740992"),
    ("18446744073709551617", "18446744073709551616"),
    (UUID, UUID[:-1] + "4"),
    (UUID, UUID[9:]),
    (UUID, UUID[-12:]),
    ("3f8d9c10-7b5e-4a52", "7b5e-4a52"),
    ("v1.0", "v1"),
    ("1.5", "1"),
    ("{}", "x"),
    ("OUT-", "OUT"),
    ("a-b-c", "c"),
    (UUID, "null"),
]
IDS = (
    st.uuids().map(str)
    | st.integers(0, 2**70).map(str)
    | st.text("abcdefXYZ0123456789-_", min_size=1, max_size=24)
    | st.sampled_from(["OUT-", "call_", "x:"]).flatmap(lambda prefix: st.uuids().map(lambda found: f"{prefix}{found}"))
)


class TestSameCall:
    def test_forms_of_one_id(self) -> None:
        for one, other in SAME:
            assert same_call(one, other), (one, other)
            assert same_call(other, one), (one, other)

    def test_ids_of_two_calls(self) -> None:
        for one, other in DIFFERENT:
            assert not same_call(one, other), (one, other)
            assert not same_call(other, one), (one, other)

    @given(IDS, IDS)
    def test_the_order_does_not_matter_and_the_case_never_does(self, one: str, other: str) -> None:
        assert same_call(one, one)
        assert same_call(one, other) == same_call(other, one) == same_call(one.upper(), other.lower())

    @given(st.uuids(), st.uuids())
    def test_two_uuids_in_any_form_are_two_calls(self, one: uuid.UUID, other: uuid.UUID) -> None:
        assume(one != other)
        forms = ("{}", "OUT-{}", "{{{}}}", "urn:uuid:{}")
        for first in forms:
            for second in forms:
                assert same_call(first.format(one), second.format(one.hex).upper())
                assert not same_call(first.format(one), second.format(other.hex))
        assert not same_call(f"OUT-{one}", f"IN-{one}")

    @given(st.integers(0, 2**70), st.integers(0, 2**70))
    def test_two_numbers_are_two_calls(self, one: int, other: int) -> None:
        assert same_call(str(one), str(other)) == (one == other)
        assert same_call(str(one), f"{other}.0") == (one == other)


class TestSpellings:
    def test_a_query_by_spellings_finds_each_form(self) -> None:
        for one, other in SAME:
            for named, stored in ((one, other), (other, one)):
                plain = stored.strip().lower()
                if not plain.startswith(("{", '"', "urn:")) and not plain.endswith(".0"):  # how none is stored
                    forms = spellings(named)
                    assert plain in forms or plain.endswith(tuple(forms)), (named, stored)

    @given(IDS)
    def test_an_id_is_always_among_its_own(self, one: str) -> None:
        assert one.strip().lower() in spellings(one)
        assert len(spellings(one)) <= 5

"""The rule for texts of one line and of several."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.texts import NotText, one_line, several_lines
from tests.tables import cases


@cases(
    ("text", "line", "lines"),
    [
        ("Ada", "Ada", "Ada"),
        ("", "", ""),
        (" \t\r\n ", "", ""),
        ("Ada\nLovelace", "Ada Lovelace", "Ada\nLovelace"),
        ("Ada \r\n\r\n  Lovelace\r", "Ada Lovelace", "Ada \n\n  Lovelace"),
        ("a\tb", "a b", "a\tb"),
        ("a\vb\fc\x85d\u2028e\u2029f", "a b c d e f", "a\nb\nc\nd\ne\nf"),
        ("a\x1cb\x1fc\x1e", "a b c", "a\nb\nc"),
        ("two  spaces stay", "two  spaces stay", "two  spaces stay"),
        ("\u00a0Ada\u3000", "Ada", "Ada"),
        ("\u202eאב\u202c\u200f", "\u202eאב\u202c\u200f", "\u202eאב\u202c\u200f"),
        ("=1+1", "=1+1", "=1+1"),
        ("0", "0", "0"),
    ],
)
def test_a_text_is_stored_like_this(text: str, line: str, lines: str) -> None:
    assert (one_line(text), several_lines(text)) == (line, lines)


@pytest.mark.parametrize("text", ["a\x00", "\x01", "a\x7fb", "a\x80b", "\x1ba", "a\ud83d", "\udc00"])
def test_what_is_no_text_is_refused(text: str) -> None:
    for rule in (one_line, several_lines):
        with pytest.raises(NotText):
            rule(text)


@given(st.text())
def test_a_stored_text_stays_as_it_is(text: str) -> None:
    for rule in (one_line, several_lines):
        try:
            found = rule(text)
        except NotText:
            continue
        assert rule(found) == found == found.strip()
        assert not {c for c in found if unicodedata.category(c) in {"Cc", "Cs"}} - set("\n\t" * (rule is several_lines))
        if rule is one_line:
            assert len(found.splitlines()) <= 1

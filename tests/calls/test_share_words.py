"""Shares in words: a little is never nothing, and nearly all is never all."""

from __future__ import annotations

from fractions import Fraction

import pytest

from calls.reports.figures.conditions import Share


@pytest.mark.parametrize(
    ("part", "whole", "rounded_down", "text"),
    [
        (0, 0, "0 %", "-"),
        (0, 120, "0 %", "0 %"),
        (1, 120, "<1 %", "0.8 %"),
        (1, 100, "1 %", "1 %"),
        (1, 3, "33 %", "33.3 %"),
        (1, 100_000, "<1 %", "<0.1 %"),
        (99_999, 100_000, "99 %", ">99.9 %"),
        (999, 1_000, "99 %", "99.9 %"),
        (120, 120, "100 %", "100 %"),
    ],
)
def test_a_share_in_words(part: int, whole: int, rounded_down: str, text: str) -> None:
    assert (Share(part, whole).whole_text, Share(part, whole).text) == (rounded_down, text)


def test_no_share_says_nothing_of_something() -> None:
    for whole in (7, 120, 3_001, 100_003):
        for part in {1, 2, whole // 2, whole - 2, whole - 1}:
            share = Share(part, whole)
            for text in (share.whole_text, share.text):
                assert text not in {"0 %", "100 %"}, (part, whole)
                if text[0] not in "<>":
                    shown = Fraction(text.removesuffix(" %"))
                    assert abs(shown - Fraction(part * 100, whole)) < 1

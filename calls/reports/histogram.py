"""The spread of numbers: quartiles, and a few bars of equal and round width. Pure.

Numbers far from the others do not stretch the bars: what is beyond the middle nine tenths is in the outermost bars.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median, quantiles

from calls.reports.figures.conditions import Share

WHOLE_BARS = 12  # whole numbers within this range have a bar each
BARS = 8  # about as many otherwise
OUTSIDE = 0.05  # of the numbers, at either end


@dataclass(frozen=True)
class Bar:
    """How many numbers are from `low` to below `high`. None: there is no bound. A whole number has `low` = `high`."""

    low: Decimal | None
    high: Decimal | None
    share: Share


@dataclass(frozen=True)
class Spread:
    """`middle_low` and `middle_high`: the quartiles."""

    median: float
    middle_low: float
    middle_high: float
    least: float
    most: float
    bars: tuple[Bar, ...]


def spread_of(numbers: Sequence[float]) -> Spread | None:
    """Return the spread of these numbers, which are finite. None: there are none."""
    if not numbers:
        return None
    low, _, high = quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else [numbers[0]] * 3
    return Spread(median(numbers), low, high, min(numbers), max(numbers), tuple(_bars(sorted(numbers))))


def _bars(ordered: Sequence[float]) -> list[Bar]:
    first, last = ordered[0], ordered[-1]
    whole = all(float(number).is_integer() for number in ordered)
    if whole and last - first < WHOLE_BARS:
        counts = Counter(map(int, ordered))
        exact = [(Decimal(n), counts[n]) for n in range(int(first), int(last) + 1)]
        return [Bar(number, number, Share(n, len(ordered))) for number, n in exact]
    if first == last:
        only = Decimal(repr(first))
        return [Bar(only, only, Share(len(ordered), len(ordered)))]
    return _of_one_width(ordered, whole)


def _of_one_width(ordered: Sequence[float], whole: bool) -> list[Bar]:
    low, high = _middle(ordered)
    width = _round_width(Decimal(repr(high)) - Decimal(repr(low)), whole)
    start = _floor(Decimal(repr(low)), width)
    end = _floor(Decimal(repr(high)), width)  # where the last bar begins
    counts = Counter(min(max(_floor(Decimal(repr(number)), width), start - width), end + width) for number in ordered)
    bars, edge = [], start
    while edge <= end:
        bars.append(Bar(edge, edge + width, Share(counts[edge], len(ordered))))
        edge += width
    if under := counts[start - width]:
        bars.insert(0, Bar(None, start, Share(under, len(ordered))))
    if over := counts[end + width]:
        bars.append(Bar(edge, None, Share(over, len(ordered))))
    return bars


def _middle(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the middle nine tenths; of all where these are one number."""
    last = len(ordered) - 1
    low, high = ordered[math.floor(last * OUTSIDE)], ordered[math.ceil(last * (1 - OUTSIDE))]
    return (low, high) if low < high else (ordered[0], ordered[-1])


def _round_width(length: Decimal, whole: bool) -> Decimal:
    """Return the smallest of 1, 2 and 5 by a power of ten with which about `BARS` bars have this length."""
    least = length / BARS
    power = Decimal(1).scaleb(least.adjusted())
    width = next(step * power for step in (1, 2, 5, 10) if step * power >= least)
    return max(width, Decimal(1)) if whole else width


def _floor(number: Decimal, width: Decimal) -> Decimal:
    return Decimal(math.floor(number / width)) * width

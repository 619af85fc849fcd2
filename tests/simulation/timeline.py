"""Values that change, and spans of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")
Span = tuple[datetime, datetime]
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Timeline(Generic[T]):
    """A value, and its later values from the moments on at which it was changed."""

    def __init__(self, first: T) -> None:
        self.moments, self.values = [BEGINNING], [first]

    def change(self, at: datetime, value: T) -> None:
        self.moments.append(at)
        self.values.append(value)

    def at(self, moment: datetime) -> T:
        return self.values[bisect_right(self.moments, moment) - 1]

    @property
    def last(self) -> T:
        return self.values[-1]


def within(spans: Iterable[Span], moment: datetime) -> bool:
    return any(first <= moment < last for first, last in spans)


def capped(moments: list[datetime], most: int, lasts: timedelta) -> list[Span]:
    """Return the spans in which the last `most` calls are all younger than `lasts`."""
    return [(moments[n + most - 1], moments[n] + lasts) for n in range(len(moments) - most + 1)]


def clipped(spans: list[Span], first: datetime, last: datetime) -> Iterator[Span]:
    """Yield the parts of sorted spans between two moments."""
    for a, b in spans[max(0, bisect_left(spans, (first, first)) - 1) :]:
        if a >= last:
            return
        if max(a, first) < min(b, last):
            yield max(a, first), min(b, last)


def without(spans: Iterable[Span], blocked: Iterable[Span]) -> list[Span]:
    found = list(spans)
    for first, last in blocked:
        if first < last and any(a < last and first < b for a, b in found):
            pieces = (piece for a, b in found for piece in ((a, min(b, first)), (max(a, last), b)))
            found = [piece for piece in pieces if piece[0] < piece[1]]
    return found


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return sorted spans, with those that touch as one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found

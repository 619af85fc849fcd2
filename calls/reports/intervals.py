"""How sure a share is, and the difference of two shares. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from calls.reports.figures.conditions import Share

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """How much one share is above another, as a part of one, with the bounds of the difference."""

    by: float
    low: float
    high: float

    @property
    def shows(self) -> bool:
        """Return whether the difference is more than chance alone explains."""
        return self.low > 0 or self.high < 0


def quantile(error: float) -> float:
    """Return how many standard deviations leave this error outside, at both sides together."""
    return NormalDist().inv_cdf(1 - error / 2)


def interval_of(share: Share, error: float = 1 - CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's interval, which stays within 0 and 1 even for a small whole. Without a whole: 0 and 1."""
    if share.rate is None:
        return 0.0, 1.0
    z, n, rate = quantile(error), share.whole, min(share.rate, 1.0)  # counts of two moments may exceed each other
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_of(one: Share, other: Share) -> Difference | None:
    """Return the first share less the second, by Newcombe's method of two Wilson intervals. None: one has no whole."""
    if one.rate is None or other.rate is None:
        return None
    (low, high), (other_low, other_high) = interval_of(one), interval_of(other)
    by = one.rate - other.rate
    below = math.hypot(one.rate - low, other_high - other.rate)
    above = math.hypot(high - one.rate, other.rate - other_low)
    return Difference(by, by - below, by + above)

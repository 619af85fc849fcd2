"""Repeatable random draws: a draw depends only on its key, not on the order in which requests arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def fraction(*key: object) -> float:
    """Return a number in [0, 1), always the same for the same key."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in key).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def between(low: float, high: float, *key: object) -> float:
    """Return a uniformly distributed number between `low` and `high`."""
    return low + (high - low) * fraction(*key)


def pick(choices: Sequence[T], *key: object) -> T:
    """Return one of the choices, all equally likely."""
    return choices[int(fraction(*key) * len(choices))]

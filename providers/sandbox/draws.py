"""Chance that can be repeated: a draw is a function of its key, not of the order in which requests happen to arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def fraction(*key: object) -> float:
    """A number in [0, 1) that is always the same for the same key."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in key).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def between(low: float, high: float, *key: object) -> float:
    """A number between the two, evenly spread."""
    return low + (high - low) * fraction(*key)


def pick(choices: Sequence[T], *key: object) -> T:
    """One of the choices, each as likely as the others."""
    return choices[int(fraction(*key) * len(choices))]

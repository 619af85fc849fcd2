"""Compare what was stored about one call with what its provider meant. Pure.

A value that is held as doubtful is not a wrong one. A value that the provider told and nothing stores is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Meant:
    """What a provider's answers about an ended call mean. None: it does not tell this."""

    voicemail: bool | None = None
    duration: int | None = None
    price: Decimal | None = None
    result: Mapping[str, Any] | None = None
    opt_out: bool = False

    @classmethod
    def from_journal(cls, meant: Mapping[str, Any]) -> Meant:
        price = meant["price"]
        return cls(
            meant["voicemail"],
            meant["duration"],
            None if price is None else Decimal(price),
            meant["result"],
            meant["opt_out"],
        )


@dataclass(frozen=True)
class Stored:
    """What Trunkline stored about a call that ended."""

    voicemail: bool = False
    duration: int | None = None
    price: Decimal | None = None
    result: Mapping[str, Any] | None = None
    result_text: str = ""
    held: Collection[str] = ()  # fields of which a value is held as doubtful


def differences(meant: Meant, stored: Stored) -> Iterator[tuple[str, str]]:
    """Yield each broken promise, with a sentence."""
    if meant.voicemail is not None and meant.voicemail != stored.voicemail:
        yield "wrong outcome", f"voicemail is {stored.voicemail}, and was {meant.voicemail}"
    if not _same_price(meant, stored):
        yield "wrong cost", f"the price is {stored.price}, and was {meant.price}"
    if not _same_duration(meant, stored):
        yield "wrong figure", f"the duration is {stored.duration} s, and was {meant.duration} s"
    if not _same_result(meant, stored):
        yield "wrong result", f"the result is {stored.result} {stored.result_text!r}, and was {meant.result}"


def _same_price(meant: Meant, stored: Stored) -> bool:
    if stored.price is None:
        return meant.price is None or "price" in stored.held
    return meant.price is not None and abs(meant.price - stored.price) < Decimal("0.000001")


def _same_duration(meant: Meant, stored: Stored) -> bool:
    """A second more or less is rounding: the sandbox's calls are shorter than that."""
    if stored.duration is None:
        return meant.duration is None or "duration_seconds" in stored.held
    return meant.duration is not None and abs(meant.duration - stored.duration) <= 1


def _same_result(meant: Meant, stored: Stored) -> bool:
    if meant.result is None:
        return not stored.result and not stored.result_text
    if stored.result is None:
        return bool(stored.result_text) or "result" in stored.held
    return _plain(meant.result) == _plain(stored.result)


def _plain(result: Mapping[str, Any]) -> dict[str, str]:
    """Return a result without the differences of spelling that leave its meaning."""
    return {re.sub("[-_ ]", "", name).lower(): _text(value) for name, value in result.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

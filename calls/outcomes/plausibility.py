"""Which values of a reading can be true: checked against our own clock and against each other. Pure.

Nothing decides by a provider's time or duration; they are shown, and a duration prices a call. So a value that cannot
be is left out, with a remark that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from calls.models import TERMINAL, UNRESOLVED
from providers.adapters.base import Reading, Remark
from tenants.money import Money

CLOCKS = timedelta(seconds=60)  # how far a provider's clock may differ from ours
ROUNDING = timedelta(seconds=2)  # a provider rounds times and durations to whole seconds
INEXACT = 0.1  # of a conversation: a provider may not count its first or last moments
BILLING = timedelta(minutes=5)  # a provider may bill by a step, or a minimum
LARGEST_PRICE = Decimal(1_000_000)
MICRO = Decimal("0.000001")  # the smallest part of an amount that is stored

TIMES = ("started_at", "answered_at", "ended_at")
DURATIONS = ("duration_seconds", "billed_duration_seconds")
FEWEST_DIGITS = 7  # fewer of them say nothing about a phone number
COMPARED_DIGITS = 8


@dataclass
class Believed:
    """The values of a reading that can be true, by field, and remarks about the others."""

    values: dict[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def doubt(self, name: str, said: Any, why: str) -> None:
        self.remarks.append(Remark(name, str(said)[:200], why, taken=False, field=name))

    def tolerate(self, name: str, said: Any, why: str) -> None:
        self.remarks.append(Remark(name, str(said)[:200], why, taken=True, field=name))


@dataclass(frozen=True)
class Bounds:
    """Within which times a call happened, by our clock: from its dial until we saw its end, or until now."""

    begin: datetime | None
    end: datetime

    @classmethod
    def of(cls, call: Any, now: datetime) -> Bounds:
        seen = call.terminal_at if call.status in TERMINAL and call.status not in UNRESOLVED else None
        return cls(call.dialed_at or call.created_at, seen or now)


def believed(call: Any, reading: Reading, now: datetime) -> Believed:
    """Return what of the reading's times, durations and price can be true of this call (any object with its fields)."""
    found, bounds = Believed(), Bounds.of(call, now)
    _check_times(call, reading, bounds, found)
    known = {name: getattr(call, name) or found.values.get(name) for name in TIMES}
    for name in DURATIONS:
        _check_duration(name, getattr(reading, name), known, bounds, found)
    _check_price(reading, found)
    return found


def _check_times(call: Any, reading: Reading, bounds: Bounds, found: Believed) -> None:
    """Take times between our dial and our reading of them that are in order; move those a little outside."""
    known = {name: getattr(call, name) for name in TIMES}
    for place, name in enumerate(TIMES):
        value = getattr(reading, name)
        if value is None:
            continue
        if why := _outside(value, bounds):
            found.doubt(name, value.isoformat(), why)
            continue
        moved = min(max(value, bounds.begin or value), bounds.end)
        before = max((at for other in TIMES[:place] if (at := known[other])), default=bounds.begin or moved)
        after = min((at for other in TIMES[place + 1 :] if (at := known[other])), default=bounds.end)
        if moved < before - ROUNDING or moved > after + ROUNDING:
            found.doubt(name, value.isoformat(), "It is not in order with the other times of the call.")
            continue
        moved = min(max(moved, before), after)
        if abs(moved - value) > ROUNDING:
            found.tolerate(name, value.isoformat(), "The provider's clock differs from ours; moved to our bound.")
        found.values[name] = moved
        known[name] = known[name] or moved


def _outside(value: datetime, bounds: Bounds) -> str:
    """Return why a time is too far away from the call to be believed, or ""."""
    if value.tzinfo is None:
        return "It has no time zone."
    if bounds.begin and value < bounds.begin - CLOCKS:
        return "It is before Trunkline dialed."
    return "It is after Trunkline read it." if value > bounds.end + CLOCKS else ""


def _check_duration(
    name: str, value: int | None, known: Mapping[str, datetime | None], bounds: Bounds, found: Believed
) -> None:
    """Take a duration that fits between the times; as milliseconds, if it fits as these alone."""
    if value is None:
        return
    least, longest = _span(known, bounds)
    if name == "billed_duration_seconds":
        # A provider may bill less than it connected, or nothing; but then milliseconds are not the only other meaning.
        longest += BILLING.total_seconds()
        least, as_milliseconds = 0.0, float(found.values.get("duration_seconds") or max(least, 1.0))
    else:
        as_milliseconds = least
    in_seconds = int((Decimal(value) / 1000).quantize(Decimal(1), ROUND_HALF_UP))
    if least <= value <= longest:
        found.values[name] = value
    elif value >= 1000 and as_milliseconds <= in_seconds <= longest:
        found.values[name] = in_seconds
        found.tolerate(name, value, "Taken as milliseconds: as seconds it does not fit the times of the call.")
    else:
        found.doubt(name, value, "It does not fit the times of the call.")


def _span(known: Mapping[str, datetime | None], bounds: Bounds) -> tuple[float, float]:
    """Return the fewest and the most seconds that the call can have lasted.

    A provider may count from the dial, from the ringing or from the answer. Between its times and ours, its clock may
    differ.
    """
    ended, answered, started = known["ended_at"], known["answered_at"], known["started_at"]
    rounding, clocks = ROUNDING.total_seconds(), CLOCKS.total_seconds()
    talk = (ended - answered).total_seconds() if ended and answered else 0.0
    least = max(0.0, talk * (1 - INEXACT) - rounding)
    if ended and started:
        return least, (ended - started).total_seconds() * (1 + INEXACT) + rounding
    if bounds.begin is None:
        return least, float("inf")
    return least, ((ended or bounds.end) - bounds.begin).total_seconds() + clocks


def _check_price(reading: Reading, found: Believed) -> None:
    price = reading.price
    if price is None:
        return
    if 0 <= price.amount < LARGEST_PRICE:
        found.values["cost_price"] = Money(price.amount.quantize(MICRO, ROUND_HALF_UP), price.currency)
    else:
        found.doubt("price", f"{price.amount} {price.currency}", "No call costs that.")


def is_another_number(said: str, number: str) -> bool:
    """Return whether what a provider says is certainly not this E.164 number, however it is written.

    A part of the number, a masked one, and anything with letters in it could be any number. Only the last digits are
    compared: in front, some countries have digits at home that they lack abroad (Russia's 8), or have them for mobile
    phones in one form only (Mexico's 1, Argentina's 9).
    """
    if len(said) < FEWEST_DIGITS or re.search(r"[^0-9\s()+.-]", said):
        return False
    first, second = _digits(said), _digits(number)
    compared = min(len(first), len(second), COMPARED_DIGITS)
    return compared >= FEWEST_DIGITS and first[-compared:] != second[-compared:]


def _digits(text: str) -> str:
    """Return the digits without a trunk zero, which "(0)" after the country code is too."""
    return re.sub(r"\D", "", text.replace("(0)", "")).lstrip("0")

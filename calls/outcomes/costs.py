"""What an ended call costs: the provider's price when it comes, until then and otherwise our estimate.

Writes into the call under its lock; the caller saves it.
"""

from __future__ import annotations

from decimal import Decimal

from calls.gate import budgets
from calls.models import TERMINAL, UNRESOLVED, Call, Status
from providers.adapters.base import Reading

DURATIONS = frozenset({"duration_seconds", "billed_duration_seconds"})
SMALLEST = Decimal("0.000001")  # the smallest amount that is stored


def estimate(call: Call) -> None:
    """Estimate the cost of a call that has just ended, or whose duration has come later.

    The price per minute is the account's at the claim. None: the account had no price, or nothing says how long the
    call lasted.
    """
    if not call.price_per_minute_currency:  # it was never claimed, or by a version that did not store the price
        call.fix_price(call.account.price_per_minute, call.account.price_per_minute_currency)
    price, seconds = call.price_per_minute, seconds_to_pay(call)
    call.cost_estimate = None if price is None or seconds is None else (price * seconds / 60).quantize(SMALLEST)
    if call.cost_price is None and price is not None:
        call.cost_currency = call.price_per_minute_currency


def seconds_to_pay(call: Call) -> Decimal | None:
    """Return for how many seconds an ended call is paid. Zero is a fact; None means that nothing says it."""
    if call.dialed_at is None:
        return Decimal(0)
    for said in (call.billed_duration_seconds, call.duration_seconds):
        if said is not None:
            return Decimal(said)
    if _lasted(call):
        return _longest(call)
    return None if call.status in (*UNRESOLVED, Status.COMPLETED) else Decimal(0)


def _lasted(call: Call) -> bool:
    """Return whether the call lasted for a time that its provider should have told, or told beyond belief."""
    told = call.status == Status.COMPLETED and call.account.adapter.gives_duration
    return told or any(doubt.get("field") in DURATIONS for doubt in call.doubts)


def _longest(call: Call) -> Decimal:
    """Return a bound for the duration of a call by our own clock: from its dial until we saw its end.

    Never more than money was set aside for: after hours without a worker, the end is seen hours late.
    """
    until, since = call.terminal_at, call.dialed_at
    seen = Decimal(max(0, int((until - since).total_seconds()))) if until and since else Decimal(0)
    return min(seen, call.account.reserved_minutes * 60)


def release_reserve(call: Call) -> None:
    """Release the reserve of an ended call, unless its price is awaited.

    It is awaited while the provider reports prices and the call is still read for its result. Whoever ends the reading
    releases the reserve in the same statement or transaction; the constraint `reserve_released` holds that.
    """
    if not price_is_awaited(call):
        call.cost_reserved = Decimal(0)


def price_is_awaited(call: Call) -> bool:
    """Return whether the price may still come, or change: `take_final` is told of the one that does not."""
    reading = call.status in TERMINAL and call.next_read_at is not None and call.settle_until is not None
    return reading and call.dialed_at is not None and call.account.adapter.gives_cost


def take_final(call: Call, reading: Reading) -> None:
    """Release the reserve if an end gives the price that counts, and says that it does not change any more."""
    if reading.state.is_terminal and reading.has_final_amounts and None is not call.price == reading.price:
        call.cost_reserved = Decimal(0)


def reopen(call: Call) -> None:
    """Set money aside again for a call that was given up and turns out to be under way."""
    call.cost_estimate = None
    budgets.set_aside_again(call)

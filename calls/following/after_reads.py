"""What the answer to a read leaves beside the call itself: when the call is read again, or that it no longer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction

from calls.following import rescheduling
from calls.following.rescheduling import NextRead
from calls.gate import rate_limits
from calls.models import TERMINAL, Call, CallEvent, Polling, Status, event_of, record_event
from calls.outcomes import circuit_breaker, poll_schedule, recording
from providers.adapters.base import Reading
from providers.adapters.errors import Misconfigured, NotFound, NotSent, ProviderError
from tenants.db.bulk_updates import append_rows

NOT_VISIBLE_YET = timedelta(minutes=2)
End = Callable[[], None]  # ends the following of a call, in a transaction of its own


@dataclass(frozen=True)
class After:
    """What an answer leaves to be stored, with that of others in a few statements."""

    account_id: int
    next_read: NextRead | None
    event: CallEvent | None = None
    pause: float = 0  # seconds in which the provider wants to be asked nothing
    misconfigured: str = ""  # why every read will be refused


def store(afters: Sequence[After], now: datetime) -> None:
    """Store when calls are read again, and what is noted or told about the reads."""
    pauses: dict[int, float] = {}
    for after in afters:
        if after.pause:
            pauses[after.account_id] = max(after.pause, pauses.get(after.account_id, 0))
    for account_id, seconds in sorted(pauses.items()):
        rate_limits.close_for_reading(account_id, seconds, now)
    rescheduling.store([after.next_read for after in afters if after.next_read])
    wrong = dict.fromkeys((after.account_id, after.misconfigured) for after in afters if after.misconfigured)
    for account_id, reason in wrong:
        circuit_breaker.block(account_id, circuit_breaker.Block.MISCONFIGURED, reason)
    append_rows([after.event for after in afters if after.event])


def after(call: Call, answer: Reading | ProviderError, now: datetime, raw: bytes) -> After | End:
    """Return what an answer leaves. `call`: as the read claimed it."""
    if isinstance(answer, NotFound):
        return _after_not_found(call, answer, now, raw)
    if isinstance(answer, NotSent) and answer.throttled:
        wait = answer.retry_after or poll_schedule.SETTLING.total_seconds()
        return After(call.account_id, _postponed(call.polling, now + timedelta(seconds=wait)), pause=wait)
    if isinstance(answer, ProviderError):
        return _after_error(call, answer, now, raw)
    return _after_success(call, now)


def _after_success(call: Call, now: datetime) -> After | End:
    """Schedule the next read, unless what was told has ended the reading."""
    if end := _end_of_following(call, now):
        return end
    if call.polling is None:
        return After(call.account_id, None)
    retention = call.account.adapter.retention_seconds
    retention_at = now + timedelta(seconds=retention) if retention else None
    planned = poll_schedule.next_read(_placed_at(call), now)
    at = poll_schedule.less_often(call, planned, now, retention_at)
    return After(call.account_id, NextRead.after_success(call.polling, at, now, retention_at))


def _after_not_found(call: Call, error: ProviderError, now: datetime, raw: bytes) -> After | End:
    """Handle a 404: the call is not visible yet, forgotten, or the key is wrong. It never means a failed call."""
    placed_at, retention = _placed_at(call), call.account.adapter.retention_seconds
    if call.status in TERMINAL and (end := _end_of_following(call, now)):
        return end
    if call.status == Status.UNCONFIRMED:
        return partial(_disown, call, now)
    if now - placed_at < NOT_VISIBLE_YET:
        return After(call.account_id, _postponed(call.polling, poll_schedule.next_read(placed_at, now)))
    last_read_at = call.polling.last_read_at if call.polling else None
    if retention and now - (last_read_at or placed_at) >= timedelta(seconds=retention):
        detail = "The provider no longer knows the call; its outcome was not read in time."
        return partial(recording.give_up, call.pk, Status.EXPIRED, detail)
    circuit_breaker.report_unknown_call(call.account_id, call.pk)
    return _after_error(call, error, now, raw)


def _after_error(call: Call, error: ProviderError, now: datetime, raw: bytes) -> After | End:
    """Handle a read without a usable answer: keep the status and read again later, with backoff."""
    if end := _end_of_following(call, now):
        return end
    lease = call.polling
    if lease is None:
        return After(call.account_id, None)
    again = poll_schedule.after_error(now, lease.read_errors, lease.retention_at)
    again = poll_schedule.less_often(call, again, now, lease.retention_at)
    misconfigured = str(error) if isinstance(error, Misconfigured) else ""
    event = None
    if lease.read_errors == 0 or misconfigured:
        event = event_of(call, "read_failed", CallEvent.Source.READ, str(error)[:500], raw=raw)
    return After(call.account_id, NextRead.after_error(lease, again), event, misconfigured=misconfigured)


def _postponed(lease: Polling | None, at: datetime) -> NextRead | None:
    return NextRead.postponed(lease, at) if lease else None


def _placed_at(call: Call) -> datetime:
    return call.placed_at or call.dialed_at or call.created_at


def _end_of_following(call: Call, now: datetime) -> End | None:
    """Return how the reading of a call ends that was followed long enough, or None while it goes on.

    An open call ends as `unknown` after 24 hours; an ended one is not read for its result any more, nor one that a team
    member ended for its real end. A hint about a call that was given up has it read for a while longer.
    """
    if call.status in TERMINAL and call.status != Status.UNKNOWN:
        over = call.settle_until and now >= call.settle_until
        return partial(_stop_awaiting, call.pk, now) if over else None
    placed_at = _placed_at(call)
    if now < max(placed_at + poll_schedule.FOLLOWED_FOR, call.settle_until or placed_at):
        return None
    return partial(recording.give_up, call.pk, Status.UNKNOWN, "Followed for 24 hours without an end.")


@transaction.atomic
def _stop_awaiting(pk: int, now: datetime) -> None:
    """Read an ended call no more. A price that has not come is not awaited: the estimate stays, the reserve goes."""
    fresh = Call.objects.select_for_update().get(pk=pk)
    if fresh.status in TERMINAL and fresh.settle_until and now >= fresh.settle_until:
        fresh.next_read_at, fresh.cost_reserved = None, Decimal(0)
        fresh.save(update_fields=["polling", "cost_reserved"])


@transaction.atomic
def _disown(call: Call, now: datetime) -> None:
    """Remove a provider ID that an unsigned status callback supplied and that the provider does not know."""
    fresh = Call.objects.select_for_update().get(pk=call.pk)
    if fresh.status == Status.UNCONFIRMED and fresh.provider_call_id == call.provider_call_id:
        detail = f"The provider does not know {call.provider_call_id}, which a status callback named."
        record_event(fresh, "disowned", CallEvent.Source.READ, detail)
        fresh.provider_call_id = ""
        fresh.next_read_at = poll_schedule.next_search(fresh, now)
        fresh.save()

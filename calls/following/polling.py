"""Poll: read every placed call until its end is stored. A failed read changes nothing but the time of the next one."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from django.db import transaction
from django.utils import timezone

from calls.following import due_reads, rescheduling
from calls.following.rescheduling import NextRead
from calls.gate import rate_limits
from calls.models import TERMINAL, Call, CallEvent, Status, record_event
from calls.outcomes import circuit_breaker, poll_schedule, recording
from providers.adapters import http
from providers.adapters.base import Provider, Reading
from providers.adapters.errors import Misconfigured, NotFound, NotSent, ProviderError
from providers.models import ProviderAccount
from tenants import failpoints

logger = logging.getLogger(__name__)
BATCH = 500
READS_OF_AN_ACCOUNT = 250  # at once and by one worker: a provider that answers slowly takes no more of its connections
NOT_VISIBLE_YET = timedelta(minutes=2)


@dataclass(frozen=True)
class DueRead:
    """A call that this worker alone reads until the lease ends."""

    call: Call
    adapter: Provider


def claim(limit: int = BATCH, under_way: Mapping[int, int] = MappingProxyType({})) -> list[DueRead]:
    """Lease calls that are due for a read, within each account's rate. No row of `calls_call` is locked or written.

    `under_way`: how many reads of each account this worker waits for, by internal key.

    The read is counted and leased before anything is parsed, so that an answer that kills its reader is not read
    forever.
    """
    now = timezone.now()
    with transaction.atomic():
        leased = due_reads.lease(_rates(now, limit, under_way), now, now + poll_schedule.READ_LEASE)
        if leased:
            failpoints.reach("following.claiming")
    if not leased:
        return []
    failpoints.reach("following.claimed")
    return [DueRead(call, call.account.adapter) for call in due_reads.load(leased)]


def _rates(now: datetime, limit: int, under_way: Mapping[int, int]) -> dict[int, int]:
    """Return how many reads each account with due calls may make now, so that a slow account delays no other.

    The accounts share `limit` evenly. What one cannot use, because it has less due or no tokens, is left to the others.
    """
    wanted = due_reads.count_by_account(now, limit)
    found = ProviderAccount.objects.in_bulk(wanted)
    most = {pk: min(due, READS_OF_AN_ACCOUNT - under_way.get(pk, 0)) for pk, due in wanted.items()}
    turns = sorted(random.sample(sorted(most), len(most)), key=lambda pk: most[pk])
    granted: dict[int, int] = {}
    for place, pk in enumerate(turns):
        share = math.ceil((limit - sum(granted.values())) / (len(turns) - place))
        if count := rate_limits.take_for_reading(found[pk], min(most[pk], share), now):
            granted[pk] = count
    return granted


async def read(client: http.Client, due: DueRead) -> tuple[Reading | ProviderError, bytes]:
    """Read a call's status. Return the answer, a ProviderError included, and the raw body."""
    handle, body = due.call.as_handle(), b""
    try:
        failpoints.reach("following.reading")
        answer = await client.read(due.adapter.status(handle))
        failpoints.reach("following.answered")
        body = answer.body
        return due.adapter.read_status(answer, handle, timezone.now()), body
    except ProviderError as error:
        return error, body or error.evidence


def record_all(answers: Sequence[tuple[DueRead, Reading | ProviderError, bytes]]) -> None:
    """Store the answers to several reads."""
    for due, answer, raw in answers:
        record(due, answer, raw)


def record(due: DueRead, answer: Reading | ProviderError, raw: bytes) -> None:
    """Store the answer to a read, and when to read again."""
    now = timezone.now()
    call = due.call
    if isinstance(answer, Reading):
        recording.record(call.pk, answer, CallEvent.Source.READ, raw)
        failpoints.reach("following.recorded")
        _schedule_next_read(call, now)
        failpoints.reach("following.rescheduled")
    elif isinstance(answer, NotFound):
        _not_found(call, answer, now, raw)
    elif isinstance(answer, NotSent) and answer.throttled:
        wait = answer.retry_after or poll_schedule.SETTLING.total_seconds()
        rate_limits.close_for_reading(call.account_id, wait, now)
        _postpone_read(call, now + timedelta(seconds=wait))
    else:
        _failed(call, answer, now, raw)


def _schedule_next_read(call: Call, now: datetime) -> None:
    """Schedule the next read after a successful one, unless what it told has ended the reading."""
    placed_at = call.placed_at or call.dialed_at or call.created_at
    if _stop_following(call, now) or call.polling is None:
        return
    retention = call.account.adapter.retention_seconds
    retention_at = now + timedelta(seconds=retention) if retention else None
    at = poll_schedule.less_often(call, poll_schedule.next_read(placed_at, now), now, retention_at)
    rescheduling.store([NextRead.after_success(call.polling, at, now, retention_at)])


def _not_found(call: Call, error: ProviderError, now: datetime, raw: bytes) -> None:
    """Handle a 404: the call is not visible yet, forgotten, or the key is wrong. It never means a failed call."""
    placed_at = call.placed_at or call.dialed_at or call.created_at
    retention = call.account.adapter.retention_seconds
    if call.status in TERMINAL and _stop_following(call, now):
        return
    if call.status == Status.UNCONFIRMED:
        _disown(call, now)
    elif now - placed_at < NOT_VISIBLE_YET:
        _postpone_read(call, poll_schedule.next_read(placed_at, now))
    elif retention and now - (_last_read_at(call) or placed_at) >= timedelta(seconds=retention):
        recording.give_up(
            call.pk, Status.EXPIRED, "The provider no longer knows the call; its outcome was not read in time."
        )
    else:
        circuit_breaker.report_unknown_call(call.account_id, call.pk)
        _failed(call, error, now, raw)


def _disown(call: Call, now: datetime) -> None:
    """Remove a provider ID that an unsigned status callback supplied and that the provider does not know."""
    with transaction.atomic():
        fresh = Call.objects.select_for_update().get(pk=call.pk)
        if fresh.status == Status.UNCONFIRMED and fresh.provider_call_id == call.provider_call_id:
            detail = f"The provider does not know {call.provider_call_id}, which a status callback named."
            record_event(fresh, "disowned", CallEvent.Source.READ, detail)
            fresh.provider_call_id = ""
            fresh.next_read_at = poll_schedule.next_search(fresh, now)
            fresh.save()


def _failed(call: Call, error: ProviderError, now: datetime, raw: bytes) -> None:
    """Handle a read without a usable answer: keep the status and read again later, with backoff."""
    if _stop_following(call, now):
        return
    lease = call.polling
    if lease is None:
        return
    again = poll_schedule.after_error(now, lease.read_errors, lease.retention_at)
    again = poll_schedule.less_often(call, again, now, lease.retention_at)
    rescheduling.store([NextRead.after_error(lease, again)])
    first = lease.read_errors == 0
    if first or isinstance(error, Misconfigured):
        if isinstance(error, Misconfigured):
            circuit_breaker.block(call.account_id, circuit_breaker.Block.MISCONFIGURED, str(error))
        record_event(call, "read_failed", CallEvent.Source.READ, str(error)[:500], raw=raw)


def _postpone_read(call: Call, until: datetime) -> None:
    if call.polling:
        rescheduling.store([NextRead.postponed(call.polling, until)])


def _last_read_at(call: Call) -> datetime | None:
    return call.polling.last_read_at if call.polling else None


def _stop_following(call: Call, now: datetime) -> bool:
    """Stop reading a call that was followed long enough. Return whether it was.

    An open call ends as `unknown` after 24 hours; an ended one is not read for its result any more, nor one that a team
    member ended for its real end. A hint about a call that was given up has it read for a while longer.
    """
    if call.status in TERMINAL and call.status != Status.UNKNOWN:
        if call.settle_until and now >= call.settle_until:
            _stop_awaiting(call.pk, now)
            return True
        return False
    placed_at = call.placed_at or call.dialed_at or call.created_at
    if now < max(placed_at + poll_schedule.FOLLOWED_FOR, call.settle_until or placed_at):
        return False
    recording.give_up(call.pk, Status.UNKNOWN, "Followed for 24 hours without an end.")
    return True


@transaction.atomic
def _stop_awaiting(pk: int, now: datetime) -> None:
    """Read an ended call no more. A price that has not come is not awaited: the estimate stays, the reserve goes."""
    fresh = Call.objects.select_for_update().get(pk=pk)
    if fresh.status in TERMINAL and fresh.settle_until and now >= fresh.settle_until:
        fresh.next_read_at, fresh.cost_reserved = None, Decimal(0)
        fresh.save(update_fields=["polling", "cost_reserved"])

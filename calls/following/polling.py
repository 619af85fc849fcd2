"""Poll: read every placed call until its end is stored. A failed read changes nothing but the time of the next one."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction
from django.utils import timezone

from calls.following import after_reads, due_reads, rescheduling
from calls.following.after_reads import After
from calls.following.rescheduling import NextRead
from calls.gate import rate_limits
from calls.models import FOLLOWED, Call, CallEvent, log_keys
from calls.outcomes import batches, poll_schedule, recording
from calls.outcomes.folding import fold
from calls.outcomes.loading import Entry
from calls.outcomes.opt_out_matching import matching_rule
from providers.adapters import http, words
from providers.adapters.base import CallState, Provider, Reading
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants import failpoints

logger = logging.getLogger(__name__)
BATCH = 500


@dataclass(frozen=True)
class DueRead:
    """A call that this worker alone reads until the lease ends."""

    call: Call
    adapter: Provider


Answer = tuple[DueRead, Reading | ProviderError, bytes]  # with the raw body


def claim(limit: int = BATCH, most_of: Callable[[int], int] = lambda account_id: BATCH) -> list[DueRead]:
    """Lease calls that are due for a read, within each account's rate. No row of `calls_call` is locked or written.

    `most_of` returns how many reads of an account, by its internal key, this worker may claim.

    The read is counted and leased before anything is parsed, so that an answer that kills its reader is not read
    forever.
    """
    now = timezone.now()
    with transaction.atomic():
        leased = due_reads.lease(_rates(now, limit, most_of), now, now + poll_schedule.READ_LEASE)
        if leased:
            failpoints.reach("following.claiming")
    if not leased:
        return []
    failpoints.reach("following.claimed")
    calls = due_reads.load(leased)
    adapters = {account.pk: account.adapter for account in {call.account_id: call.account for call in calls}.values()}
    return [DueRead(call, adapters[call.account_id]) for call in calls]


def _rates(now: datetime, limit: int, most_of: Callable[[int], int]) -> dict[int, int]:
    """Return how many reads each account with due calls may make now, so that a slow account delays no other.

    The accounts share `limit` evenly. What one cannot use, because it has less due or no tokens, is left to the others.
    """
    wanted = due_reads.count_by_account(now, limit)
    found = ProviderAccount.objects.in_bulk(wanted)
    most = {pk: min(due, most_of(pk)) for pk, due in wanted.items()}
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


def give_back(reads: Sequence[DueRead]) -> None:
    """Let reads that were claimed and not sent be claimed again at once."""
    now = timezone.now()
    rescheduling.store([NextRead.postponed(due.call.polling, now) for due in reads if due.call.polling])


def record_all(answers: Sequence[Answer]) -> list[Answer]:
    """Store the answers to several reads, and when to read again. Return those that could not be stored.

    Where nothing has changed, no row of `calls_call` is read or written: a reading that tells nothing beyond the call
    as it was claimed tells nothing beyond what it has become.
    """
    now = timezone.now()
    news = [item for item in answers if _tells_something(item[0].call, item[1], now)]

    def entry(item: Answer) -> Entry:
        due, reading, raw = item
        assert isinstance(reading, Reading)  # noqa: S101
        return Entry(
            due.call.pk,
            lambda locked: recording.record_locked(locked, reading, CallEvent.Source.READ, now, raw),
            recipient=bool(due.call.recipient_id) and _may_be_an_end(due.call, reading),
        )

    failed = batches.record_all(news, entry, lambda item: _record_reading(*item), now)
    kept = set(map(id, failed))
    stored = [item for item in answers if id(item) not in kept]
    _visit("following.recorded", stored)
    leaves = [(item, after_reads.after(due.call, answer, now, raw)) for item in stored for due, answer, raw in [item]]
    after_reads.store([left for _, left in leaves if isinstance(left, After)], now)
    unended = [item for item, left in leaves if not isinstance(left, After) and not _ended(item[0].call, left)]
    _visit("following.rescheduled", stored)
    return failed + unended


def _visit(failpoint: str, items: Sequence[Answer]) -> None:
    for _ in items:
        failpoints.reach(failpoint)


def _ended(call: Call, end: Callable[[], None]) -> bool:
    """End the following of a call, in a transaction of its own. Return False when that fails."""
    try:
        end()
    except DatabaseError:
        logger.exception("Call %s: its following could not be ended", call.pk, extra=log_keys(call))
        return False
    return True


def record(due: DueRead, answer: Reading | ProviderError, raw: bytes) -> None:
    """Store the answer to one read, and when to read again."""
    now = timezone.now()
    _record_reading(due, answer, raw)
    failpoints.reach("following.recorded")
    left = after_reads.after(due.call, answer, now, raw)
    if isinstance(left, After):
        after_reads.store([left], now)
    else:
        left()
    failpoints.reach("following.rescheduled")


def _record_reading(due: DueRead, answer: Reading | ProviderError, raw: bytes) -> None:
    if isinstance(answer, Reading):
        recording.record(due.call.pk, answer, CallEvent.Source.READ, raw)


def _tells_something(call: Call, answer: Reading | ProviderError, now: datetime) -> bool:
    """Return whether an answer may change the call, or leaves an event about what it says."""
    if not isinstance(answer, Reading):
        return False
    if call.status not in FOLLOWED or not call.provider_call_id or call.id_shared_with:
        return True
    if answer.reference not in ("", call.reference) or answer.state is CallState.UNRECOGNISED:
        return True
    if answer.state.is_terminal:
        return True  # the call is open: an end changes it, or is another call's, which is noted
    heard = words.interpret(answer, call.account.words, "machine" if call.is_voicemail else call.answered_by)
    if heard.unknown or matching_rule(call.assistant.opt_out_rules, answer, heard.reading):
        return True
    found = fold(call, heard.reading, now, CallEvent.Source.READ)
    return bool(found.changes or found.conflicts or found.remarks or found.foreign)


def _may_be_an_end(call: Call, reading: Reading) -> bool:
    return reading.state.is_terminal or bool(call.account.words)

"""What becomes of a call. `record` is the only writer of a status after the placing.

Every function is one transaction and locks the call first; each may be repeated without a second effect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.models import (
    TERMINAL,
    Call,
    Status,
    record_event,
)
from calls.outcomes import circuit_breaker, opt_out, poll_schedule
from calls.outcomes.folding import fold
from calls.outcomes.recipient_progress import move_recipient
from calls.outcomes.transitions import ENGINE, finish, locked_call
from calls.webhooks import outbox
from campaigns.models import Recipient
from providers.adapters.base import Snapshot
from tenants import failpoints

logger = logging.getLogger(__name__)

SETTLING_LASTS = timedelta(minutes=30)


# The answers to a placing.


# Evidence about a call that was placed, or may have been.


def record(pk: int, seen: Snapshot, source: str, raw: bytes = b"") -> str:
    """Fold one piece of evidence into a call. Answers its status afterwards."""
    return with_contact_lock_if_needed(
        pk, lambda call, person: record_locked(call, seen, source, raw, person_locked=person)
    )


def with_contact_lock_if_needed(pk: int, work: Callable[[Call, bool], str]) -> str:
    """One transaction under the call's lock. Who has to lock the person too does so first, in the order of a placing:
    rare enough that finding it out costs a transaction that is rolled back."""
    try:
        with transaction.atomic():
            return work(locked_call(pk), False)
    except opt_out.NeedsPerson:
        with transaction.atomic():
            opt_out.lock_person(Call.objects.only("account", "campaign", "contact").get(pk=pk))
            return work(locked_call(pk), True)


def record_locked(call: Call, seen: Snapshot, source: str, raw: bytes = b"", *, person_locked: bool) -> str:
    now = timezone.now()
    before = call.status
    found = fold(call, seen)
    if found.conflict:
        record_event(call, "conflict", source, found.conflict, raw=raw)
    if not found.foreign:
        opt_out.honour(call, seen, source, person_locked=person_locked)
    changes = dict(found.changes)
    changes.pop("status", None)
    for name, value in changes.items():
        setattr(call, name, value)
    _follow_on(call, seen, found.status or before, now)
    if found.status in TERMINAL:
        finish(call, Status(found.status), source, _words(seen), raw=raw)
        return call.status
    if found.status is not None:
        call.status = found.status
        call.status_reason = ""
        call.dialed_at = call.dialed_at or now
        call.placed_at = call.placed_at or now
        call.lease_until = None
        record_event(call, "status", source, _words(seen), before, call.status, raw)
        if before == Status.UNCONFIRMED and call.recipient_id:
            move_recipient(call, Recipient.Status.CALLING, only_from=Recipient.Status.REVIEW, if_going=True)
    elif seen.state.name == "UNRECOGNISED" and not _seen_before(call, seen):
        record_event(call, "unrecognised", source, f"The provider says '{seen.provider_status[:100]}'.", raw=raw)
    call.save()
    outbox.tell(call)
    failpoints.reach("outcomes.recording")
    if before == Status.UNCONFIRMED and call.status != before:
        circuit_breaker.lift_if_settled(call.account_id)
    return call.status


def _follow_on(call: Call, seen: Snapshot, status: str, now: datetime) -> None:
    """When somebody looks again."""
    if status in TERMINAL:
        if not seen.state.is_terminal:
            return  # a late report of the way there says nothing of what is still awaited
        if seen.settled:
            call.next_read_at = None
            return
        call.settle_until = call.settle_until or now + SETTLING_LASTS
        waiting = call.provider_call_id and now < call.settle_until
        call.next_read_at = now + poll_schedule.SETTLING if waiting else None
    elif call.next_read_at is None or call.status == Status.UNCONFIRMED:
        call.next_read_at = poll_schedule.next_read(call.placed_at or now, now)
        retention = call.account.adapter.retention_seconds
        if retention:
            call.retention_at = now + timedelta(seconds=retention)


def give_up(pk: int, status: Status, detail: str) -> None:
    """No evidence will come any more: `expired` or `unknown`. Real evidence may still replace it, once."""
    with transaction.atomic():
        call = locked_call(pk)
        if call.status in TERMINAL:
            return
        call.ended_reason = call.ended_reason or ("status_expired" if status == Status.EXPIRED else "poll_deadline")
        call.next_read_at = None
        finish(call, status, ENGINE, detail)


# A person's word.


# Below: shared steps. The call is locked.


def _seen_before(call: Call, seen: Snapshot) -> bool:
    return call.events.filter(type="unrecognised", detail__contains=f"'{seen.provider_status[:100]}'").exists()


def _words(seen: Snapshot) -> str:
    said = f"The provider says '{seen.provider_status[:100]}'." if seen.provider_status else ""
    return f"{said} {seen.ended_reason}".strip()

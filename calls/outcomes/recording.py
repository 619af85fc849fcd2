"""Record evidence about a call that was placed, or may have been.

After the placing, `record` is the only writer of a call's status. Each public function is one transaction, locks the
call first, and has no further effect when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.models import TERMINAL, UNRESOLVED, Call, Status, record_event
from calls.outcomes import circuit_breaker, opt_out, poll_schedule
from calls.outcomes.folding import fold
from calls.outcomes.recipient_progress import set_recipient_status
from calls.outcomes.transitions import ENGINE, LockedCall, finish, lock_call
from campaigns.models import Recipient
from providers.adapters.base import Reading
from tenants import failpoints

SETTLING_LASTS = timedelta(minutes=30)


def record(pk: int, reading: Reading, source: str, raw: bytes = b"") -> str:
    """Fold one piece of evidence into a call. Return the call's status afterwards."""
    return with_contact_lock_if_needed(pk, lambda locked: record_locked(locked, reading, source, raw))


def with_contact_lock_if_needed(pk: int, work: Callable[[LockedCall], str]) -> str:
    """Run `work` in one transaction under the call's lock, and return what it returns.

    When `work` raises NeedsContactLock, run it again with the contact locked first, in the lock order of a claim. An
    opt-out is so rare that the rolled-back transaction costs less than locking every contact.
    """
    try:
        with transaction.atomic():
            return work(lock_call(pk))
    except opt_out.NeedsContactLock:
        with transaction.atomic():
            opt_out.lock_contact(Call.objects.only("account", "campaign", "contact").get(pk=pk))
            return work(lock_call(pk, contact_locked=True))


def record_locked(locked: LockedCall, reading: Reading, source: str, raw: bytes = b"") -> str:
    """Do the work of `record` in the transaction that locked the call. Raises NeedsContactLock."""
    call, before, now = locked.call, locked.call.status, timezone.now()
    found = fold(call, reading)
    if found.conflict:
        record_event(call, "conflict", source, found.conflict, raw=raw)
    if not found.foreign:
        opt_out.apply_rules(call, reading, source, contact_locked=locked.contact_locked)
    for name, value in found.fields.items():
        setattr(call, name, value)
    _schedule_read(call, reading, found.status or before, now)
    if found.status in TERMINAL:
        finish(locked, Status(found.status), source, _sentence(reading), raw=raw)
        return call.status
    if found.status is not None:
        _advance(call, found.status, now)
        record_event(call, "status", source, _sentence(reading), before, call.status, raw)
    elif reading.state.name == "UNRECOGNISED" and not _recorded_already(call, reading):
        text = f"The provider says '{reading.provider_status[:100]}'."
        record_event(call, "unrecognised", source, text, raw=raw)
    call.save()
    locked.publish_changes()
    failpoints.reach("outcomes.recording")
    if before == Status.UNCONFIRMED and call.status != before:
        circuit_breaker.unblock_if_resolved(call.account_id)
    return call.status


def _schedule_read(call: Call, reading: Reading, status: str, now: datetime) -> None:
    """Set when the call is read next, or that it is not read any more."""
    if status in TERMINAL:
        if not reading.state.is_terminal:
            return  # a late report from before the end says nothing about a result that is still awaited
        if reading.settled:
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


def _advance(call: Call, status: str, now: datetime) -> None:
    """Move an open call on. The recipient of a call that was unconfirmed leaves review."""
    if call.status == Status.UNCONFIRMED and call.recipient_id:
        set_recipient_status(call, Recipient.Status.CALLING, only_from=Recipient.Status.REVIEW, if_going=True)
    call.status = status
    call.status_reason = ""
    call.dialed_at = call.dialed_at or now
    call.placed_at = call.placed_at or now
    call.lease_until = None


def _recorded_already(call: Call, reading: Reading) -> bool:
    return call.events.filter(type="unrecognised", detail__contains=f"'{reading.provider_status[:100]}'").exists()


def _sentence(reading: Reading) -> str:
    status = f"The provider says '{reading.provider_status[:100]}'." if reading.provider_status else ""
    return f"{status} {reading.ended_reason}".strip()


def give_up(pk: int, status: Status, detail: str) -> None:
    """End a call for which no evidence will come any more, as `expired` or `unknown`.

    Real evidence that comes all the same may replace this end, once.
    """
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if call.status in TERMINAL:
            if call.status in UNRESOLVED:  # a team member ended it, and no better evidence came
                Call.objects.filter(pk=pk).update(next_read_at=None)
            return
        call.ended_reason = call.ended_reason or ("status_expired" if status == Status.EXPIRED else "poll_deadline")
        call.next_read_at = None
        finish(locked, status, ENGINE, detail)

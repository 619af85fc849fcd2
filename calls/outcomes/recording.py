"""Record evidence about a call that was placed, or may have been.

After the placing, `record` is the only writer of a call's status. Each public function is one transaction, locks the
call first, and has no further effect when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.models import TERMINAL, UNRESOLVED, Call, Status, record_event
from calls.models.statuses import RELEASED_BY_STAFF
from calls.outcomes import circuit_breaker, costs, opt_out, poll_schedule, remarks, reused_ids, unknown_words
from calls.outcomes.folding import STATUS_OF, Fold, fold, name_of
from calls.outcomes.recipient_progress import placed_after_all, reconsider, set_recipient_status
from calls.outcomes.transitions import ENGINE, RESPONSE, LockedCall, finish, lock_call
from campaigns.models import Recipient
from providers.adapters import words
from providers.adapters.base import Reading
from tenants import failpoints

SETTLING_LASTS = timedelta(minutes=30)


def record(pk: int, reading: Reading, source: str, raw: bytes = b"") -> str:
    """Fold one piece of evidence into a call. Return the call's status afterwards."""
    return with_contact_lock_if_needed(pk, lambda locked: record_locked(locked, reading, source, raw))


def with_contact_lock_if_needed(pk: int, work: Callable[[LockedCall], str]) -> str:
    """Run `work` in one transaction under the call's lock, and return what it returns.

    When another worker stores the same provider ID first, run it again: it then finds the call that has the ID.
    """
    try:
        return _under_lock(pk, work)
    except IntegrityError:
        return _under_lock(pk, work)


def _under_lock(pk: int, work: Callable[[LockedCall], str]) -> str:
    """Run `work` under the call's lock, and once more if it raises NeedsContactLock, with the contact locked first.

    That is the lock order of a claim. An opt-out is so rare that the rolled-back transaction costs less than locking
    every contact.
    """
    try:
        with transaction.atomic():
            return work(lock_call(pk))
    except opt_out.NeedsContactLock:
        with transaction.atomic():
            opt_out.lock_contact(Call.objects.get(pk=pk))
            return work(lock_call(pk, contact_locked=True))


def record_locked(locked: LockedCall, reading: Reading, source: str, raw: bytes = b"") -> str:
    """Do the work of `record` in the transaction that locked the call. Raises NeedsContactLock."""
    call = locked.call
    heard = words.interpret(reading, call.account.words, "machine" if call.is_voicemail else call.answered_by)
    status = _record(locked, Evidence(reading, heard.reading, source, raw, timezone.now()))
    unknown_words.remember(locked.call, heard.unknown)
    return status


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence about a call. `said`: in the provider's words; `reading`: with the meaning of the words."""

    said: Reading
    reading: Reading
    source: str
    raw: bytes
    now: datetime


def _record(locked: LockedCall, seen: Evidence) -> str:
    call, reading = locked.call, seen.reading
    found = fold(call, reading, seen.now, seen.source)
    if reused_ids.has_the_reference_of_another(call, reading) and seen.source != RESPONSE:
        found = Fold({}, ("This is about another call: it has that call's reference.",), foreign=True)
    other = None if found.foreign else reused_ids.other_call(call, reading)
    if other and (seen.source == RESPONSE or not reused_ids.is_proven(call, other, reading)):
        _apply_opt_outs(locked, seen, *([other] if call.id_shared_with else []))
        reused_ids.tell(locked, other, reading, seen.source, seen.raw)
        return call.status
    if not found.foreign or reading.reference == call.reference:
        _apply_opt_outs(locked, seen)
    if other:
        found = found.without_id()
    remarks.keep(call, found.remarks, found.conflicts, seen.source, seen.raw)
    if not found.foreign:
        _take(locked, found, seen)
    return call.status


def _apply_opt_outs(locked: LockedCall, seen: Evidence, *others: Call) -> None:
    """Put the number of the call, and of others that the evidence may be about, on the do-not-call list if it says so.

    A rule may name the provider's word, or its meaning.
    """
    for call in (locked.call, *others):
        opt_out.apply_rules(call, seen.said, seen.reading, source=seen.source, contact_locked=locked.contact_locked)


def _take(locked: LockedCall, found: Fold, seen: Evidence) -> None:
    """Store the facts of a reading, and what follows from them."""
    call, before, was_voicemail = locked.call, locked.call.status, locked.call.is_voicemail
    if call.ended_reason == RELEASED_BY_STAFF and before == Status.CANCELED:
        _note_that_it_was_placed(call, seen)
    for name, value in found.fields.items():
        setattr(call, name, value)
    costs.take_final(call, seen.reading)
    _schedule_read(call, seen.reading, found.status or before, seen.now)
    if found.status in TERMINAL:
        finish(locked, Status(found.status), seen.source, _sentence(seen.reading), raw=seen.raw)
        return
    if found.status is not None:
        _advance(call, found.status, seen.now)
        record_event(call, "status", seen.source, _sentence(seen.reading), before, call.status, seen.raw)
    else:
        _note(call, found, seen)
    _settle(call, found)
    call.save()
    if before == Status.COMPLETED and call.is_voicemail and not was_voicemail:
        reconsider(call, seen.now)
    locked.publish_changes()
    failpoints.reach("outcomes.recording")
    if before == Status.UNCONFIRMED and call.status != before:
        circuit_breaker.unblock_if_resolved(call.account_id)


def _note_that_it_was_placed(call: Call, seen: Evidence) -> None:
    """Count a call from now on that a team member released, by mistake: the provider has it. The caller saves it."""
    end = STATUS_OF.get(seen.reading.state)
    placed_after_all(call, end if end in TERMINAL else None, seen.now)
    if call.dialed_at is None:
        call.dialed_at = seen.now  # gaps and caps count from here: when it was dialed is not known any more
        detail = "The provider has this call: it was placed after all, so it counts for gaps and caps from now."
        record_event(call, "placed_after_all", seen.source, detail, raw=seen.raw)


def _note(call: Call, found: Fold, seen: Evidence) -> None:
    """Store an event for what is worth one, although the status stays: an unknown word, facts after the end."""
    if seen.reading.state.name == "UNRECOGNISED" and not _recorded_already(call, seen.reading):
        text = f"The provider says '{seen.reading.provider_status[:100]}'."
        record_event(call, "unrecognised", seen.source, text, raw=seen.raw)
    elif found.fields and call.status in TERMINAL:
        names = ", ".join(map(name_of, found.fields))
        record_event(call, "added", seen.source, f"Known only after the end: {names}.", raw=seen.raw)


def _settle(call: Call, found: Fold) -> None:
    """Take what came after the end into the cost: a price releases the reserve, a duration changes the estimate."""
    if call.status not in TERMINAL:
        return
    if costs.DURATIONS & found.fields.keys():
        costs.estimate(call)
    costs.release_reserve(call)


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
            if call.status in UNRESOLVED:  # a team member ended it, or the provider: no better evidence came
                call.next_read_at, call.cost_reserved = None, Decimal(0)
                call.save()
            return
        call.ended_reason = call.ended_reason or ("status_expired" if status == Status.EXPIRED else "poll_deadline")
        call.next_read_at = None
        finish(locked, status, ENGINE, detail)

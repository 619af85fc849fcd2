"""Transitions that every writer of a status shares: lock a call, undo a claim, mark it unconfirmed, finish it.

All but `lock_call` take a `LockedCall` and run in its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from calls.models import UNRESOLVED, Call, CallEvent, StaffDecision, Status, record_event
from calls.outcomes import circuit_breaker, costs, poll_schedule
from calls.outcomes.recipient_progress import move_on, set_recipient_status
from calls.webhooks import outbox
from campaigns.models import Recipient
from tenants import failpoints

RESPONSE, ENGINE, STAFF = CallEvent.Source.RESPONSE, CallEvent.Source.ENGINE, CallEvent.Source.STAFF


@dataclass(frozen=True)
class LockedCall:
    """A call under its row lock, with what its writers have to know about the transaction."""

    call: Call
    published: outbox.Milestones  # what webhooks have reported: the state when the call was locked
    contact_locked: bool = False  # whether its contact was locked before it, as in a claim

    def publish_changes(self) -> None:
        """Add the webhook rows for what has changed under the lock. Call it once, after the call is saved."""
        outbox.publish_call_changes(self.call, self.published)


def lock_call(pk: int, *, contact_locked: bool = False) -> LockedCall:
    """Lock a call until the end of the transaction and return it with its relations loaded."""
    related = ("account", "campaign", "recipient", "organization", "assistant")
    call = Call.objects.select_related(*related).select_for_update(of=("self",)).get(pk=pk)
    if call.campaign:
        call.campaign.organization = call.organization  # the same object, so it needs no query
    return LockedCall(call, outbox.Milestones.of(call), contact_locked)


def may_conclude(call: Call, fence: int) -> bool:
    """Return whether the answer to claim `fence` still decides: there is no later claim and no other evidence."""
    return call.placing_attempts == fence and call.status in (Status.PLACING, Status.UNCONFIRMED)


def undo_claim(locked: LockedCall, fence: int, due_at: datetime, reason: str, detail: str) -> bool:
    """Put a call that certainly was not placed back into the queue. Return False when other evidence came first.

    The claim then counts neither as an attempt nor for caps and gaps.
    """
    call = locked.call
    if not may_conclude(call, fence) or call.provider_call_id:
        record_event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: {detail}")
        return False
    before = call.status
    try:
        with transaction.atomic():
            call.status, call.status_reason, call.due_at = Status.QUEUED, reason, due_at
            call.lease_until = call.dialed_at = call.next_read_at = None
            call.cost_reserved = Decimal(0)
            call.save()
    except IntegrityError:  # meanwhile another single call to this number was queued, which replaces this one
        call.refresh_from_db()
        call.dialed_at, call.ended_reason = None, "superseded"
        finish(locked, Status.CANCELED, ENGINE, "Another call to this number is queued already.")
        return True
    if call.recipient_id:
        recipient = Recipient.objects.filter(pk=call.recipient_id)
        recipient.update(attempts=F("attempts") - 1)
        recipient.exclude(status=Recipient.Status.WITHDRAWN).update(status=Recipient.Status.CALLING, reason="")
    record_event(call, reason, RESPONSE, detail, before, Status.QUEUED)
    return True


def mark_unconfirmed(locked: LockedCall, source: str, detail: str, raw: bytes = b"") -> None:
    """Store that the call may or may not have been placed. Its recipient goes to review."""
    call = locked.call
    before = call.status
    call.status, call.status_reason = Status.UNCONFIRMED, "placing_ambiguous"
    call.lease_until = None
    call.next_read_at = poll_schedule.next_search(call, timezone.now())
    call.error_message = call.error_message or detail[:500]
    call.save()
    record_event(call, "unconfirmed", source, detail, before, call.status, raw)
    locked.publish_changes()
    set_recipient_status(call, Recipient.Status.REVIEW, reason="unconfirmed")
    circuit_breaker.block_if_too_many_unconfirmed(call.account_id)


def finish(locked: LockedCall, status: Status, source: str, detail: str, raw: bytes = b"") -> None:
    """End the call in one transaction: status, times, cost, recipient and outbox."""
    call, now = locked.call, timezone.now()
    before = call.status
    call.status = status
    call.terminal_at = now
    call.lease_until = None
    if not call.ended_reason:
        call.ended_reason = {Status.COMPLETED: "", Status.NO_ANSWER: "no_answer", Status.BUSY: "busy"}.get(status, "")
    costs.estimate(call)
    costs.release_reserve(call)
    call.save()
    StaffDecision.objects.filter(call=call, applied=False).update(applied=True)
    record_event(call, "ended", source, detail, before, status, raw)
    move_on(call, now, late=before in UNRESOLVED)
    if call.callback_url and before not in UNRESOLVED:
        outbox.add_callback(call)
    locked.publish_changes()
    if before == Status.UNCONFIRMED:
        circuit_breaker.unblock_if_resolved(call.account_id)
    failpoints.reach("outcomes.ending")

"""Transitions that every writer of a status shares: lock a call, undo a claim, mark it unconfirmed, finish it.

All but `lock_call` take a `LockedCall` and run in its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import IntegrityError, transaction

from calls.models import UNRESOLVED, Call, CallEvent, Status, event_of
from calls.outcomes import costs, poll_schedule
from calls.outcomes.circuit_breaker import Effect, Means
from calls.outcomes.recipient_progress import move_on, set_recipient_status
from calls.outcomes.units import Alone, Unit
from calls.webhooks import outbox
from campaigns.models import Recipient
from tenants import failpoints, telemetry

RESPONSE, ENGINE, STAFF = CallEvent.Source.RESPONSE, CallEvent.Source.ENGINE, CallEvent.Source.STAFF


@dataclass(frozen=True)
class LockedCall:
    """A call under its row lock, with what its writers have to know about the transaction."""

    call: Call
    published: outbox.Milestones  # what webhooks have reported: the state when the call was locked
    contact_locked: bool = False  # whether its contact was locked before it, as in a claim
    unit: Unit = field(default_factory=Alone)

    def save(self) -> None:
        """Store the call."""
        self.unit.save(self.call)

    def record_event(
        self, type_: str, source: str, detail: str = "", before: str = "", after: str = "", raw: bytes = b""
    ) -> None:
        """Store an event of the call. The arguments are those of `event_of`."""
        self.unit.add_event(event_of(self.call, type_, source, detail, before, after, raw))

    def publish_changes(self) -> None:
        """Add the webhook rows for what has changed under the lock. Call it once, after the call is saved."""
        self.unit.publish(self.call, self.published)

    def affect(self, means: Means, now: datetime, reason: str = "", seconds: float = 0) -> None:
        """Tell the account or campaign of the call what the answer means for its other calls."""
        self.unit.affect(self.call, Effect(means, reason, seconds), now)


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


def undo_claim(locked: LockedCall, fence: int, due_at: datetime, reason: str, detail: str, now: datetime) -> bool:
    """Put a call that certainly was not placed back into the queue. Return False when other evidence came first.

    The claim then counts neither as an attempt nor for caps and gaps.
    """
    call = locked.call
    if not may_conclude(call, fence) or call.provider_call_id:
        locked.record_event("late_answer", RESPONSE, f"Answer to claim {fence}: {detail}")
        return False
    before = call.status
    call.status, call.status_reason, call.due_at = Status.QUEUED, reason, due_at
    call.lease_until = call.dialed_at = call.next_read_at = None
    call.cost_reserved = Decimal(0)
    try:
        with locked.unit.may_fail():
            locked.save()
    except IntegrityError:  # meanwhile another single call to this number was queued, which replaces this one
        call.refresh_from_db()
        call.dialed_at, call.ended_reason = None, "superseded"
        finish(locked, Status.CANCELED, ENGINE, "Another call to this number is queued already.", now)
        return True
    if call.recipient is not None:
        locked.unit.refresh(call.recipient)
        _give_back_the_attempt(call.recipient)
        locked.unit.save_recipient(call.recipient, ["attempts", "status", "reason"])
    locked.record_event(reason, RESPONSE, detail, before, Status.QUEUED)
    return True


def _give_back_the_attempt(recipient: Recipient) -> None:
    recipient.attempts -= 1
    if recipient.status != Recipient.Status.WITHDRAWN:
        recipient.status, recipient.reason = Recipient.Status.CALLING, ""


def mark_unconfirmed(locked: LockedCall, source: str, detail: str, now: datetime, raw: bytes = b"") -> None:
    """Store that the call may or may not have been placed. Its recipient goes to review."""
    call = locked.call
    before = call.status
    call.status, call.status_reason = Status.UNCONFIRMED, "placing_ambiguous"
    call.lease_until = None
    call.next_read_at = poll_schedule.next_search(call, now)
    call.error_message = call.error_message or detail[:500]
    locked.save()
    locked.record_event("unconfirmed", source, detail, before, call.status, raw)
    locked.publish_changes()
    set_recipient_status(locked.unit, call, Recipient.Status.REVIEW, reason="unconfirmed")
    locked.affect(Means.UNCONFIRMED, now)


def finish(locked: LockedCall, status: Status, source: str, detail: str, now: datetime, raw: bytes = b"") -> None:
    """End the call in one transaction: status, times, cost, recipient and outbox."""
    call, unit = locked.call, locked.unit
    before = call.status
    call.status = status
    call.terminal_at = now
    call.lease_until = None
    if not call.ended_reason:
        call.ended_reason = {Status.COMPLETED: "", Status.NO_ANSWER: "no_answer", Status.BUSY: "busy"}.get(status, "")
    costs.estimate(call)
    costs.release_reserve(call)
    locked.save()
    unit.apply_decisions(call)
    locked.record_event("ended", source, detail, before, status, raw)
    move_on(unit, call, now, late=before in UNRESOLVED)
    if call.callback_url and before not in UNRESOLVED:
        unit.add_callback(call)
    locked.publish_changes()
    if before == Status.UNCONFIRMED:
        locked.affect(Means.RESOLVED, now)
    if telemetry.is_on():
        transaction.on_commit(partial(_trace_end, call, source))
    failpoints.reach("outcomes.ending")


def _trace_end(call: Call, source: str) -> None:
    """Report how long a call was followed, however its end was learned."""
    began = int((call.dialed_at or call.created_at).timestamp() * 10**9)
    telemetry.ended("call.follow", call.uuid, began, call=call.pk, status=call.status, source=source)

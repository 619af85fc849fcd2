"""Steps that every writer of a status shares: lock the call, undo a claim, mark a doubt, finish. The call is locked."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from calls.models import UNRESOLVED, Call, CallEvent, StaffDecision, Status, record_event
from calls.outcomes import circuit_breaker, poll_schedule
from calls.outcomes.recipient_progress import move_on, move_recipient
from calls.webhooks import outbox
from campaigns.models import Recipient
from tenants import failpoints

RESPONSE, READ, ENGINE, STAFF = (
    CallEvent.Source.RESPONSE,
    CallEvent.Source.READ,
    CallEvent.Source.ENGINE,
    CallEvent.Source.STAFF,
)


def locked_call(pk: int) -> Call:
    related = ("account", "campaign", "recipient", "organization", "assistant")
    call = Call.objects.select_related(*related).select_for_update(of=("self",)).get(pk=pk)
    if call.campaign:
        call.campaign.organization = call.organization  # the same, known already
    return outbox.remember(call)


def may_conclude(call: Call, fence: int) -> bool:
    """Whether this claim's own answer may still decide: nothing else has, and nobody claimed again."""
    return call.placing_attempts == fence and call.status in (Status.PLACING, Status.UNCONFIRMED)


def undo_claim(call: Call, fence: int, due_at: datetime, reason: str, detail: str) -> bool:
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
    except IntegrityError:  # another single call to this number was queued meanwhile: that one stands for both
        call.refresh_from_db()
        call.dialed_at, call.ended_reason = None, "superseded"
        finish(call, Status.CANCELED, ENGINE, "Another call to this number is queued already.")
        return True
    if call.recipient_id:
        mine = Recipient.objects.filter(pk=call.recipient_id)
        mine.update(attempts=F("attempts") - 1)
        mine.exclude(status=Recipient.Status.WITHDRAWN).update(status=Recipient.Status.CALLING, reason="")
    record_event(call, reason, RESPONSE, detail, before, Status.QUEUED)
    return True


def mark_unconfirmed(call: Call, source: str, detail: str, raw: bytes = b"") -> None:
    before = call.status
    call.status, call.status_reason = Status.UNCONFIRMED, "placing_ambiguous"
    call.lease_until = None
    call.next_read_at = poll_schedule.next_look(call, timezone.now())
    call.error_message = call.error_message or detail[:500]
    call.save()
    record_event(call, "unconfirmed", source, detail, before, call.status, raw)
    outbox.tell(call)
    move_recipient(call, Recipient.Status.REVIEW, reason="unconfirmed")
    circuit_breaker.block_if_too_doubtful(call.account_id)


def finish(call: Call, status: Status, source: str, detail: str, raw: bytes = b"") -> None:
    """The end, in one transaction: status, times, cost, recipient, outbox."""
    now = timezone.now()
    before = call.status
    call.status = status
    call.terminal_at = now
    call.lease_until = None
    if not call.ended_reason:
        call.ended_reason = {Status.COMPLETED: "", Status.NO_ANSWER: "no_answer", Status.BUSY: "busy"}.get(status, "")
    _settle(call)
    call.save()
    StaffDecision.objects.filter(call=call, applied=False).update(applied=True)
    record_event(call, "ended", source, detail, before, status, raw)
    move_on(call, now)
    if call.callback_url and before not in UNRESOLVED:
        outbox.add_callback(call)
    outbox.tell(call)
    if before == Status.UNCONFIRMED:
        circuit_breaker.lift_if_settled(call.account_id)
    failpoints.reach("outcomes.ending")


def _settle(call: Call) -> None:
    price = call.account.price_per_minute
    if call.cost is None and price is not None:
        seconds = call.billed_duration_seconds or call.duration_seconds or 0
        call.cost = (price * seconds / 60).quantize(Decimal("0.000001")) if call.dialed_at else Decimal(0)
        call.cost_currency = call.account.price_per_minute_currency
    call.cost_reserved = Decimal(0)

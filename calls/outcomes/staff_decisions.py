"""What a member of staff decides about a call: cancel it, confirm that it was placed, release it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.models import TERMINAL, Call, StaffDecision, Status, record_event
from calls.outcomes import circuit_breaker
from calls.outcomes.transitions import ENGINE, STAFF, finish, locked_call
from calls.webhooks import outbox


class NotPossible(Exception):
    """The call is not in a state that allows it. A sentence for the person."""


def cancel(call: Call, reason: str, detail: str, *, actor: str = "", decision: Mapping[str, Any] | None = None) -> bool:
    """End a queued call that will not be placed. False when it is not queued any more.

    `decision`: the gate's answer that ends it, kept as evidence.
    """
    with transaction.atomic():
        fresh = locked_call(call.pk)
        if fresh.status != Status.QUEUED:
            return False
        fresh.status_reason = fresh.ended_reason = reason
        fresh.decision = decision or fresh.decision
        finish(fresh, Status.CANCELED, STAFF if actor else ENGINE, f"{detail} ({actor})" if actor else detail)
        return True


def confirm_placed(pk: int, provider_call_id: str, *, actor: str, reason: str) -> None:
    """A person found the call at the provider: it is followed from now on. Raises NotPossible."""
    now = timezone.now()
    with transaction.atomic():
        call = locked_call(pk)
        if call.status not in (Status.UNCONFIRMED, Status.UNKNOWN):
            raise NotPossible("Only an unconfirmed call can be said to have been placed.")
        if not provider_call_id or len(provider_call_id) > 200 or not provider_call_id.isprintable():
            raise NotPossible("Give the provider's id of the call, as its dashboard shows it.")
        taken = Call.objects.filter(account=call.account_id, provider_call_id=provider_call_id).exclude(pk=pk)
        if taken.exists():
            raise NotPossible("Another call has this provider's id already.")
        before = call.status
        _decide(call, Status.PLACED, actor, reason)
        call.provider_call_id, call.status = provider_call_id, Status.PLACED
        call.placed_at, call.next_read_at, call.terminal_at = call.placed_at or call.dialed_at or now, now, None
        try:
            with transaction.atomic():
                call.save()
        except IntegrityError as error:
            raise NotPossible("Another call to this number is open. Settle that one first.") from error
        StaffDecision.objects.filter(call=call, applied=False).update(applied=True)
        record_event(call, "staff", STAFF, f"{actor}: it was placed. {reason}", before, call.status)
        outbox.tell(call)
        circuit_breaker.lift_if_settled(call.account_id)


def release(pk: int, *, actor: str, reason: str) -> None:
    """A person knows that it was not placed: this call ends, its recipient may be called again. Raises NotPossible."""
    if not reason.strip():
        raise NotPossible("Say how you know that it was not placed.")
    with transaction.atomic():
        call = locked_call(pk)
        if call.status != Status.UNCONFIRMED:
            raise NotPossible("Only an unconfirmed call can be released.")
        _decide(call, Status.CANCELED, actor, reason)
        call.dialed_at = None
        call.ended_reason = "released_by_staff"
        finish(call, Status.CANCELED, STAFF, f"{actor}: it was not placed. {reason}")


def _decide(call: Call, to: Status, actor: str, reason: str) -> None:
    frozen = call.status in TERMINAL
    StaffDecision.objects.create(
        call=call, actor=actor, reason=reason[:500], from_status=call.status, to_status=to, applied=not frozen
    )

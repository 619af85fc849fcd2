"""Decisions of team members about a call: cancel it, confirm that it was placed, release it, say that it is over.

The engine also ends queued calls through `cancel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.models import TERMINAL, Call, StaffDecision, Status, record_event, with_provider_id
from calls.models.statuses import ENDED_BY_STAFF, MAY_BE_OVERDUE, RELEASED_BY_STAFF
from calls.outcomes import costs
from calls.outcomes.circuit_breaker import Means
from calls.outcomes.transitions import ENGINE, STAFF, finish, lock_call
from tenants import audit_log
from tenants.journal.notes import note


class DecisionRefused(Exception):
    """The call's status or the given data does not allow the decision. The message is a sentence for people."""


def cancel(call: Call, reason: str, detail: str, *, actor: str = "", decision: Mapping[str, Any] | None = None) -> bool:
    """End a queued call that will not be placed. Return False when the call is not queued any more.

    `decision`: the gate's decision that ends the call, stored as evidence.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = lock_call(call.pk)
        fresh = locked.call
        if fresh.status != Status.QUEUED:
            return False
        fresh.status_reason = fresh.ended_reason = reason
        fresh.decision = decision or fresh.decision
        finish(locked, Status.CANCELED, STAFF if actor else ENGINE, f"{detail} ({actor})" if actor else detail, now)
        if actor:
            _audit(fresh, "cancel", actor, reason)
            note(fresh.organization, "canceled", call=str(fresh.uuid), reason=reason)
        return True


def confirm_placed(pk: int, provider_call_id: str, *, actor: str, reason: str) -> None:
    """Follow a call that a team member found at the provider. Raises DecisionRefused."""
    now = timezone.now()
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if call.status not in (Status.UNCONFIRMED, Status.UNKNOWN):
            raise DecisionRefused("Only an unconfirmed call can be confirmed as placed.")
        if not provider_call_id or len(provider_call_id) > 200 or not provider_call_id.isprintable():
            raise DecisionRefused("Enter the provider's ID of the call, as the provider's dashboard shows it.")
        if any(other.pk != pk for other in with_provider_id(call.account_id, provider_call_id)):
            raise DecisionRefused("Another call already has this provider ID.")
        before = call.status
        if before == Status.UNKNOWN:
            call.ended_reason = ""  # it told why the call was given up
            costs.reopen(call)
        _store_decision(call, Status.PLACED, actor, reason)
        call.provider_call_id, call.status = provider_call_id, Status.PLACED
        call.placed_at, call.next_read_at, call.terminal_at = call.placed_at or call.dialed_at or now, now, None
        try:
            with transaction.atomic():
                call.save()
        except IntegrityError as error:
            raise DecisionRefused("Another call to this number is open. Resolve that call first.") from error
        locked.unit.apply_decisions(call)
        record_event(call, "staff", STAFF, f"{actor}: it was placed. {reason}", before, call.status)
        _audit(call, "confirm_placed", actor, reason)
        locked.publish_changes()
        locked.affect(Means.RESOLVED, now)


def release(pk: int, *, actor: str, reason: str) -> None:
    """End a call that a team member knows was not placed; its recipient may be called again. Raises DecisionRefused."""
    if not reason.strip():
        raise DecisionRefused("Say how you know that the call was not placed.")
    now = timezone.now()
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if call.status != Status.UNCONFIRMED:
            raise DecisionRefused("Only an unconfirmed call can be released.")
        _store_decision(call, Status.CANCELED, actor, reason)
        call.dialed_at = None
        call.ended_reason = RELEASED_BY_STAFF
        finish(locked, Status.CANCELED, STAFF, f"{actor}: it was not placed. {reason}", now)
        _audit(call, "release", actor, reason)


def end(pk: int, *, actor: str, reason: str) -> bool:
    """End an open call that a team member says is over. Return False when it has ended already.

    It becomes `unknown`, and the contact may be called again; gaps count from now. Trunkline still asks the provider
    for the real end, which may replace this one once. Raises DecisionRefused.
    """
    if not reason.strip():
        raise DecisionRefused("Say how you know that the call is over.")
    now = timezone.now()
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if call.status in TERMINAL:
            return False
        if call.status == Status.QUEUED:
            raise DecisionRefused("The call is queued: nothing was sent. Cancel it instead.")
        if call.status not in MAY_BE_OVERDUE:
            raise DecisionRefused("The call is being placed at this moment. Try again in a minute.")
        _store_decision(call, Status.UNKNOWN, actor, reason)
        call.ended_reason, call.next_read_at = ENDED_BY_STAFF, now
        finish(locked, Status.UNKNOWN, STAFF, f"{actor}: it is over. {reason}", now)
        _audit(call, "end", actor, reason)
        return True


def _audit(call: Call, what: str, actor: str, reason: str) -> None:
    audit_log.record(
        call.organization_id, actor=actor, action=f"call.{what}", subject=str(call.uuid), personal={"reason": reason}
    )


def _store_decision(call: Call, to: Status, actor: str, reason: str) -> None:
    # The trigger lets a terminal status change only beside a decision that is not applied yet.
    is_terminal = call.status in TERMINAL
    StaffDecision.objects.create(
        call=call, actor=actor, reason=reason[:500], from_status=call.status, to_status=to, applied=not is_terminal
    )

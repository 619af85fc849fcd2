"""What people do about one person: withdraw from a campaign, hold from all calls. Silent when they answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from calls.actions import scheduled_callbacks
from calls.actions.quiescing import IllegalNow, wait_for_silence
from calls.gate.checks import CheckName
from calls.models import OPEN, Call, CallBack, Status
from calls.outcomes import staff_decisions
from campaigns.models import Contact, Recipient
from tenants import audit_log

S = Recipient.Status
HOLDS = [name for name in CheckName if name.traits.woken_by_unhold]


def withdraw(recipient: Recipient, *, actor: str) -> None:
    """Not called any more in this campaign. Returns when nothing further can be placed; what rings goes on.

    Raises IllegalNow for who is done.
    """
    with transaction.atomic():
        contact = _lock(recipient.contact_id)
        held = Recipient.objects.select_for_update().get(pk=recipient.pk)
        if held.status in (S.DONE, S.SKIPPED):
            raise IllegalNow("This person is done in the campaign; nothing is left to withdraw.")
        if held.status != S.WITHDRAWN:
            held.status, held.reason, held.next_attempt_at = S.WITHDRAWN, "withdrawn", None
            held.save(update_fields=["status", "reason", "next_attempt_at"])
            _note(contact, actor, "recipient.withdraw", str(held.uuid))
    # Calls are locked after the person's lock is given back: placing takes the two in the other order.
    mine = Call.objects.filter(recipient=recipient)
    # A request that turns out not to have been sent goes back to the queue: its time must be over by then.
    mine.filter(status__in=(Status.QUEUED, *OPEN)).update(not_after=timezone.now())
    for call in mine.queued():
        staff_decisions.cancel(call, "withdrawn", "The person was withdrawn from the campaign.")
    for promised in CallBack.objects.filter(recipient=recipient, status=CallBack.Status.DUE):
        with suppress(IllegalNow):  # it is being called
            scheduled_callbacks.cancel(promised, actor=actor, reason="The person was withdrawn from the campaign.")
    wait_for_silence(mine)
    recipient.refresh_from_db()


def hold(contact: Contact, *, actor: str, until: datetime | None = None, reason: str = "") -> None:
    """Nobody of the organization calls this person until then, or until it is lifted. Returns when it is silent."""
    with transaction.atomic():
        held = _lock(contact.pk)
        held.on_hold, held.hold_until, held.hold_reason = True, until, reason
        held.save(update_fields=["on_hold", "hold_until", "hold_reason", "updated_at"])
        _note(held, actor, "contact.hold", str(held.uuid), until=until.isoformat() if until else None, reason=reason)
    wait_for_silence(Call.objects.filter(contact=contact))
    contact.refresh_from_db()


def unhold(contact: Contact, *, actor: str) -> None:
    """The person may be called again; who was put off for the hold alone is due now."""
    now = timezone.now()
    with transaction.atomic():
        held = _lock(contact.pk)
        if held.on_hold:
            _note(held, actor, "contact.unhold", str(held.uuid))
        held.on_hold, held.hold_until, held.hold_reason = False, None, ""
        held.save(update_fields=["on_hold", "hold_until", "hold_reason", "updated_at"])
    waiting = Recipient.objects.filter(contact=contact, reason__in=HOLDS, next_attempt_at__gt=now)
    waiting.filter(status__in=[S.PENDING, S.WAITING]).update(next_attempt_at=now)
    Call.objects.queued().filter(contact=contact, status_reason__in=HOLDS, due_at__gt=now).update(due_at=now)
    contact.refresh_from_db()


def _lock(pk: int) -> Contact:
    return Contact.objects.select_for_update(no_key=True).get(pk=pk)


def _note(contact: Contact, actor: str, action: str, subject: str, **detail: Any) -> None:
    audit_log.record(contact.organization, actor=actor, action=action, subject=subject, detail=detail)

"""Withdraw a recipient from a campaign, hold a contact from all calls.

Both return when no further call to the contact can be placed.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from calls.actions import scheduled_callbacks
from calls.actions.quiescing import IllegalTransition, wait_for_silence
from calls.models import OPEN, Call, CallBack, Status
from calls.outcomes import staff_decisions
from campaigns.contact_locks import lock_keys
from campaigns.models import Contact, Recipient
from tenants import audit_log
from tenants.journal.notes import note

RecipientStatus = Recipient.Status
AT_ONCE = 100  # contacts locked in one transaction


def withdraw(recipient: Recipient, *, actor: str) -> None:
    """Withdraw a recipient. Return when no further call of the campaign to it can be placed; an open call goes on.

    Raises IllegalTransition when the recipient is done or skipped.
    """
    with transaction.atomic():
        contact = _lock(recipient.contact_id)
        held = Recipient.objects.select_for_update().get(pk=recipient.pk)
        if held.status in (RecipientStatus.DONE, RecipientStatus.SKIPPED):
            raise IllegalTransition("This recipient is done; nothing is left to withdraw.")
        if held.status != RecipientStatus.WITHDRAWN:
            held.status, held.reason, held.next_attempt_at = RecipientStatus.WITHDRAWN, "withdrawn", None
            held.save(update_fields=["status", "reason", "next_attempt_at"])
            _audit(contact, actor, "recipient.withdraw", str(held.uuid))
            whom = {"campaign": str(held.campaign.uuid), "contact": str(contact.uuid)}
            note(contact.organization, "withdrawn", **whom)
    # Calls are locked after the contact's lock is released, because a claim locks them in the other order.
    calls = Call.objects.filter(recipient=recipient)
    # A call whose request turns out not to have been sent goes back to the queue. It must be too late for it then.
    calls.filter(status__in=(Status.QUEUED, *OPEN)).update(not_after=timezone.now())
    for call in calls.queued():
        staff_decisions.cancel(call, "withdrawn", "The recipient was withdrawn from the campaign.")
    for callback in CallBack.objects.filter(recipient=recipient, status=CallBack.Status.DUE):
        with suppress(IllegalTransition):  # its call is being placed
            scheduled_callbacks.cancel(callback, actor=actor, reason="The recipient was withdrawn from the campaign.")
    wait_for_silence(calls)
    recipient.refresh_from_db()


def hold(contact: Contact, *, actor: str, until: datetime | None = None, reason: str = "") -> None:
    """Hold a contact from all calls until a moment, or until `unhold`. Return when no call to it can be placed."""
    with transaction.atomic():
        _hold(_lock(contact.pk), actor, until, reason)
    wait_for_silence(Call.objects.filter(contact=contact))
    contact.refresh_from_db()


def hold_many(contacts: Collection[Contact], *, actor: str, until: datetime | None = None, reason: str = "") -> int:
    """Hold contacts as `hold` does, AT_ONCE in a transaction. Return how many.

    A hold that lasts as long or longer stays as it is: nobody is called earlier than before.
    """
    keys, held = sorted(contact.pk for contact in contacts), 0
    homes = {contact.organization_id: contact.organization for contact in contacts}
    for start in range(0, len(keys), AT_ONCE):
        with transaction.atomic():
            locked = lock_keys(keys[start : start + AT_ONCE])
            chosen = [contact for contact in locked if not contact.erased_at and not _held_through(contact, until)]
            for contact in chosen:
                contact.organization = homes[contact.organization_id]
                _hold(contact, actor, until, reason)
        held += len(chosen)
    wait_for_silence(Call.objects.filter(contact__in=keys))
    return held


def _held_through(contact: Contact, until: datetime | None) -> bool:
    if not contact.held(timezone.now()):
        return False
    return contact.hold_until is None or (until is not None and contact.hold_until >= until)


def _hold(held: Contact, actor: str, until: datetime | None, reason: str) -> None:
    held.on_hold, held.hold_until, held.hold_reason = True, until, reason
    held.save(update_fields=["on_hold", "hold_until", "hold_reason", "updated_at"])
    audit_log.record(
        held.organization_id,
        actor=actor,
        action="contact.hold",
        subject=str(held.uuid),
        detail={"until": until.isoformat() if until else None},
        personal={"reason": reason},
    )
    note(held.organization, "held", contact=str(held.uuid), until=until.isoformat() if until else None)


def unhold(contact: Contact, *, actor: str) -> None:
    """Lift the hold. The engine decides again about the contact's recipients and queued calls."""
    with transaction.atomic():
        held = _lock(contact.pk)
        if held.on_hold:
            _audit(held, actor, "contact.unhold", str(held.uuid))
        note(held.organization, "unheld", contact=str(held.uuid))
        held.on_hold, held.hold_until, held.hold_reason = False, None, ""
        held.save(update_fields=["on_hold", "hold_until", "hold_reason", "updated_at"])
    contact.refresh_from_db()


def _lock(pk: int) -> Contact:
    return Contact.objects.select_for_update(no_key=True).get(pk=pk)


def _audit(contact: Contact, actor: str, action: str, subject: str) -> None:
    audit_log.record(contact.organization_id, actor=actor, action=action, subject=subject)

"""Withdraw a recipient from a campaign, hold a contact from all calls.

Both return when no further call to the contact can be placed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from calls.actions import scheduled_callbacks
from calls.actions.quiescing import IllegalTransition, wait_for_silence
from calls.models import OPEN, Call, CallBack, Status
from calls.outcomes import staff_decisions
from campaigns.contact_locks import lock_keys
from campaigns.models import Contact, Recipient, UndoableChange
from campaigns.undoable import Undoable, moment, supersede
from tenants import audit_log
from tenants.journal.notes import note

RecipientStatus = Recipient.Status
AT_ONCE = 100  # contacts locked in one transaction
HOLD = ("on_hold", "hold_until", "hold_reason", "updated_at")


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


def hold(
    contact: Contact,
    *,
    actor: str,
    until: datetime | None = None,
    reason: str = "",
    undoable: Undoable | None = None,
) -> None:
    """Hold a contact from all calls until a moment, or until `unhold`. Return when no call to it can be placed."""
    with transaction.atomic():
        held = _lock(contact.pk)
        _forget_undo([held])
        _hold_all([held], actor, until, reason, undoable)
    wait_for_silence(Call.objects.filter(contact=contact))
    contact.refresh_from_db()


def hold_many(
    contacts: Collection[Contact],
    *,
    actor: str,
    until: datetime | None = None,
    reason: str = "",
    undoable: Undoable | None = None,
) -> int:
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
            _forget_undo(locked)  # also of those who stay on hold: this team member counts on it
            _hold_all(chosen, actor, until, reason, undoable)
        held += len(chosen)
    wait_for_silence(Call.objects.filter(contact__in=keys))
    return held


def _held_through(contact: Contact, until: datetime | None) -> bool:
    if not contact.held(timezone.now()):
        return False
    return contact.hold_until is None or (until is not None and contact.hold_until >= until)


def _hold_all(
    chosen: Sequence[Contact], actor: str, until: datetime | None, reason: str, undoable: Undoable | None
) -> None:
    """Hold locked contacts, and keep what was there before."""
    changes = [
        UndoableChange(organization_id=each.organization_id, contact=each, before=_image(each)) for each in chosen
    ]
    for contact, change in zip(chosen, changes, strict=True):
        _hold(contact, actor, until, reason)
        change.after = _image(contact)
    if undoable:
        undoable.keep(changes)


def _image(contact: Contact) -> dict[str, Any]:
    """Return the hold of a contact as JSON."""
    until = moment(contact.hold_until)
    return {"on_hold": contact.on_hold, "hold_until": until, "hold_reason": contact.hold_reason}


def _forget_undo(contacts: Iterable[Contact]) -> None:
    supersede(about="contact", keys=[contact.pk for contact in contacts], contact_list=None)


def undo_hold(keys: Collection[int], actor: str) -> int:
    """Give contacts the hold, or none, that they had before, inside a transaction. Return how many.

    `keys`: changes of one organization. A contact whose hold anybody changed or confirmed since stays as it is. The
    engine decides again about recipients and queued calls, as after `unhold`.
    """
    changes = UndoableChange.objects.filter(pk__in=keys).select_related("organization").order_by("pk")
    locked = {contact.pk: contact for contact in lock_keys(list(changes.values_list("contact_id", flat=True)))}
    restored = 0
    for change in changes:  # read again under the locks
        contact = locked.get(change.contact_id or 0)
        if contact is None or contact.erased_at or _image(contact) != change.after:
            continue
        until, contact.organization = change.before["hold_until"], change.organization
        contact.on_hold, contact.hold_reason = change.before["on_hold"], change.before["hold_reason"]
        contact.hold_until = datetime.fromisoformat(until) if until else None
        contact.save(update_fields=HOLD)
        _audit(contact, actor, "contact.hold_undone", str(contact.uuid))
        note(contact.organization, "held" if contact.on_hold else "unheld", contact=str(contact.uuid), until=until)
        restored += 1
    return restored


def _hold(held: Contact, actor: str, until: datetime | None, reason: str) -> None:
    held.on_hold, held.hold_until, held.hold_reason = True, until, reason
    held.save(update_fields=HOLD)
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
        _forget_undo([held])
        held.on_hold, held.hold_until, held.hold_reason = False, None, ""
        held.save(update_fields=HOLD)
    contact.refresh_from_db()


def _lock(pk: int) -> Contact:
    return Contact.objects.select_for_update(no_key=True).get(pk=pk)


def _audit(contact: Contact, actor: str, action: str, subject: str) -> None:
    audit_log.record(contact.organization_id, actor=actor, action=action, subject=subject)

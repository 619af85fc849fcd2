"""Write and delete notes about a contact."""

from __future__ import annotations

from django.db import transaction

from calls.actions.quiescing import IllegalTransition
from calls.models import Call, ContactNote
from campaigns.models import Contact
from tenants import audit_log


def write(contact: Contact, text: str, *, actor: str, call: Call | None = None) -> ContactNote:
    """Store a note. `call`: one of the contact's calls. Raises IllegalTransition if the contact is erased."""
    if call is not None and call.contact_id != contact.pk:
        raise ValueError("The call is to another contact.")
    with transaction.atomic():
        held = Contact.objects.select_for_update(no_key=True).filter(pk=contact.pk, erased_at=None).first()
        if held is None:
            raise IllegalTransition("The contact is erased, so nothing can be noted about it.")
        made = ContactNote.objects.create(
            organization=held.organization, contact=held, call=call, text=text, author=actor
        )
        _audit(made, "note_added", actor)
    return made


def delete(note: ContactNote, *, actor: str) -> None:
    """Delete a note for good."""
    with transaction.atomic():
        _audit(note, "note_deleted", actor)
        note.delete()


def _audit(note: ContactNote, what: str, actor: str) -> None:
    """Record that there is a note, and not what it says: the log keeps no more about a person than it needs."""
    audit_log.record(
        note.organization,
        actor=actor,
        action=f"contact.{what}",
        subject=str(note.contact.uuid),
        detail={"note": str(note.uuid), **({"author": note.author} if note.author != actor else {})},
    )

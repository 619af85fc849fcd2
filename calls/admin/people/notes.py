"""Notes on the pages of contacts and calls, and the button that writes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from calls.actions import notes
from calls.actions.quiescing import IllegalTransition
from calls.models import Call, ContactNote
from calls.models.contact_note import LONGEST
from campaigns.models import Contact
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.forms import LinesField
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.policy import Action

SHOWN = 25  # on a page


class NoteForm(forms.Form):
    text = LinesField(label="Note", max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 4, "class": "tl-input"}))


def note_rows(contact: Contact | None) -> list[dict[str, Any]]:
    """Return the newest notes about a contact."""
    found = ContactNote.objects.filter(contact=contact)[:SHOWN] if contact else []
    return [
        {
            "text": row.text,
            "author": row.author,
            "at": local_time(row.created_at),
            "call_url": reverse("admin:calls_call_change", args=[row.call_id]) if row.call_id else "",
        }
        for row in found
    ]


def _write(request: HttpRequest, obj: Contact | Call, values: Mapping[str, Any]) -> str:
    contact, call = (obj.contact, obj) if isinstance(obj, Call) else (obj, None)
    try:
        notes.write(contact, values["text"], actor=reach_of(request).actor, call=call)
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"Your note about {contact} is saved."


NOTE = Step(
    "note",
    "Add note",
    Action.WRITE_NOTE,
    lambda _: ["The note has your name and the time. Everybody in the organization can read it."],
    _write,
    offered=lambda obj: obj.contact_id is not None if isinstance(obj, Call) else obj.erased_at is None,
    form=NoteForm,
    icon="edit_note",
    button="Save the note",
)

"""What team members and programs write down about a contact, or about one call to it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from calls.models.call import Call
from campaigns.models import Contact
from tenants.models import Organization

LONGEST = 2000  # characters of a note


class ContactNote(models.Model):
    """A note with its author and time. It is never changed, and is deleted with the contact or by its erasure."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="notes", db_index=False)
    # Without an index: only the rare deletion of a call would read it.
    call = models.ForeignKey(Call, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    text = models.TextField(max_length=LONGEST)
    author = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["contact", "-id"], name="contact_notes"),  # the contact's page
            models.Index(fields=["organization", "-id"], name="contact_note_list"),  # the API's list
        ]

    def __str__(self) -> str:
        return f"Note about {self.contact}"

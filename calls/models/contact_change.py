"""Contacts that changed since the engine last decided about them."""

from __future__ import annotations

from django.db import models


class ContactChange(models.Model):
    """A change of a contact for which something waits. A database trigger writes it; the engine deletes it.

    It has no foreign key: a contact can be deleted, and a decision about nobody is none.
    """

    contact_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"Contact {self.contact_id}"

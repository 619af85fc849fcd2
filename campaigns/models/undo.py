"""Actions of team members that can be undone for a minute, with what was there before."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from campaigns.models.contact import Contact, ContactList, DoNotCall
from tenants.models import Organization


class UndoableAction(models.Model):
    """What one team member did to contacts. Only that team member can undo it. Deleted after a day."""

    class Kind(models.TextChoices):
        HOLD = "hold", "Contacts put on hold"
        ADD = "list_add", "Contacts added to a list"
        REMOVE = "list_remove", "Contacts removed from a list"
        BAR = "do_not_call", "Numbers put on the do-not-call list"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=11, choices=Kind)
    size = models.PositiveIntegerField(default=0)  # changes that the action made
    done_at = models.DateTimeField()  # by the clock of the database, as the end of the minute
    undone_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["done_at"], name="undoable_done")]  # the purge

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.user}"


def _about(model: type[models.Model]) -> Any:
    """Return a key without a constraint: no other table is locked, and old code can delete its rows."""
    return models.ForeignKey(model, on_delete=models.CASCADE, null=True, related_name="+", db_constraint=False)


class UndoableChange(models.Model):
    """One thing that an action changed. The row is deleted when it is undone, or when somebody changes the thing."""

    action = models.ForeignKey(UndoableAction, on_delete=models.CASCADE, related_name="changes")
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    contact = _about(Contact)
    contact_list = _about(ContactList)
    entry = _about(DoNotCall)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Change {self.pk} of action {self.action_id}"

"""Records of what happened in an organization: alerts and the audit log."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.models.organization import Organization

_BEGINS = ["int8_ops", "varchar_pattern_ops"]  # PostgreSQL: for searches by prefix


class Alert(models.Model):
    """A message to the team members of an organization, raised once for each `key`.

    A lasting alert ends when its cause does, and is raised anew when the cause returns.
    """

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="alerts", db_index=False
    )  # `alert_list` begins with it
    key = models.CharField(max_length=200)  # like "budget.80:campaign:<id>"; an alert is not raised twice
    message = models.CharField(max_length=500)
    subject = models.CharField(max_length=200, blank=True)  # the public id of the object it is about
    at = models.DateTimeField(default=utc_now)
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.CharField(max_length=200, blank=True)
    lasting = models.BooleanField(default=False, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)  # of a lasting alert

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["organization", "key"], name="alert_told_once")]
        indexes: ClassVar = [
            # The engine: lasting alerts whose cause may be over.
            models.Index(fields=["key"], name="alert_lasting", condition=models.Q(lasting=True, ended_at=None)),
            models.Index(fields=["organization", "-id"], name="alert_list"),
        ]

    def __str__(self) -> str:
        return self.message


class AuditEntry(models.Model):
    """One action of a team member, a program or Trunkline.

    Entries are written and never changed, with one exception: erasing a contact removes what an entry says about it.
    """

    at = models.DateTimeField(default=utc_now)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, null=True, related_name="audit_entries", db_index=False
    )
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["organization", "-id"], name="audit_list"),
            # Searches by the beginning of a word; the evidence of a number reads the entries of one action.
            models.Index(fields=["organization", "actor"], name="audit_actor", opclasses=_BEGINS),
            models.Index(fields=["organization", "action"], name="audit_action", opclasses=_BEGINS),
            # Searches by ID, and the erasure of a contact.
            models.Index(fields=["organization", "subject"], name="audit_subject", condition=~models.Q(subject="")),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject}"

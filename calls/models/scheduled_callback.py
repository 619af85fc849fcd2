"""Scheduled callbacks: calls at a time that the contact asked for."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now as utc_now

from calls.models.call import Call
from campaigns.models import Contact, Recipient
from campaigns.rules.whereabouts import candidate_zones
from campaigns.rules.windows import local_text
from tenants.models import Organization


class CallBack(models.Model):
    """A scheduled callback: the promise to call a contact at a time. Kept by a call placed in time, else missed."""

    class Status(models.TextChoices):
        DUE = "due", "Scheduled"
        KEPT = "kept", "Kept"
        MISSED = "missed", "Missed"
        CANCELED = "canceled", "Canceled"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="call_backs", db_index=False
    )  # `call_back_list` begins with it
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="call_backs")
    recipient = models.ForeignKey(Recipient, on_delete=models.PROTECT, related_name="call_backs")
    call = models.OneToOneField(Call, on_delete=models.PROTECT, null=True, blank=True, related_name="call_back")
    due_at = models.DateTimeField()
    latest_at = models.DateTimeField()  # missed when no call was placed by then
    status = models.CharField(max_length=8, choices=Status, default=Status.DUE)
    reason = models.CharField(max_length=500, blank=True)  # why it was missed or canceled
    note = models.CharField(max_length=500, blank=True)
    # The recipient's status and due time to restore when no call was placed. Empty: the recipient is not parked yet.
    status_before = models.CharField(max_length=9, blank=True)
    next_attempt_before = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "scheduled callback"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["recipient"], name="one_call_back_due", condition=Q(status="due")),
            models.CheckConstraint(condition=Q(latest_at__gt=F("due_at")), name="call_back_has_a_span"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="call_back_due", condition=Q(status="due")),
            models.Index(fields=["organization", "-id"], name="call_back_list"),
        ]

    def __str__(self) -> str:
        return f"Scheduled callback to {self.contact}"

    def due_there(self, now: datetime) -> str:
        """Return the due time as text in the contact's time zone."""
        rule = self.recipient.campaign.zone_rule
        zones = candidate_zones(self.contact.timezone, self.contact.phone, rule)
        return local_text(self.due_at, zones[0], now)

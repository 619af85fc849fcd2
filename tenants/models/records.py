"""Alerts: messages to the team members of an organization."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.models.organization import Organization


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

"""Messages from and to other systems: the inbox of status callbacks, the outbox of webhook deliveries."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.timezone import now as utc_now

from calls.models.call import Call
from providers.models import ProviderAccount
from tenants.models import Organization, WebhookEndpoint


class ProviderCallback(models.Model):
    """A status callback of a provider, stored before it is parsed."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, null=True, related_name="callbacks")
    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="callbacks")
    received_at = models.DateTimeField(default=utc_now)
    verification = models.CharField(max_length=8)
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    processed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # how often a bug made processing fail
    next_attempt_at = models.DateTimeField(default=utc_now)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], name="callback_inbox", condition=Q(processed_at__isnull=True)),
            # The purge.
            models.Index(fields=["received_at"], name="callback_age"),
        ]

    def __str__(self) -> str:
        return f"Provider event {self.pk}"


class WebhookDelivery(models.Model):
    """One event to deliver to one URL of a customer. The row commits with the change it reports.

    Without an endpoint the row is for a call's own `callback_url`: its body is the call's status, made when it is sent.
    With an endpoint, each attempt goes where the endpoint points at that moment; `url` is the last such address. A held
    delivery is one to an endpoint that is switched off: it waits until somebody sends it.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"
        HELD = "held", "Held"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)  # `webhook-id` of all attempts
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhook_deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, null=True, related_name="deliveries")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, null=True, related_name="webhook_deliveries")
    url = models.CharField(max_length=2000)
    host = models.CharField(max_length=300)  # gets at most two deliveries at once
    event = models.CharField(max_length=32, default="call.ended")
    body = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)
    slot = models.PositiveSmallIntegerField(null=True)  # held while the delivery is on the wire
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=utc_now)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["call"], name="one_callback_per_call", condition=Q(endpoint=None)),
            # A host has at most as many deliveries on the wire as it has slots, however many workers there are.
            models.UniqueConstraint(
                fields=["host", "slot"], name="one_delivery_per_slot", condition=Q(slot__isnull=False)
            ),
            models.CheckConstraint(
                condition=Q(slot=None, lease_until=None)
                | Q(slot__isnull=False, lease_until__isnull=False, status="pending"),
                name="a_slot_is_leased",
            ),
        ]
        indexes: ClassVar = [
            # The claim: the next due delivery of each host.
            models.Index(
                fields=["host", "next_attempt_at", "id"], name="webhook_due", condition=Q(status="pending", slot=None)
            ),
            # Lists and replays of a time range.
            models.Index(fields=["organization", "-id"], name="webhook_list"),
            models.Index(fields=["organization", "status", "-id"], name="webhook_list_status"),
            # Sending what was held, and keeping its number within bounds.
            models.Index(fields=["endpoint", "-id"], name="webhook_held", condition=Q(status="held")),
            # The purge.
            models.Index(fields=["status", "created_at"], name="webhook_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.uuid}"

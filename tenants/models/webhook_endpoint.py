"""Webhook endpoints: addresses of a customer that receive events of an organization."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.db.encrypted_fields import EncryptedJSONField, readable
from tenants.models.organization import Organization
from tenants.models.webhook_secret import OVERLAP, new_webhook_secret, secrets_in_force


class WebhookEvent(models.TextChoices):
    """The events that an endpoint can subscribe to."""

    CALL_PLACED = "call.placed", "Call placed"
    CALL_ANSWERED = "call.answered", "Call answered"
    CALL_ENDED = "call.ended", "Call ended"
    CALL_RESULT = "call.result", "Result of an ended call changed"
    CALL_UNCONFIRMED = "call.unconfirmed", "Call unconfirmed"
    CAMPAIGN_STARTED = "campaign.started", "Campaign running"
    CAMPAIGN_PAUSED = "campaign.paused", "Campaign paused"
    CAMPAIGN_FINISHED = "campaign.finished", "Campaign finished"
    IMPORT_FINISHED = "import.finished", "Import finished"
    ACCOUNT_BLOCKED = "account.blocked", "Provider account blocked"


def all_webhook_events() -> list[str]:
    return list(WebhookEvent.values)


class WebhookEndpoint(models.Model):
    """An address that receives the events of an organization.

    A deleted endpoint receives nothing more and has no secret. Its row stays as long as its deliveries, which name it.
    """

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField("address", max_length=2000)
    events = models.JSONField(default=all_webhook_events)
    description = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField("active", default=True)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)
    secret = EncryptedJSONField(default=new_webhook_secret, editable=False)
    old_secret = EncryptedJSONField(null=True, editable=False, passing=True)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.description or self.url

    def rotate_secret(self) -> None:
        """Create a new secret. The old one also signs for a day, if it can be read; a second rotation ends that."""
        self.old_secret = readable(self, "secret")
        self.old_secret_until = utc_now() + OVERLAP if self.old_secret else None
        self.secret = new_webhook_secret()
        self.save(update_fields=["secret", "old_secret", "old_secret_until"])

    def secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign deliveries at `now`, newest first."""
        return secrets_in_force(self.secret, self.old_secret, self.old_secret_until, now)

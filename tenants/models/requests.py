"""What is kept about API requests: stored responses of idempotent POSTs, and the budgets of the rate limit."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.db.encrypted_fields import EncryptedJSONField


class StoredAnswer(models.Model):
    """The stored response to a POST with an `Idempotency-Key`, or the marker that the request is still running."""

    slot = models.CharField(max_length=64, unique=True)  # digest of caller, organization and key
    fingerprint = models.CharField(max_length=64)  # digest of address and body
    run = models.CharField(max_length=32)  # random id of the run that may store its response
    started_at = models.DateTimeField(default=utc_now)
    answer = EncryptedJSONField(null=True, passing=True)  # encrypted, because some responses contain a secret

    class Meta:
        # Read by the purge of expired rows.
        indexes: ClassVar = [models.Index(fields=["started_at"], name="stored_answer_age")]

    def __str__(self) -> str:
        return f"Answer {self.slot[:8]}"


class RequestBudget(models.Model):
    """How many requests a caller may still send, as one number: the time until which its rate is spent."""

    caller = models.CharField(max_length=32, unique=True)
    spent_until = models.FloatField(default=0.0)  # seconds since 1970: both databases can calculate with it

    def __str__(self) -> str:
        return self.caller

"""Organizations and the tenants that own them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.db.currency_field import CurrencyField
from tenants.db.encrypted_fields import EncryptedJSONField, readable
from tenants.dialling_areas import with_areas
from tenants.models.validators import check_region, check_regions, check_timezone
from tenants.models.webhook_secret import OVERLAP, new_webhook_secret, secrets_in_force
from tenants.money import Money


class Tenant(models.Model):
    """A customer of this installation, with one or more organizations."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "customer"

    def __str__(self) -> str:
        return self.name


class Organization(models.Model):
    """The owner of data. For one organization, the data of another one does not exist."""

    class SingleCallHours(models.TextChoices):
        LEGAL = "legal", "Legal calling hours of the contact"
        ANY = "any", "Any hour"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="organizations", verbose_name="customer")
    name = models.CharField(max_length=200)
    timezone = models.CharField("time zone", max_length=64, default="UTC", validators=[check_timezone])
    default_region = models.CharField(
        "default country",
        max_length=2,
        default="US",
        validators=[check_region],
        help_text="The two-letter country code, such as FR.",
    )
    allowed_countries = models.JSONField(
        default=list,
        blank=True,
        validators=[check_regions],
        help_text='Countries that may be called, such as ["FR", "BE"]. If empty: only the default country.',
    )
    is_active = models.BooleanField("active", default=True)
    calls_stopped = models.BooleanField(
        "all calls stopped", default=False, help_text="No call is placed while this is on."
    )
    single_call_hours = models.CharField(max_length=8, choices=SingleCallHours, default=SingleCallHours.LEGAL)
    min_gap_minutes = models.PositiveIntegerField(
        "minimum gap", default=240, help_text="Minutes between two calls to one contact, across all campaigns."
    )
    max_attempts_per_day = models.PositiveSmallIntegerField(
        "attempts in 24 hours", default=3, help_text="Calls to one contact in any 24 hours, across all campaigns."
    )
    max_attempts_per_30_days = models.PositiveSmallIntegerField(
        "attempts in 30 days",
        null=True,
        blank=True,
        help_text="Calls to one contact in any 30 days, across all campaigns. If empty: no limit.",
    )
    callbacks_hold_campaigns = models.BooleanField(
        "scheduled callbacks hold campaigns",
        default=True,
        help_text="While a contact waits for a scheduled callback, no other campaign calls the contact.",
    )
    two_step_required = models.BooleanField(
        "two-step sign-in required",
        default=False,
        help_text="Team members must set up an authenticator app before they can go on.",
    )
    webhook_secret = EncryptedJSONField(default=new_webhook_secret, editable=False)
    old_webhook_secret = EncryptedJSONField(null=True, editable=False, passing=True)
    old_webhook_secret_until = models.DateTimeField(null=True, editable=False)
    daily_budget = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Limit per day in the organization's time zone. Empty: no limit.",
    )
    daily_budget_currency = CurrencyField()
    created_at = models.DateTimeField(default=utc_now, editable=False)
    # Of the inputs of decisions that the organization's calls share, as the engine last saw them.
    inputs_digest = models.CharField(max_length=32, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name

    @property
    def daily_limit(self) -> Money | None:
        """The daily budget. None: no limit."""
        return Money.known(self.daily_budget, self.daily_budget_currency)

    @property
    def callable_countries(self) -> frozenset[str]:
        """The countries that may be called: those named, or the default country, each with its overseas regions.

        If none is named, the US and Canada include each other.
        """
        if self.allowed_countries:
            return with_areas(self.allowed_countries)
        return with_areas({"US", "CA"} if self.default_region in {"US", "CA"} else {self.default_region})

    def rotate_webhook_secret(self) -> None:
        """Create a new secret. The old one also signs for a day, if it can be read; a second rotation ends that."""
        self.old_webhook_secret = readable(self, "webhook_secret")
        self.old_webhook_secret_until = utc_now() + OVERLAP if self.old_webhook_secret else None
        self.webhook_secret = new_webhook_secret()
        self.save(update_fields=["webhook_secret", "old_webhook_secret", "old_webhook_secret_until"])

    def webhook_secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign webhooks at `now`, newest first."""
        return secrets_in_force(self.webhook_secret, self.old_webhook_secret, self.old_webhook_secret_until, now)

"""Who may see what."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
import zoneinfo
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.timezone import now as utc_now

from tenants.db.encrypted_fields import EncryptedJSONField


def check_timezone(name: str) -> None:
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(f"'{name}' is not a time zone. Write it like Europe/Paris.", code="invalid")


def check_region(code: str) -> None:
    if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise ValidationError(f"'{code}' is not a country. Write two capitals, like FR.", code="invalid")


def check_regions(codes: Any) -> None:
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValidationError('Write a list of countries, like ["FR", "BE"].', code="invalid")
    for code in codes:
        check_region(code)


def new_webhook_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 24 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


OVERLAP = timedelta(hours=24)  # how long a replaced secret signs beside the new one


class Tenant(models.Model):
    """A customer of this installation: one or more organizations."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return self.name


class Organization(models.Model):
    """What data belongs to. Everything another organization owns does not exist for it."""

    class SingleCallHours(models.TextChoices):
        LEGAL = "legal", "Legal calling hours of the person called"
        ANY = "any", "Any hour"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="organizations")
    name = models.CharField(max_length=200)
    timezone = models.CharField("time zone", max_length=64, default="UTC", validators=[check_timezone])
    default_region = models.CharField(
        "default country", max_length=2, default="US", validators=[check_region], help_text="Two capitals, like FR."
    )
    allowed_countries = models.JSONField(
        default=list,
        blank=True,
        validators=[check_regions],
        help_text='Countries that may be called, like ["FR", "BE"]. Empty: the default country alone.',
    )
    is_active = models.BooleanField("active", default=True)
    calls_stopped = models.BooleanField(
        "all calls stopped", default=False, help_text="The kill switch: nothing is placed while it is on."
    )
    single_call_hours = models.CharField(max_length=8, choices=SingleCallHours, default=SingleCallHours.LEGAL)
    min_gap_minutes = models.PositiveIntegerField(
        "minimum gap", default=240, help_text="Minutes between two calls to one person, over all campaigns."
    )
    max_attempts_per_day = models.PositiveSmallIntegerField(
        default=3, help_text="Calls to one person in any 24 hours, over all campaigns."
    )
    max_attempts_per_30_days = models.PositiveSmallIntegerField(
        "calls in 30 days",
        null=True,
        blank=True,
        help_text="Calls to one person in any 30 days, over all campaigns. Empty: no limit.",
    )
    webhook_secret = EncryptedJSONField(default=new_webhook_secret, editable=False)
    old_webhook_secret = EncryptedJSONField(null=True, editable=False)
    old_webhook_secret_until = models.DateTimeField(null=True, editable=False)
    daily_budget = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    daily_budget_currency = models.CharField(max_length=3, default="USD")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name

    @property
    def callable_countries(self) -> frozenset[str]:
        """The countries that may be called; the United States and Canada imply each other when none are named."""
        if self.allowed_countries:
            return frozenset(self.allowed_countries)
        if self.default_region in {"US", "CA"}:
            return frozenset({"US", "CA"})
        return frozenset({self.default_region})

    def rotate_webhook_secret(self) -> None:
        """A new secret. The old one signs beside it for a day; a second rotation ends that at once."""
        self.old_webhook_secret, self.old_webhook_secret_until = self.webhook_secret, utc_now() + OVERLAP
        self.webhook_secret = new_webhook_secret()
        self.save(update_fields=["webhook_secret", "old_webhook_secret", "old_webhook_secret_until"])

    def webhook_secrets(self, now: datetime) -> list[str]:
        """What callbacks are signed with, newest first."""
        return _signing(self.webhook_secret, self.old_webhook_secret, self.old_webhook_secret_until, now)


def _signing(secret: str, old: str | None, until: datetime | None, now: datetime) -> list[str]:
    return [secret, old] if old and until and now < until else [secret]


class WebhookEvent(models.TextChoices):
    """What an organization's endpoints can be told of."""

    CALL_PLACED = "call.placed", "Call placed"
    CALL_ANSWERED = "call.answered", "Call answered"
    CALL_ENDED = "call.ended", "Call ended"
    CALL_RESULT = "call.result", "More known of an ended call"
    CALL_UNCONFIRMED = "call.unconfirmed", "Call unconfirmed"
    CAMPAIGN_STARTED = "campaign.started", "Campaign running"
    CAMPAIGN_PAUSED = "campaign.paused", "Campaign paused"
    CAMPAIGN_FINISHED = "campaign.finished", "Campaign finished"
    IMPORT_FINISHED = "import.finished", "Import over"
    ACCOUNT_BLOCKED = "account.blocked", "Account blocked"


def all_webhook_events() -> list[str]:
    return list(WebhookEvent.values)


class WebhookEndpoint(models.Model):
    """A customer's address that is told of what happens in an organization."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField("address", max_length=2000)
    events = models.JSONField(default=all_webhook_events)
    description = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField("active", default=True)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)
    secret = EncryptedJSONField(default=new_webhook_secret, editable=False)
    old_secret = EncryptedJSONField(null=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.description or self.url

    def rotate_secret(self) -> None:
        """A new secret. The old one signs beside it for a day; a second rotation ends that at once."""
        self.old_secret, self.old_secret_until = self.secret, utc_now() + OVERLAP
        self.secret = new_webhook_secret()
        self.save(update_fields=["secret", "old_secret", "old_secret_until"])

    def secrets(self, now: datetime) -> list[str]:
        """What its deliveries are signed with, newest first."""
        return _signing(self.secret, self.old_secret, self.old_secret_until, now)


class Membership(models.Model):
    """One member of staff in one organization."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer: sees everything"
        OPERATOR = "operator", "Operator: starts calls and campaigns"
        MANAGER = "manager", "Manager: changes everything but people"
        ADMIN = "admin", "Admin: changes everything"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "organization"], name="one_role_each")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.organization}"


class StaffSettings(models.Model):
    """What a member of staff chose for themselves."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff_settings")
    timezone = models.CharField("time zone", max_length=64, blank=True, validators=[check_timezone])

    def __str__(self) -> str:
        return f"Settings of {self.user}"


class Scope(models.TextChoices):
    """What a key may do. Each includes those before it."""

    READ = "read", "Read"
    CALL = "call", "Call"
    MANAGE = "manage", "Manage"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> ApiKeyQuerySet:
        now = utc_now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(models.Model):
    """A program's way in. The key itself is shown once and never stored: only its digest is."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        related_name="api_keys",
        null=True,
        blank=True,
        help_text="Empty: every organization of the tenant.",
    )
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, *, tenant: Tenant, organization: Organization | None, **fields: Any) -> tuple[ApiKey, str]:
        """Make a key. The second value is the key itself, which cannot be had again."""
        key = f"tl_{secrets.token_urlsafe(32)}"
        row = cls(tenant=tenant, organization=organization, prefix=key[:9], digest=cls.digest_of(key), **fields)
        row.full_clean(exclude=["digest"])
        row.save()
        return row, key

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    def clean(self) -> None:
        if not isinstance(self.scopes, list) or not self.scopes or not set(self.scopes) <= set(Scope.values):
            raise ValidationError({"scopes": f"Name at least one of {', '.join(Scope.values)}."})
        if self.organization_id and self.organization and self.organization.tenant_id != self.tenant_id:
            raise ValidationError({"organization": "This organization belongs to another tenant."})


class Alert(models.Model):
    """Something a person of the organization should know, said once for each `key`."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="alerts")
    key = models.CharField(max_length=200)  # like "budget.80:campaign:<id>": the same news is not told twice
    message = models.CharField(max_length=500)
    subject = models.CharField(max_length=200, blank=True)  # the public id of what it is about
    at = models.DateTimeField(default=utc_now)
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["organization", "key"], name="alert_told_once")]

    def __str__(self) -> str:
        return self.message


class AuditEntry(models.Model):
    """What a person or key did that somebody may ask about later. Written, never changed, except that what was
    said of a person goes when the person is erased.
    """

    at = models.DateTimeField(default=utc_now)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, null=True, related_name="audit_entries")
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject}"


class StoredAnswer(models.Model):
    """The answer to a POST that carried an `Idempotency-Key`, or the marker that it is still being made."""

    slot = models.CharField(max_length=64, unique=True)  # digest of caller, organization and key
    fingerprint = models.CharField(max_length=64)  # digest of address and body
    run = models.CharField(max_length=32)  # whose turn it is: only this one may store its answer
    started_at = models.DateTimeField(default=utc_now)
    answer = EncryptedJSONField(null=True)  # encrypted, for some answers show a secret

    class Meta:
        # The purge of what is over.
        indexes: ClassVar = [models.Index(fields=["started_at"], name="stored_answer_age")]

    def __str__(self) -> str:
        return f"Answer {self.slot[:8]}"


class RequestBudget(models.Model):
    """How many requests a caller may still send. One number says it: the moment until which it has spent its rate."""

    caller = models.CharField(max_length=32, unique=True)
    spent_until = models.FloatField(default=0.0)  # seconds since 1970, so that both databases can reckon with it

    def __str__(self) -> str:
        return self.caller

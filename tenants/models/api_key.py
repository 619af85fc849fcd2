"""API keys and their scopes."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.timezone import now as utc_now

from tenants.models.organization import Organization, Tenant


class Scope(models.TextChoices):
    """What a key may do. Each scope includes the ones before it."""

    READ = "read", "Read"
    CALL = "call", "Call"
    MANAGE = "manage", "Manage"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime | None = None) -> ApiKeyQuerySet:
        """Return the keys that are neither revoked nor expired."""
        now = now or utc_now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(models.Model):
    """The credentials of a program. The key itself is shown once and never stored: the row holds only its digest."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys", verbose_name="customer")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        related_name="api_keys",
        null=True,
        blank=True,
        help_text="If empty: all organizations of the customer.",
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
        """Create a key. Return the row and the key itself, which cannot be read again.

        Raises ValidationError for scopes that do not exist and for an organization of another tenant.
        """
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

"""API keys and their scopes."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.timezone import now as utc_now

from tenants.models.members import Membership, member_level
from tenants.models.organization import Organization, Tenant
from tenants.policy import Level


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

    def with_maker(self) -> ApiKeyQuerySet:
        """Return the keys with what `ApiKey.level` needs, in the same query."""
        held = Membership.objects.filter(user=OuterRef("maker"), organization=OuterRef("organization"))
        return self.select_related("maker").annotate(maker_role=Subquery(held.values("role")[:1]))


class ApiKey(models.Model):
    """The credentials of a program. The key itself is shown once and never stored: the row holds only its digest."""

    class Owner(models.TextChoices):
        MAKER = "maker", "Its maker: it may do no more than they may, and stops when they leave"
        ORGANIZATION = "organization", "The organization: it stays when its maker leaves"

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
    owner = models.CharField("belongs to", max_length=12, choices=Owner, default=Owner.ORGANIZATION)
    # The team member who made it. None for a key made on the command line or by another key.
    maker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, related_name="api_keys", null=True, blank=True
    )
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

        Raises ValidationError for scopes that do not exist, for an organization of another tenant and for a maker's
        key without a maker or an organization.
        """
        key = f"tl_{secrets.token_urlsafe(32)}"
        row = cls(tenant=tenant, organization=organization, prefix=key[:9], digest=cls.digest_of(key), **fields)
        row.full_clean(exclude=["digest"])
        row.save()
        return row, key

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def level(self) -> Level | None:
        """Return what the key's owner may do now, for a key read `with_maker`. None: the key must not work."""
        if self.owner == self.Owner.ORGANIZATION:
            return Level.ADMIN
        return member_level(self.maker, getattr(self, "maker_role", None)) if self.maker else None

    @property
    def owner_shown(self) -> str:
        """Return to whom the key belongs, in words."""
        if self.owner == self.Owner.MAKER:
            return str(self.maker or "a user who was deleted")
        return "The organization" if self.organization_id else "The customer"

    def clean(self) -> None:
        if not isinstance(self.scopes, list) or not self.scopes or not set(self.scopes) <= set(Scope.values):
            raise ValidationError({"scopes": f"Name at least one of {', '.join(Scope.values)}."})
        if self.organization_id and self.organization and self.organization.tenant_id != self.tenant_id:
            raise ValidationError({"organization": "This organization belongs to another tenant."})
        if self.owner == self.Owner.MAKER and not (self.maker_id and self.organization_id):
            raise ValidationError({"owner": "Only a team member's key for one organization can belong to its maker."})

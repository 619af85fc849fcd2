"""API keys over the API. A key creates and changes only keys within its own organization, scopes and expiry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tenants import audit_log
from tenants.api.access import RANK
from tenants.api.fields import PublicIdField, utc_text
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import CrudViewSet
from tenants.models import ApiKey, Scope


class ApiKeySerializer(OrganizedSerializer[ApiKey]):
    id = PublicIdField()
    organization = OrganizationField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), required=False, allow_empty=False, max_length=3
    )
    key = serializers.CharField(read_only=True)  # only in the response to the create

    class Meta:
        model = ApiKey
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "name",
            "scopes",
            "expires_at",
            "prefix",
            "key",
            "last_used_at",
        ]
        read_only_fields: ClassVar[Any] = ["prefix", "last_used_at"]

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise ValidationError("This is in the past. To revoke a key now, delete it.")
        return moment

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "scopes" in attrs or self.instance is None:
            attrs["scopes"] = sorted(set(attrs.get("scopes") or [Scope.READ]), key=_rank)
        if self.instance is None:
            attrs["expires_at"] = attrs.get("expires_at") or self._own_expiry()
        if attrs.keys() & {"scopes", "expires_at"}:
            self._check_own(attrs)
        return attrs

    def _own_expiry(self) -> datetime | None:
        return self.reach.key.expires_at if self.reach.key else None

    def _check_own(self, attrs: dict[str, Any]) -> None:
        """Check that the key expires no later than the caller's own key.

        Scopes need no check: these views need `manage`, which is the highest scope.
        """
        own = self._own_expiry()
        after: datetime | None = attrs.get("expires_at", getattr(self.instance, "expires_at", None))
        if own and (after is None or after > own):
            sentence = f"Your own key expires at {utc_text(own)}. A key that you create or change cannot expire later."
            raise ValidationError({"expires_at": [ErrorDetail(sentence, "too_big")]})


class ApiKeyViewSet(CrudViewSet[ApiKey]):
    """Keys that are not revoked.

    Tenant-level keys are created on the command line or in the admin. Only a tenant-level key can see them here.
    """

    queryset = ApiKey.objects.filter(revoked_at=None).select_related("organization")
    serializer_class = ApiKeySerializer

    def get_queryset(self) -> Any:
        seen = Q(organization__in=list(self.reach.scopes))
        if self.reach.key and self.reach.home is None:
            seen |= Q(organization=None, tenant=self.reach.key.tenant_id)
        return ApiKeyViewSet.queryset.filter(seen)

    def check_reach(self, found: ApiKey) -> None:
        if found.organization is not None:
            super().check_reach(found)

    def perform_save(self, serializer: Any) -> None:
        given = serializer.validated_data
        if serializer.instance is not None:
            serializer.save()
            self._note(serializer.instance, "change", {name: _text(value) for name, value in given.items()})
            return
        home = given.pop("organization")
        row, key = ApiKey.issue(tenant=home.tenant, organization=home, **given)
        row.key = key  # type: ignore[attr-defined]
        serializer.instance = row
        self._note(row, "create", {"prefix": row.prefix, "scopes": row.scopes})

    def perform_destroy(self, instance: ApiKey) -> None:
        """Revoke the key. The row stays for the record."""
        ApiKey.objects.filter(pk=instance.pk, revoked_at=None).update(revoked_at=timezone.now())
        self._note(instance, "revoke", {"prefix": instance.prefix})

    def _note(self, row: ApiKey, what: str, facts: dict[str, Any]) -> None:
        audit_log.record(
            row.organization, actor=self.reach.actor, action=f"api_key.{what}", subject=str(row.uuid), detail=facts
        )


def _rank(scope: str) -> int:
    return RANK[Scope(scope)]


def _text(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value

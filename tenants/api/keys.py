"""API keys over the API. A key creates and changes only keys within its own organization, scopes, expiry and owner."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tenants import audit_log, key_owners
from tenants.api.fields import PublicIdField, utc_text
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import CrudViewSet
from tenants.models import ApiKey, Scope
from tenants.policy import Action, scope_of


class ApiKeySerializer(OrganizedSerializer[ApiKey]):
    id = PublicIdField()
    organization = OrganizationField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), required=False, allow_empty=False, max_length=3
    )
    owner = serializers.ChoiceField(choices=ApiKey.Owner.choices, required=False)
    maker = serializers.SerializerMethodField()
    key = serializers.CharField(read_only=True)  # only in the response to the create

    class Meta:
        model = ApiKey
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "name",
            "scopes",
            "expires_at",
            "owner",
            "maker",
            "prefix",
            "key",
            "last_used_at",
        ]
        read_only_fields: ClassVar[Any] = ["prefix", "last_used_at"]

    def get_maker(self, row: ApiKey) -> str | None:
        """Return the e-mail address of the team member who made the key."""
        return row.maker.get_username() if row.maker else None

    def validate_owner(self, owner: str) -> str:
        """Check that a key's owner is the owner of the caller's own key, and that no key becomes a maker's."""
        if self.instance is None:
            own = self.reach.key
            if own is not None and owner != own.owner:
                raise ValidationError(f"A key creates only keys of its own owner: {own.owner}.")
        elif owner != ApiKey.Owner.ORGANIZATION:
            raise ValidationError("A key of the organization stays with it. Create another key.")
        elif self.reach.key is not None and self.reach.key.owner == ApiKey.Owner.MAKER:
            raise ValidationError("A maker's key cannot hand over keys. Sign in to do so.")
        return owner

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise ValidationError("This is in the past. To revoke a key now, delete it.")
        return moment

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        self._check_others()
        if "scopes" in attrs or self.instance is None:
            attrs["scopes"] = sorted(set(attrs.get("scopes") or [Scope.READ]), key=_rank)
        if self.instance is None:
            attrs["expires_at"] = attrs.get("expires_at") or self._own_expiry()
            attrs |= self._ownership(attrs.get("owner"))
        if attrs.keys() & {"scopes", "expires_at"}:
            self._check_own(attrs)
        return attrs

    def _ownership(self, owner: str | None) -> dict[str, Any]:
        """Return owner and maker of a new key: those of the caller's key, else the team member who makes it."""
        own = self.reach.key
        if own is not None:
            return {"owner": own.owner, "maker": own.maker}
        return {"owner": owner or ApiKey.Owner.MAKER, "maker": self.context["request"].user}

    def _check_others(self) -> None:
        """Check that a maker's key changes only keys of its maker: what it gives others would outlive the maker."""
        own, row = self.reach.key, self.instance
        if row is None or own is None or own.owner == ApiKey.Owner.ORGANIZATION:
            return
        if (row.owner, row.maker_id) != (own.owner, own.maker_id):
            raise ValidationError("A maker's key changes only keys of its maker. Sign in to change others.")

    def _own_expiry(self) -> datetime | None:
        return self.reach.key.expires_at if self.reach.key else None

    def _check_own(self, attrs: dict[str, Any]) -> None:
        """Check that the key expires no later than the caller's own key.

        Scopes need no check: to create and change keys needs `manage`, which is the highest scope.
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

    queryset = ApiKey.objects.filter(revoked_at=None).select_related("organization", "maker")
    serializer_class = ApiKeySerializer
    needs: ClassVar[Any] = crud(Action.SEE_KEYS, Action.CHANGE_KEYS)
    audited_as = None

    def get_queryset(self) -> Any:
        seen = Q(organization__in=self.reach.where(Action.SEE_KEYS))
        if self.reach.key and self.reach.home is None:
            seen |= Q(organization=None, tenant=self.reach.key.tenant_id)
        return ApiKeyViewSet.queryset.filter(seen)

    def check_reach(self, found: ApiKey) -> None:
        if found.organization is not None:
            super().check_reach(found)

    def perform_save(self, serializer: Any) -> None:
        given = serializer.validated_data
        if serializer.instance is not None:
            if given.pop("owner", None):
                key_owners.hand_over(serializer.instance, self.reach.actor)
                serializer.instance.owner = ApiKey.Owner.ORGANIZATION
            if not given:
                return
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
        key_owners.revoke(instance, self.reach.actor)

    def _note(self, row: ApiKey, what: str, facts: dict[str, Any]) -> None:
        audit_log.record(
            row.organization, actor=self.reach.actor, action=f"api_key.{what}", subject=str(row.uuid), detail=facts
        )


def _rank(scope: str) -> int:
    return scope_of([scope])


def _text(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value

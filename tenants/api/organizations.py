"""Organizations over the API. A subclass in `calls` stops and allows calls: this room does not import `calls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import audit_changes
from tenants.api.fields import MoneyField, PublicIdField, ScopedField
from tenants.api.permissions import required_action
from tenants.api.serializers import StrictModelSerializer
from tenants.api.views import ReadViewSet
from tenants.models import Organization
from tenants.models.validators import check_countries
from tenants.policy import Action


class OrganizationSerializer(StrictModelSerializer[Organization]):
    id = PublicIdField()
    tenant = ScopedField(read_only=True)
    daily_budget = MoneyField()

    class Meta:
        model = Organization
        fields: ClassVar[Any] = [
            "id",
            "tenant",
            "name",
            "timezone",
            "default_region",
            "allowed_countries",
            "is_active",
            "calls_stopped",
            "single_call_hours",
            "min_gap_minutes",
            "max_attempts_per_day",
            "max_attempts_per_30_days",
            "callbacks_hold_campaigns",
            "daily_budget",
        ]

    # Sent again, it waits again until no call can be placed.
    repeatable = frozenset({"calls_stopped"})

    def validate_default_region(self, code: str) -> str:
        check_countries([code], [self.instance.default_region] if self.instance else [])
        return code

    def validate_allowed_countries(self, codes: list[str]) -> list[str]:
        check_countries(codes, self.instance.allowed_countries if self.instance else [])
        return codes


class OrganizationViewSet(ReadViewSet[Organization]):
    """Read and PATCH. Only the operator of the installation creates and removes organizations."""

    queryset = Organization.objects.select_related("tenant")
    serializer_class: type[serializers.BaseSerializer[Any]] = OrganizationSerializer
    organization_path = "pk"
    needs: ClassVar[Any] = {
        "list": Action.SEE_SETUP,
        "retrieve": Action.SEE_SETUP,
        "partial_update": Action.STOP_CALLS,  # the least of what a PATCH may do; `_check_fields` asks for each field
        "rotate_webhook_secret": Action.ROTATE_SECRET,
    }

    def organization_of(self, found: Any) -> Organization:
        organization: Organization = found
        return organization

    def check_reach(self, found: Organization) -> None:
        # Unlike other objects, an inactive organization can be changed: otherwise it could not be activated again.
        self._demand(required_action(self.request, self), found)

    def _demand(self, what: Action | None, organization: Organization) -> None:
        if not self.reach.may(what, organization.pk):
            self.permission_denied(self.request, "Insufficient permissions")

    def _check_fields(self, organization: Organization, given: Mapping[str, Any]) -> None:
        """Raise PermissionDenied unless the caller may change every field that is sent."""
        for name in given:
            what = Action.DEACTIVATE if name == "is_active" else Action.CHANGE_ORGANIZATION
            if name == "calls_stopped":
                what = Action.STOP_CALLS if given[name] else Action.ALLOW_CALLS
            self._demand(what, organization)

    def switch_calls(self, organization: Organization, stopped: bool) -> None:
        """Stop or allow all calls. After a return from stopping, no further call can be placed."""
        raise NotImplementedError

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        organization = self.get_object()
        serializer = self.get_serializer(organization, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self._check_fields(organization, serializer.validated_data)
        stopped = serializer.validated_data.pop("calls_stopped", None)
        with transaction.atomic():
            before, given = organization.is_active, set(serializer.validated_data) - {"is_active"}
            old = audit_changes.before(organization, given)
            serializer.save()
            changes = audit_changes.since(old, organization, given)
            if changes.plain:
                self._note(organization, "changed", changes)
            if organization.is_active != before:
                self._note(organization, "activate" if organization.is_active else "deactivate")
        if stopped is not None and (stopped or organization.calls_stopped):
            self.switch_calls(organization, stopped)  # outside the transaction: it waits until other processes see it
        return Response(serializer.data)

    @action(detail=True, methods=["post"], url_path="rotate-webhook-secret")
    def rotate_webhook_secret(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a new webhook secret and show it once. For a day, webhooks are signed with both secrets."""
        organization = self.get_object()
        with transaction.atomic():
            organization.rotate_webhook_secret()
            self._note(organization, "webhook_secret_rotated")
        return Response({"webhook_secret": organization.webhook_secret})

    def _note(self, organization: Organization, what: str, changes: audit_changes.Facts | None = None) -> None:
        audit_changes.record(
            organization,
            organization,
            actor=self.reach.actor,
            action=f"organization.{what}",
            detail={"fields": sorted(changes.plain)} if changes else {},
            changes=changes,
        )

"""Webhook endpoints of an organization, and webhook deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.http import Http404
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from calls.models import WebhookDelivery
from calls.webhooks import maintenance
from providers.urls_allowed import check_callback_url
from tenants import audit_log
from tenants.api.errors import Conflict
from tenants.api.fields import PublicIdField, ScopedField, UtcDateTimeField, WordField, utc_text
from tenants.api.filters import CreatedAfter, CreatedBefore, ObjectFilter
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer, StrictModelSerializer, StrictSerializer
from tenants.api.views import CrudViewSet, ReadViewSet
from tenants.models import Organization, WebhookEndpoint, WebhookEvent
from tenants.policy import Action

DeliveryStatus = WebhookDelivery.Status


class WebhookEndpointSerializer(OrganizedSerializer[WebhookEndpoint]):
    id = PublicIdField()
    organization = OrganizationField()
    url = WordField(max_length=2000, validators=[check_callback_url])
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=WebhookEvent.choices), required=False, allow_empty=False
    )
    secret = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "url",
            "events",
            "description",
            "is_active",
            "disabled_reason",
            "secret",
            "created_at",
        ]
        read_only_fields: ClassVar[Any] = ["disabled_reason", "created_at"]

    def get_secret(self, endpoint: WebhookEndpoint) -> str | None:
        """Return the secret in the answer to a create alone."""
        return str(endpoint.secret) if self.context.get("show_secret") else None

    def validate_events(self, events: list[str]) -> list[str]:
        return sorted(set(events))


class WebhookDeliverySerializer(StrictModelSerializer[WebhookDelivery]):
    id = PublicIdField()
    next_attempt_at = serializers.SerializerMethodField()

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "endpoint",
            "call",
            "event",
            "url",
            "status",
            "attempts",
            "next_attempt_at",
            "last_error",
            "created_at",
            "delivered_at",
        ]
        read_only_fields = fields

    def get_next_attempt_at(self, delivery: WebhookDelivery) -> str | None:
        return utc_text(delivery.next_attempt_at) if delivery.status == DeliveryStatus.PENDING else None


class WebhookEndpointViewSet(CrudViewSet[WebhookEndpoint]):
    queryset = WebhookEndpoint.objects.filter(deleted_at=None).select_related("organization")
    serializer_class = WebhookEndpointSerializer
    needs: ClassVar[Any] = {
        **crud(Action.SEE_WEBHOOKS, Action.CHANGE_ENDPOINT),
        "rotate_secret": Action.ROTATE_SECRET,
        **dict.fromkeys(("test", "replay_held"), Action.REPLAY_WEBHOOK),
    }

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "show_secret": self.action == "create"}

    def locked(self, found: WebhookEndpoint) -> WebhookEndpoint:
        endpoint = super().locked(found)
        if endpoint.deleted_at:  # meanwhile
            raise Http404
        return endpoint

    def perform_save(self, serializer: Any) -> None:
        if serializer.instance is None:
            serializer.save()
            return
        serializer.instance = self.locked(serializer.instance)  # an answer may have switched it off meanwhile
        maintenance.apply_endpoint_change(serializer.save())

    def perform_destroy(self, instance: WebhookEndpoint) -> None:
        maintenance.delete(self.locked(instance))

    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a new secret, shown here once. For a day deliveries are signed with the old secret too."""
        found = self.get_object()
        with transaction.atomic():
            endpoint = self.locked(found)
            endpoint.rotate_secret()
            self._note(endpoint, "secret_rotated")
        return Response({"secret": endpoint.secret, "old_secret_until": utc_text(endpoint.old_secret_until)})

    @action(detail=True, methods=["post"])
    def test(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send one event `webhook.test`, once. Its result is among the deliveries."""
        try:
            with transaction.atomic():
                endpoint = self.get_object()
                made = maintenance.send_test(endpoint)
                self._note(endpoint, "tested")
        except maintenance.DeliveryRefused as error:
            raise Conflict(str(error)) from error
        return Response(WebhookDeliverySerializer(made, context=self.get_serializer_context()).data, status=202)

    @action(detail=True, methods=["post"], url_path="replay-held")
    def replay_held(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send what was held while the endpoint was switched off, the oldest first."""
        try:
            with transaction.atomic():
                endpoint = self.get_object()
                count = maintenance.replay_held(endpoint)
                self._note(endpoint, "replayed_held", deliveries=count)
        except maintenance.DeliveryRefused as error:
            raise Conflict(str(error)) from error
        return _replayed(count)

    def _note(self, endpoint: WebhookEndpoint, what: str, **detail: Any) -> None:
        self._audit(endpoint, what, detail)


def _replayed(count: int) -> Response:
    return Response({"replayed": count, "more": count >= maintenance.REPLAYED_AT_ONCE})


class WebhookDeliveryFilters(django_filters.FilterSet):
    endpoint = ObjectFilter(field_name="endpoint")
    call = ObjectFilter(field_name="call")
    status = django_filters.MultipleChoiceFilter(choices=DeliveryStatus.choices, distinct=False)
    event = django_filters.CharFilter()
    created_after = CreatedAfter()
    created_before = CreatedBefore()

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[Any] = []


class RangeSerializer(StrictSerializer):
    """Which deliveries to send again."""

    endpoint = ScopedField(
        queryset=WebhookEndpoint.objects.filter(deleted_at=None).select_related("organization"), required=False
    )
    created_after = UtcDateTimeField()
    created_before = UtcDateTimeField()
    status = serializers.ChoiceField(
        choices=[DeliveryStatus.FAILED, DeliveryStatus.HELD, DeliveryStatus.DELIVERED], required=False
    )


class WebhookDeliveryViewSet(ReadViewSet[WebhookDelivery]):
    queryset = WebhookDelivery.objects.select_related("organization", "endpoint", "call").defer(
        "body", "endpoint__secret", "endpoint__old_secret"
    )
    serializer_class = WebhookDeliverySerializer
    filterset_class = WebhookDeliveryFilters
    needs: ClassVar[Any] = {
        **dict.fromkeys(("list", "retrieve"), Action.SEE_WEBHOOKS),
        **dict.fromkeys(("replay", "replay_range"), Action.REPLAY_WEBHOOK),
    }

    @action(detail=True, methods=["post"])
    def replay(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send the delivery again with the same id."""
        delivery = self.get_object()
        try:
            with transaction.atomic():
                maintenance.replay(delivery)
                audit_log.record(
                    delivery.organization_id,
                    actor=self.reach.actor,
                    action="webhookdelivery.replayed",
                    subject=str(delivery.uuid),
                )
        except maintenance.DeliveryRefused as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(self.get_object()).data)

    @action(detail=False, methods=["post"], url_path="replay", url_name="replay-range")
    def replay_range(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send again all deliveries of a time range, in every organization where the caller may replay."""
        form = RangeSerializer(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        given = form.validated_data
        endpoint = given.get("endpoint")
        if endpoint:
            self.reach.require(Action.REPLAY_WEBHOOK, endpoint.organization)
        homes = Organization.objects.filter(pk__in=self.reach.where(Action.REPLAY_WEBHOOK), is_active=True)
        with transaction.atomic():
            counts = maintenance.replay_range(
                WebhookDelivery.objects.filter(organization__in=homes),
                [given["status"]] if "status" in given else [DeliveryStatus.FAILED, DeliveryStatus.HELD],
                given["created_after"],
                given["created_before"],
                endpoint,
            )
            self._note_range(counts, given)
        return _replayed(sum(counts.values()))

    def _note_range(self, counts: Mapping[int, int], given: Mapping[str, Any]) -> None:
        """Record in each organization how many of its deliveries are sent again."""
        span = {name: given[name] for name in ("created_after", "created_before")}
        audit_log.record_many(
            audit_log.entry(
                home,
                actor=self.reach.actor,
                action="webhookdelivery.replayed",
                subject="webhook deliveries",
                detail={**span, "deliveries": count},
            )
            for home, count in counts.items()
        )

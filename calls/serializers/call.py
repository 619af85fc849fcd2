"""The call object of the API and of webhooks. It has its events when one call is read, but not in lists."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from calls.models import Call, CallEvent
from tenants.api.fields import PublicIdField, UtcDateTimeField, money
from tenants.api.serializers import StrictModelSerializer


class EventSerializer(serializers.ModelSerializer[CallEvent]):
    at = UtcDateTimeField()

    class Meta:
        model = CallEvent
        fields: ClassVar[Any] = ["at", "type", "source", "detail"]

    def to_representation(self, instance: CallEvent) -> dict[str, Any]:
        found = super().to_representation(instance)
        # "from" is a Python keyword, so no field can have this name.
        return {**found, "from": instance.from_status or None, "to": instance.to_status or None}


class CallSerializer(StrictModelSerializer[Call]):
    id = PublicIdField()
    provider = serializers.CharField(source="account.provider", read_only=True)
    cost = serializers.SerializerMethodField()
    cost_price = serializers.SerializerMethodField()
    cost_estimate = serializers.SerializerMethodField()
    overdue = serializers.SerializerMethodField()
    callback_status = serializers.SerializerMethodField()

    class Meta:
        model = Call
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "status",
            "overdue",
            "provider",
            "account",
            "assistant",
            "phone_number",
            "contact",
            "campaign",
            "recipient",
            "attempt",
            "campaign_version",
            "asked_for",
            "to_number",
            "from_number",
            "customer_name",
            "dynamic_variables",
            "metadata",
            "provider_call_id",
            "provider_status",
            "ended_reason",
            "answered_by",
            "error_code",
            "error_message",
            "result",
            "result_text",
            "result_status",
            "doubts",
            "created_at",
            "placed_at",
            "started_at",
            "answered_at",
            "ended_at",
            "duration_seconds",
            "billed_duration_seconds",
            "cost",
            "cost_price",
            "cost_estimate",
            "callback_url",
            "callback_status",
            "updated_at",
        ]
        read_only_fields = fields

    def get_cost(self, call: Call) -> dict[str, str] | None:
        return money(call.cost)

    def get_cost_price(self, call: Call) -> dict[str, str] | None:
        return money(call.price)

    def get_cost_estimate(self, call: Call) -> dict[str, str] | None:
        """Return our estimate. It is in the currency of the account's price at the claim, unlike the provider's."""
        return money(call.estimate)

    def get_overdue(self, call: Call) -> bool:
        return call.is_overdue(timezone.now())

    def get_callback_status(self, call: Call) -> str:
        if not call.callback_url:
            return "none"
        if hasattr(call, "callback_delivery"):
            found = call.callback_delivery
        else:
            found = call.webhook_deliveries.filter(endpoint=None).values_list("status", flat=True).first()
        return found or call.callback_outcome or "pending"


class CallWithEventsSerializer(CallSerializer):
    events = EventSerializer(many=True, read_only=True)

    class Meta(CallSerializer.Meta):
        fields: ClassVar[Any] = [*CallSerializer.Meta.fields, "events"]
        read_only_fields = fields

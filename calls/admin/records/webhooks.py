"""Webhooks for people to read: where they go, what was delivered, and sending one again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from calls.admin.records.records import RecordAdmin
from calls.models import Call, WebhookDelivery
from calls.webhooks import maintenance
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import WebhookEndpoint

STATE_COLOURS = {"Pending": "info", "Delivered": "success", "Failed": "danger"}
SHOWN_OF_A_CALL = 50


def _test(request: HttpRequest, obj: WebhookEndpoint, values: Mapping[str, Any]) -> str:
    try:
        made = maintenance.send_test(obj)
    except maintenance.DeliveryRefused as error:
        raise NotDone(str(error)) from error
    return f"A test is on its way. See what came of it among the webhooks, under {made.uuid}."


def _replay(request: HttpRequest, obj: WebhookDelivery, values: Mapping[str, Any]) -> str:
    try:
        maintenance.replay(obj)
    except maintenance.DeliveryRefused as error:
        raise NotDone(str(error)) from error
    page_of(WebhookDelivery).audit(request, obj, "replayed")
    return "It is sent again, with the same id."


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(RecordAdmin):
    plural = "Webhook endpoints"
    empty_words = "No endpoint yet. Programs add them over the API, at /api/v1/webhook-endpoints/."
    list_display: ClassVar[Sequence[Any]] = ("address", "description", "state", "made")
    list_select_related = ("organization",)
    made = local_time_column("created_at", "made")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "test",
            "Send a test",
            Level.MANAGER,
            lambda obj: [f"The event webhook.test is sent once to {obj.url}."],
            _test,
            offered=lambda obj: obj.is_active,
            icon="send",
        ),
    )

    @admin.display(description="address")
    def address(self, row: WebhookEndpoint) -> str:
        return row.url

    @display(description="state", label={"Active": "success", "Switched off": "danger"})
    def state(self, row: WebhookEndpoint) -> str:
        return "Active" if row.is_active else "Switched off"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("secret", "old_secret")

    def panel_context(self, request: HttpRequest, obj: WebhookEndpoint) -> dict[str, Any]:
        deliveries = reverse("admin:calls_webhookdelivery_changelist")
        return {
            "facts": [
                ("To", obj.url),
                ("Description", obj.description or "-"),
                ("Events", ", ".join(obj.events)),
                ("State", f"{self.state(obj)}. {obj.disabled_reason}".strip()),
                ("Made", local_time(obj.created_at)),
                ("Deliveries", (f"{deliveries}?endpoint__id__exact={obj.pk}", "show them")),
            ]
        }


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(RecordAdmin):
    plural = "Webhooks"
    list_display: ClassVar[Sequence[Any]] = ("made", "event", "url", "state", "attempts", "last_error")
    list_filter: ClassVar[Sequence[Any]] = ("status", ("endpoint", ScopedRelatedFilter))
    list_lookups = ("event",)
    list_select_related = ("call", "organization")
    exact_fields = ("event",)
    empty_words = "No webhook yet. Endpoints are told of events; calls with a callback address tell it of their end."
    made = local_time_column("created_at", "made")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "replay",
            "Send again",
            Level.MANAGER,
            lambda obj: [
                f"{obj.event} is sent to {obj.url} again, with the same id.",
                "A receiver that has taken it already knows it by that id.",
            ],
            _replay,
            offered=lambda obj: obj.slot is None,
            icon="replay",
        ),
    )

    @display(description="state", label=STATE_COLOURS)
    def state(self, row: WebhookDelivery) -> str:
        return str(row.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body")

    def panel_context(self, request: HttpRequest, obj: WebhookDelivery) -> dict[str, Any]:
        call = (reverse("admin:calls_call_change", args=[obj.call_id]), str(obj.call)) if obj.call_id else "-"
        pending = obj.status == WebhookDelivery.Status.PENDING
        return {
            "facts": [
                ("Event", obj.event if obj.endpoint_id else "callback of the call's end"),
                ("To", obj.url),
                ("Call", call),
                ("State", self.state(obj)),
                ("Attempts", obj.attempts),
                ("Made", local_time(obj.created_at)),
                ("Next attempt", local_time(obj.next_attempt_at) if pending else "-"),
                ("Delivered", local_time(obj.delivered_at)),
                ("Last error", obj.last_error or "-"),
                ("Id", str(obj.uuid)),
            ],
            "raw_title": "What is sent",
            "raw": obj.body,
        }


def of_call(request: HttpRequest, call: Call) -> list[dict[str, Any]]:
    """A call's deliveries for its page; links for those who may follow them."""
    may_look = reach_of(request).has(Level.MANAGER, call.organization_id)
    rows = call.webhook_deliveries.select_related("endpoint").defer("body").order_by("pk")[:SHOWN_OF_A_CALL]
    return [
        {
            "title": row.event if row.endpoint_id else "Callback",
            "url": row.url,
            "host": row.host,
            "at": row.delivered_at or row.created_at,
            "state": row.get_status_display(),
            "colour": STATE_COLOURS[str(row.get_status_display())],
            "attempts": row.attempts,
            "error": row.last_error,
            "link": reverse("admin:calls_webhookdelivery_change", args=[row.pk]) if may_look else "",
        }
        for row in rows
    ]

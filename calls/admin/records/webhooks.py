"""Pages of webhook deliveries, with a button to send again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from calls.admin.records.records import RecordAdmin
from calls.models import Call, WebhookDelivery
from calls.webhooks import maintenance
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.exports import Column
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.db.owners import of_one
from tenants.models import WebhookEndpoint, WebhookEvent
from tenants.policy import Action

STATUS_COLOURS = {"Pending": "info", "Delivered": "success", "Failed": "danger", "Held": "warning"}
SHOWN_OF_A_CALL = 50
SEARCHED_LATEST = 50_000


def _replay(request: HttpRequest, obj: WebhookDelivery, values: Mapping[str, Any]) -> str:
    try:
        with transaction.atomic():
            maintenance.replay(obj)
            page_of(WebhookDelivery).audit(request, obj, "replayed")
    except maintenance.DeliveryRefused as error:
        raise NotDone(str(error)) from error
    return "The delivery is sent again with the same id."


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(RecordAdmin):
    view_action = Action.SEE_WEBHOOKS
    plural = "Webhook deliveries"
    list_display: ClassVar[Sequence[Any]] = ("created", "event_words", "address", "state", "attempts", "last_error")
    list_filter: ClassVar[Sequence[Any]] = ("status", ("endpoint", ScopedRelatedFilter))
    read_by = (("organization",), ("organization", "status"))
    list_lookups = ("event",)
    list_select_related = ("call", "organization", "endpoint")
    exact_fields = ("event",)
    intro = f"A search finds an event by its whole name, among the latest {SEARCHED_LATEST:,} deliveries."
    empty_words = "No webhook delivery yet. Endpoints get events; a call with a callback URL reports its end there."
    created = local_time_column("created_at", "created")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "replay",
            "Send again",
            Action.REPLAY_WEBHOOK,
            lambda obj: [
                f"Sends {obj.event} to {obj.url} again, with the same id.",
                "A receiver that already has it can recognise it by that id.",
            ],
            _replay,
            offered=lambda obj: obj.slot is None,
            icon="replay",
        ),
    )

    def exactly(self, request: HttpRequest, name: str, term: str) -> Q:
        """Search the latest deliveries: an index of events would cost a write for each end of a call."""
        words = {str(event.label).lower(): event.value for event in WebhookEvent}
        term = words.get(term.lower(), term)
        if term not in WebhookEvent:
            return Q(pk__in=[])
        reach, rows = reach_of(request), WebhookDelivery.objects.all()
        if reach.superuser:
            last = rows.order_by("-pk").values_list("pk", flat=True)[SEARCHED_LATEST : SEARCHED_LATEST + 1]
            return Q(event=term, pk__gt=next(iter(last), 0))
        before = of_one(rows, "organization", OuterRef("pk")).order_by("-pk").values("pk")
        homes = reach.organizations(self.view_action).annotate(
            before=Subquery(before[SEARCHED_LATEST : SEARCHED_LATEST + 1])
        )
        latest = Q(pk__in=[])
        for home, bound in homes.values_list("pk", "before"):
            latest |= Q(organization=home, pk__gt=bound or 0)
        return Q(event=term) & latest

    def title_of(self, obj: WebhookDelivery) -> str:
        return f"Delivery of “{_event_words(obj)}” to {obj.host}, {local_time(obj.created_at)}"

    @admin.display(description="event")
    def event_words(self, row: WebhookDelivery) -> str:
        return _event_words(row)

    @admin.display(description="address")
    def address(self, row: WebhookDelivery) -> str:
        return row.url

    def added_columns(self, rows: QuerySet[Any]) -> list[Column]:
        return [("Event code", lambda row: str(row.event))]

    @display(description="status", label=STATUS_COLOURS)
    def state(self, row: WebhookDelivery) -> str:
        return str(row.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body", "endpoint__secret", "endpoint__old_secret")

    def panel_context(self, request: HttpRequest, obj: WebhookDelivery) -> dict[str, Any]:
        pending = obj.status == WebhookDelivery.Status.PENDING
        return {
            "facts": [
                ("Event", _event_words(obj)),
                *([("Event code", obj.event)] if obj.endpoint_id else []),
                ("Address", obj.url),
                ("Endpoint", _endpoint_words(obj.endpoint)),
                ("Call", page_of(Call).link_to(obj.call) if obj.call else "-"),
                ("Status", self.state(obj)),
                ("Attempts", obj.attempts),
                ("Created", local_time(obj.created_at)),
                ("Next attempt", local_time(obj.next_attempt_at) if pending else "-"),
                ("Delivered", local_time(obj.delivered_at)),
                ("Last error", obj.last_error or "-"),
            ],
            "raw_title": "Raw payload",
            "raw": obj.body,
        }

    def technical_details(self, request: HttpRequest, obj: WebhookDelivery) -> Sequence[tuple[str, Any]]:
        return [("Trunkline ID", str(obj.uuid))]


def _event_words(delivery: WebhookDelivery) -> str:
    """Return the event in words. A code that is none of ours, such as that of a test, stays as it is."""
    if not delivery.endpoint_id:
        return "Callback of a call"
    return str(dict(WebhookEvent.choices).get(delivery.event, delivery.event))


def _endpoint_words(endpoint: WebhookEndpoint | None) -> str:
    if endpoint is None:
        return "-"
    return f"{endpoint} (deleted)" if endpoint.deleted_at else str(endpoint)


def of_call(request: HttpRequest, call: Call) -> list[dict[str, Any]]:
    """Return a call's webhook deliveries for its page, with links for managers."""
    may_open = reach_of(request).may(Action.SEE_WEBHOOKS, call.organization_id)
    rows = call.webhook_deliveries.select_related("endpoint").defer("body").order_by("pk")[:SHOWN_OF_A_CALL]
    return [
        {
            "title": row.event if row.endpoint_id else "Callback",
            "url": row.url,
            "host": row.host,
            "at": row.delivered_at or row.created_at,
            "state": row.get_status_display(),
            "colour": STATUS_COLOURS[str(row.get_status_display())],
            "attempts": row.attempts,
            "error": row.last_error,
            "link": reverse("admin:calls_webhookdelivery_change", args=[row.pk]) if may_open else "",
        }
        for row in rows
    ]

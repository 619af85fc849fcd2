"""Pages of webhook endpoints: add and change one, replace its secret, send a test or what was held, delete it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from calls.webhooks import maintenance
from providers.urls_allowed import check_callback_url
from tenants.admin.organizations import shown_once
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.forms import ScopedForm
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of
from tenants.db.encrypted_fields import is_readable
from tenants.models import WebhookEndpoint, WebhookEvent, all_webhook_events
from tenants.policy import Action

UNREADABLE = (
    "Cannot be read: none of FIELD_KEYS decrypts it. Deliveries wait. Restore the key, or make a new secret with “New "
    "secret”."
)


class WebhookEndpointForm(ScopedForm):
    events = forms.MultipleChoiceField(
        label="Events",
        choices=[
            (event.value, format_html('{} <code class="tl-quiet" translate="no">{}</code>', event.label, event.value))
            for event in WebhookEvent
        ],
        initial=all_webhook_events,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        error_messages={"required": "Choose at least one event."},
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "events", "is_active")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        check_callback_url(url)
        return url

    def clean_events(self) -> list[str]:
        return sorted(self.cleaned_data["events"])


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Return the endpoint read again and locked. Raises NotDone when somebody has deleted it."""
    found = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk, deleted_at=None).first()
    if found is None:
        raise NotDone("Somebody has deleted this endpoint meanwhile.")
    return found


def _test(request: HttpRequest, obj: WebhookEndpoint, values: Mapping[str, Any]) -> str:
    try:
        with transaction.atomic():
            delivery = maintenance.send_test(obj)
            page_of(WebhookEndpoint).audit(request, obj, "tested")
    except maintenance.DeliveryRefused as error:
        raise NotDone(str(error)) from error
    return f"The test is queued. The result will be among the webhook deliveries, under {delivery.uuid}."


def _replay_held(request: HttpRequest, obj: WebhookEndpoint, values: Mapping[str, Any]) -> str:
    try:
        with transaction.atomic():
            count = maintenance.replay_held(obj)
            page_of(WebhookEndpoint).audit(request, obj, "replayed_held", {"deliveries": count})
    except maintenance.DeliveryRefused as error:
        raise NotDone(str(error)) from error
    rest = " There are more: send them again afterwards." if count >= maintenance.REPLAYED_AT_ONCE else ""
    return f"{count:,} held deliveries are sent now, the oldest first.{rest}"


def _rotate(request: HttpRequest, obj: WebhookEndpoint, values: Mapping[str, Any]) -> HttpResponse:
    page = page_of(WebhookEndpoint)
    with transaction.atomic():
        endpoint = _locked(obj)
        endpoint.rotate_secret()
        page.audit(request, endpoint, "secret_rotated")
    return _shown(request, endpoint)


def _delete(request: HttpRequest, obj: WebhookEndpoint, values: Mapping[str, Any]) -> str:
    with transaction.atomic():
        endpoint = _locked(obj)
        page_of(WebhookEndpoint).audit(request, endpoint, "deleted")
        maintenance.delete(endpoint)
    return f"The endpoint “{obj}” is deleted. Nothing more is sent there."


def _shown(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    page = page_of(WebhookEndpoint)
    return shown_once(page, request, "Secret of the endpoint", endpoint.secret, page.url("change", endpoint.pk))


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ScopedAdmin):
    view_action = Action.SEE_WEBHOOKS
    add_action = change_action = Action.CHANGE_ENDPOINT
    form = WebhookEndpointForm
    add_title = "Add endpoint"
    plural = "Webhook endpoints"
    empty_words = "No endpoint yet. Add one for each of your systems that needs to know of events."
    list_display: ClassVar[Sequence[Any]] = ("address", "description", "state", "created")
    list_select_related = ("organization",)
    ordering = ("-id",)
    panel_template = "trunkline/facts.html"
    labels = {"url": "Address", "is_active": "Active"}
    created = local_time_column("created_at", "created")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "test",
            "Send a test",
            Action.REPLAY_WEBHOOK,
            lambda obj: [f"Sends the event webhook.test once to {obj.url}."],
            _test,
            offered=lambda obj: obj.is_active,
            icon="send",
        ),
        Step(
            "replay-held",
            "Send held deliveries",
            Action.REPLAY_WEBHOOK,
            lambda obj: [
                f"Sends what was held while the endpoint was switched off to {obj.url}, the oldest first.",
                f"At most {maintenance.REPLAYED_AT_ONCE:,} at a time.",
            ],
            _replay_held,
            offered=lambda obj: obj.is_active and maintenance.held_of(obj).exists(),
            icon="replay",
        ),
        Step(
            "rotate-secret",
            "New secret",
            Action.ROTATE_SECRET,
            lambda obj: [
                f"From now on a new secret signs what is sent to {obj.url}. It is shown once.",
                "For a day the old secret signs it too. By then, give the new one to the system that checks it.",
            ],
            _rotate,
            offered=lambda obj: obj.deleted_at is None,
            icon="key",
        ),
        Step(
            "remove",
            "Delete",
            Action.CHANGE_ENDPOINT,
            lambda obj: [
                f"Nothing more is sent to {obj.url}. What still waits or is held is not sent. This cannot be undone.",
                "What was sent stays in the list of webhook deliveries.",
            ],
            _delete,
            offered=lambda obj: obj.deleted_at is None,
            tone="danger",
            icon="delete",
            button="Delete this endpoint",
        ),
    )

    @admin.display(description="address")
    def address(self, row: WebhookEndpoint) -> str:
        return row.url

    @display(description="status", label={"Active": "success", "Switched off": "danger", "Deleted": "warning"})
    def state(self, row: WebhookEndpoint) -> str:
        if row.deleted_at:
            return "Deleted"
        return "Active" if row.is_active else "Switched off"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("old_secret")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("url", "description", "events")})]
        editable = self.has_change_permission(request, obj)
        return [(None, {"fields": ("url", "description", "events", "is_active") if editable else ()})]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Read an endpoint that is saved under its lock: an answer may switch it off, or somebody delete it."""
        with transaction.atomic():
            if request.method == "POST" and object_id and (found := self.get_object(request, object_id)):
                WebhookEndpoint.objects.select_for_update().filter(pk=found.pk).first()
            return super().changeform_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and form.changed_data:
            maintenance.apply_endpoint_change(obj)

    def response_add(self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: Any = None) -> HttpResponse:
        return _shown(request, obj)

    def panel_context(self, request: HttpRequest, obj: WebhookEndpoint) -> dict[str, Any]:
        deliveries = reverse("admin:calls_webhookdelivery_changelist")
        fields = [("Address", obj.url), ("Description", obj.description or "-"), ("Events", ", ".join(obj.events))]
        editable = self.has_change_permission(request, obj)
        return {
            "panel_only": not editable,
            "facts": [
                *([] if editable else fields),
                ("Status", ". ".join(filter(None, (self.state(obj), obj.disabled_reason)))),
                ("Secret", _secret_words(obj)),
                ("Created", local_time(obj.created_at)),
                ("Held deliveries", _held_words(obj)),
                ("Webhook deliveries", (f"{deliveries}?endpoint__id__exact={obj.pk}", "Show deliveries")),
            ],
        }


def _secret_words(endpoint: WebhookEndpoint) -> str:
    if endpoint.deleted_at:
        return "deleted"
    return "set" if is_readable(endpoint, "secret") else UNREADABLE


def _held_words(endpoint: WebhookEndpoint) -> str:
    """Return how many deliveries are held, and for how long."""
    count = maintenance.held_of(endpoint).count()
    if not count:
        return "-"
    kept = f"The newest {maintenance.HELD_AT_MOST:,} are kept, for {maintenance.HELD_KEPT.days} days."
    return f"{count:,}. Events while an endpoint is switched off are held until somebody sends them. {kept}"

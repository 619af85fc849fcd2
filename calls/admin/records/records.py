"""Read-only pages of provider events, scheduled callbacks and workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from calls.admin.people.buttons import CALLBACK_COLOURS, CALLBACK_STEPS
from calls.admin.shared.labels import without_secrets
from calls.models import Call, CallBack, Heartbeat, ProviderCallback, readable
from tenants.backoffice.filters import ChosenFilter, CreatedFilter
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.scoped_admin import ReadOnlyAdmin, page_of
from tenants.backoffice.superuser_admin import SuperuserReadOnlyAdmin
from tenants.policy import Action

ALIVE = timedelta(seconds=60)


VERIFICATIONS = (("verified", "Verified", "success"), ("unsigned", "Unsigned", "info"), ("bad", "Wrong", "danger"))
SIGNATURES = {code: label for code, label, _ in VERIFICATIONS}


class ReceivedFilter(CreatedFilter):
    column = "received_at"


class SignatureFilter(ChosenFilter):
    title, parameter_name = "signature", "signature"
    offered = SIGNATURES

    def condition(self, value: str) -> Q:
        return Q(verification=value)


class ReadFilter(ChosenFilter):
    title, parameter_name = "status", "read"
    offered: ClassVar = {"yes": "Read", "no": "Not read yet", "error": "Not readable"}

    def condition(self, value: str) -> Q:
        return {
            "yes": Q(processed_at__isnull=False, error=""),
            "no": Q(processed_at__isnull=True),
            "error": ~Q(error=""),
        }[value]


class RecordAdmin(ReadOnlyAdmin):
    view_action = Action.SEE_RAW
    panel_only = True
    panel_template = "trunkline/facts.html"
    ordering = ("-id",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]


@admin.register(ProviderCallback)
class ProviderCallbackAdmin(RecordAdmin):
    plural, singular = "Provider events", "Provider event"
    counted_as = ("provider event", "provider events")
    organization_path = "account__organization"
    list_display = ("received", "account", "of_call", "verified", "state")
    list_filter: ClassVar[Sequence[Any]] = (
        ReceivedFilter,
        ("account", ScopedRelatedFilter),
        SignatureFilter,
        ReadFilter,
    )
    list_lookups = ("signature", "read")
    list_select_related = ("account", "call")
    empty_words = "No provider event yet."
    received = local_time_column("received_at", "received")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("headers", "body")  # only the page of one event reads the body

    def title_of(self, obj: ProviderCallback) -> str:
        return f"Event of {obj.account}, {local_time(obj.received_at)}"

    @admin.display(description="call")
    def of_call(self, row: ProviderCallback) -> str:
        if not row.call:
            return "-"
        return format_html('<a class="tl-plain" href="{}">{}</a>', *page_of(Call).link_to(row.call))

    @display(description="signature", label={label: colour for _, label, colour in VERIFICATIONS})
    def verified(self, row: ProviderCallback) -> str:
        return SIGNATURES[row.verification]

    @admin.display(description="status")
    def state(self, row: ProviderCallback) -> str:
        return row.error or (f"Read {local_time(row.processed_at)}" if row.processed_at else "Not read yet")

    def panel_context(self, request: HttpRequest, obj: ProviderCallback) -> dict[str, Any]:
        body = readable(bytes(obj.body))
        return {
            "facts": [
                ("Received", local_time(obj.received_at)),
                ("Provider account", obj.account.name),
                ("Call", page_of(Call).link_to(obj.call) if obj.call else "-"),
                ("Signature", SIGNATURES[obj.verification]),
                ("Status", self.state(obj)),
            ],
            "raw_title": "Raw payload",
            "raw": without_secrets(body, obj.call) if obj.call else body,
        }


@admin.register(CallBack)
class CallBackAdmin(ReadOnlyAdmin):
    list_display = ("due", "contact_name", "of_campaign", "state", "reason", "note", "created_by")
    list_filter = ("status",)
    read_by = (("organization",),)
    list_lookups = ("contact", "recipient")
    list_select_related = ("contact", "recipient__campaign", "organization")
    ordering = ("-id",)
    plural = "Scheduled callbacks"
    counted_as = ("scheduled callback", "scheduled callbacks")
    empty_words = "No scheduled callback. Schedule one on the page of a recipient."
    intro = "Contacts who asked to be called at a certain time."
    panel_only = True
    panel_template = "trunkline/facts.html"
    steps = CALLBACK_STEPS
    due = local_time_column("due_at", "time")

    @admin.display(description="contact")
    def contact_name(self, row: CallBack) -> str:
        return str(row.contact)

    @admin.display(description="campaign")
    def of_campaign(self, row: CallBack) -> str:
        return row.recipient.campaign.name

    @display(description="status", label=CALLBACK_COLOURS)
    def state(self, row: CallBack) -> str:
        return str(row.get_status_display())

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: CallBack) -> dict[str, Any]:
        return {
            "facts": [
                ("Recipient", (reverse("admin:campaigns_recipient_change", args=[obj.recipient_id]), str(obj.contact))),
                ("Campaign", obj.recipient.campaign.name),
                ("Status", self.state(obj)),
                ("Reason", obj.reason or "-"),
                ("Time", local_time(obj.due_at)),
                ("Latest time", local_time(obj.latest_at)),
                ("Note", obj.note or "-"),
                ("Call", page_of(Call).link_to(obj.call) if obj.call else "-"),
                ("Created", format_html("{}, {}", local_time(obj.created_at), obj.created_by or "-")),
                ("Ended", local_time(obj.ended_at)),
            ]
        }


@admin.register(Heartbeat)
class HeartbeatAdmin(SuperuserReadOnlyAdmin):
    plural = "Workers"
    list_display = ("worker", "slot", "state", "last_seen", "started")
    fields = readonly_fields = ("worker", "slot", "last_seen", "started")
    last_seen = local_time_column("beaten_at", "last heartbeat")
    started = local_time_column("started_at", "started")

    @display(description="status", label={"Alive": "success", "Silent": "danger"})
    def state(self, row: Heartbeat) -> str:
        return "Alive" if row.beaten_at > timezone.now() - ALIVE else "Silent"

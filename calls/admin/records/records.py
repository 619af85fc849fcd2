"""What machines write about their own work, for people to read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display

from calls.admin.people.buttons import CALL_BACK_COLOURS, CALL_BACK_STEPS
from calls.admin.shared.labels import masked
from calls.models import CallBack, Heartbeat, ProviderCallback, evidence
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import Level
from tenants.backoffice.scoped_admin import ReadOnlyAdmin
from tenants.backoffice.superuser_admin import SuperuserReadOnlyAdmin

ALIVE = timedelta(seconds=60)


class RecordAdmin(ReadOnlyAdmin):
    view_level = Level.MANAGER
    panel_only = True
    panel_template = "trunkline/facts.html"
    ordering = ("-id",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]


@admin.register(ProviderCallback)
class ProviderCallbackAdmin(RecordAdmin):
    organization_path = "account__organization"
    list_display = ("received", "account", "verified", "state")
    list_select_related = ("account", "call")
    empty_words = "No provider has sent a callback yet."
    received = local_time_column("received_at", "received")

    @display(description="signature", label={"verified": "success", "unsigned": "info", "bad": "danger"})
    def verified(self, row: ProviderCallback) -> str:
        return row.verification

    @admin.display(description="state")
    def state(self, row: ProviderCallback) -> str:
        return row.error or (f"read {local_time(row.processed_at)}" if row.processed_at else "waits to be read")

    def panel_context(self, request: HttpRequest, obj: ProviderCallback) -> dict[str, Any]:
        body = evidence(bytes(obj.body))
        call = (reverse("admin:calls_call_change", args=[obj.call_id]), str(obj.call)) if obj.call_id else "-"
        return {
            "facts": [
                ("Received", local_time(obj.received_at)),
                ("Account", obj.account.name),
                ("Call", call),
                ("Signature", obj.verification),
                ("State", self.state(obj)),
            ],
            "raw_title": "As it came",
            "raw": masked(body, obj.call) if obj.call else body,
        }


@admin.register(CallBack)
class CallBackAdmin(ReadOnlyAdmin):
    list_display = ("due", "person", "of_campaign", "state", "reason", "note", "created_by")
    list_filter = ("status",)
    list_lookups = ("contact", "recipient")
    list_select_related = ("contact", "recipient__campaign", "organization")
    ordering = ("-id",)
    plural = "Call-backs"
    empty_words = "Nobody has asked to be called back. A call-back is promised on the page of a campaign's person."
    intro = "People who asked to be called at a time: due, kept or missed."
    panel_only = True
    panel_template = "trunkline/facts.html"
    steps = CALL_BACK_STEPS
    due = local_time_column("due_at", "asked for")

    @admin.display(description="person")
    def person(self, row: CallBack) -> str:
        return str(row.contact)

    @admin.display(description="campaign")
    def of_campaign(self, row: CallBack) -> str:
        return row.recipient.campaign.name

    @display(description="state", label=CALL_BACK_COLOURS)
    def state(self, row: CallBack) -> str:
        return str(row.get_status_display())

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: CallBack) -> dict[str, Any]:
        call = (reverse("admin:calls_call_change", args=[obj.call_id]), str(obj.call)) if obj.call_id else "-"
        return {
            "facts": [
                ("Person", (reverse("admin:campaigns_recipient_change", args=[obj.recipient_id]), str(obj.contact))),
                ("Campaign", obj.recipient.campaign.name),
                ("State", self.state(obj)),
                ("Reason", obj.reason or "-"),
                ("Asked for", local_time(obj.due_at)),
                ("At the latest", local_time(obj.latest_at)),
                ("Note", obj.note or "-"),
                ("Call", call),
                ("Promised by", f"{obj.created_by or '-'}, {local_time(obj.created_at)}"),
                ("Over", local_time(obj.ended_at)),
            ]
        }


@admin.register(Heartbeat)
class HeartbeatAdmin(SuperuserReadOnlyAdmin):
    list_display = ("worker", "slot", "state", "beaten", "began")
    fields = readonly_fields = ("worker", "slot", "beaten", "began")
    beaten = local_time_column("beaten_at", "last sign of life")
    began = local_time_column("started_at", "started")

    @display(description="state", label={"Alive": "success", "Silent": "danger"})
    def state(self, row: Heartbeat) -> str:
        return "Alive" if row.beaten_at > timezone.now() - ALIVE else "Silent"

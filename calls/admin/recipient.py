"""One person of a campaign: where they stand, and every check the gate makes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from calls.admin import words
from calls.admin.people_steps import RECIPIENT_STEPS, call_back_link, hold_words
from calls.explain import explain
from calls.models import Call
from campaigns.admin.numbers import NumberedAdmin
from campaigns.import_pages import both_spellings
from campaigns.models import Recipient
from tenants.local_time import local_minute, local_time, local_time_column
from tenants.staff import (
    ReadOnlyAdmin,
)


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin, NumberedAdmin):
    organization_path = "campaign__organization"
    list_display = ("number", "name", "state", "outcome_shown", "attempts", "next_attempt", "of_campaign")
    list_filter = ("status",)
    list_lookups = ("campaign", "status", "outcome")
    list_select_related = ("campaign", "contact")
    number_fields = ("contact__phone",)
    ordering = ("-id",)
    empty_words = "Nobody here. A campaign's people appear when it starts."
    panel_only = True
    panel_template = "trunkline/recipient.html"
    steps = RECIPIENT_STEPS
    next_attempt = local_time_column("next_attempt_at", "next call from")

    @admin.display(description="number")
    def number(self, row: Recipient) -> str:
        return both_spellings(row.contact.number)

    @admin.display(description="name")
    def name(self, row: Recipient) -> str:
        return row.contact.name or "-"

    @admin.display(description="campaign")
    def of_campaign(self, row: Recipient) -> str:
        return row.campaign.name

    @display(description="state", label=words.RECIPIENT_LABELS)
    def state(self, row: Recipient) -> str:
        return str(row.get_status_display())

    @admin.display(description="outcome")
    def outcome_shown(self, row: Recipient) -> str:
        return ", ".join(part for part in (words.reason(row.outcome), words.reason(row.reason)) if part) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: Recipient) -> dict[str, Any]:
        calls = Call.objects.filter(recipient=obj).select_related("account")[:50]
        promised = obj.call_backs.first()
        person: Any = str(obj.contact)
        if not obj.contact.erased_at:
            person = (reverse("admin:campaigns_contact_change", args=[obj.contact_id]), person)
        found = explain(obj)
        verdict, colour = {
            "allow": ("May be called now", "success"),
            "defer": ("Has to wait", "warning"),
            "skip": ("Is not called", "danger"),
        }[found.decision]
        return {
            "label": verdict,
            "colour": colour,
            "until": local_time(found.until, ""),
            "checks": [
                {"name": words.check_name(check.name), "ok": check.result == "allow", "detail": check.detail}
                for check in found.checks
            ],
            "facts": [
                ("Person", person),
                ("Campaign", (reverse("admin:campaigns_campaign_change", args=[obj.campaign_id]), obj.campaign.name)),
                ("State", obj.get_status_display()),
                ("Outcome", words.reason(obj.outcome) or "-"),
                ("Reason", words.reason(obj.reason) or "-"),
                ("Calls made", obj.attempts),
                ("Next call from", local_time(obj.next_attempt_at)),
                ("Call-back", call_back_link(promised)),
                ("Hold", hold_words(obj.contact)),
            ],
            "calls": call_rows(calls),
        }


def call_rows(calls: Any) -> list[dict[str, Any]]:
    """Calls as a small table on another object's page."""
    return [
        {
            "url": reverse("admin:calls_call_change", args=[call.pk]),
            "at": local_minute(call.created_at),
            "badge": words.badge(call),
            "what": words.duration(call.duration_seconds)
            if call.duration_seconds
            else words.reason(call.ended_reason) or "-",
            "campaign": call.campaign.name if call.campaign_id and call.campaign else "single call",
        }
        for call in calls
    ]

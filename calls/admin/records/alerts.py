"""The list and page of alerts. An alert links to the object that it is about."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, Model, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from campaigns import zone_check
from campaigns.admin.contact import ANY_FAULT
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants import alerts
from tenants.backoffice.buttons import Step
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ReadOnlyAdmin
from tenants.models import Alert
from tenants.policy import Action

SUBJECTS: Mapping[str, type[Model]] = {"account": ProviderAccount, "campaign": Campaign}


def _seen(request: HttpRequest, obj: Alert, values: Mapping[str, Any]) -> str:
    alerts.mark_seen(obj, reach_of(request).actor)
    return "Marked as seen."


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    panel_only = True
    panel_template = "trunkline/facts.html"
    list_display = ("raised", "message", "state")
    list_display_links = ("raised", "message")
    list_select_related = ("organization",)
    ordering = (Case(When(seen_at=None, ended_at=None, then=Value(0)), default=Value(1)), "-id")
    empty_words = "Nothing needs your attention."
    intro = "Unseen alerts come first."
    raised = local_time_column("at", "time")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "seen",
            "Mark as seen",
            Action.MARK_ALERT,
            lambda obj: ["The alert disappears from the dashboard of all team members. Nothing else changes."],
            _seen,
            offered=lambda obj: obj.seen_at is None and obj.ended_at is None,
            tone="primary",
            icon="done",
        ),
    )

    @display(description="status", label={"New": "danger", "Seen": "success", "Over": "info"})
    def state(self, row: Alert) -> str:
        return "Over" if row.ended_at else "Seen" if row.seen_at else "New"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: Alert) -> dict[str, Any]:
        facts: list[tuple[str, Any]] = [("Alert", obj.message), ("Time", local_time(obj.at))]
        facts.append(("About", self._subject(obj)))
        if obj.seen_at:
            facts.append(("Seen", format_html("{}, {}", local_time(obj.seen_at), obj.seen_by)))
        if obj.ended_at:
            facts.append(("Over since", local_time(obj.ended_at)))
        return {"facts": facts}

    def _subject(self, obj: Alert) -> Any:
        """Return the address and name of the object that the alert is about, or a dash."""
        if obj.key.startswith(f"{zone_check.TIME_ZONES}:"):
            url = reverse("admin:campaigns_contact_changelist")
            return f"{url}?zone_fault={ANY_FAULT}&organization__id__exact={obj.organization_id}", "These contacts"
        model = next(
            (model for name, model in SUBJECTS.items() if f"{name}:" in obj.key or f"{name}." in obj.key), None
        )
        try:
            subject = uuid.UUID(obj.subject)
        except ValueError:
            return "-"
        if model is None:
            return "-"
        found: Any = model._default_manager.filter(organization=obj.organization_id, uuid=subject).first()
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return (reverse(page, args=[found.pk]), str(found)) if found else "-"

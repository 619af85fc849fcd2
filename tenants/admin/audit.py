"""Pages of the audit log. They only read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.scoped_admin import ReadOnlyAdmin
from tenants.models import AuditEntry
from tenants.policy import Action


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    view_action = Action.SEE_AUDIT
    list_display = ("when", "actor", "action", "subject")
    word_fields = ("actor", "action")
    exact_fields = ("subject",)
    list_select_related = ("organization",)
    plural = "Audit log"
    empty_words = "The audit log is empty."
    panel_only = True
    panel_template = "trunkline/facts.html"
    when = local_time_column("at", "time")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        details = [(str(name).replace("_", " ").capitalize(), _words(value)) for name, value in obj.detail.items()]
        return {
            "facts": [
                ("Time", local_time(obj.at)),
                ("Actor", obj.actor),
                ("Action", obj.action),
                ("Subject", obj.subject),
                ("Organization", obj.organization or "-"),
                *details,
            ]
        }


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

"""Saved mappings of columns: view, rename and delete them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from campaigns.admin.import_forms import target_label
from campaigns.models import ImportMapping
from tenants.backoffice.forms import ScopedForm
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.policy import Action


class ImportMappingForm(ScopedForm):
    class Meta:
        model = ImportMapping
        fields = ("name",)


@admin.register(ImportMapping)
class ImportMappingAdmin(ScopedAdmin):
    form = ImportMappingForm
    change_action = delete_action = Action.CHANGE_MAPPING
    empty_words = "No mapping is saved. When you import a file, turn on “Remember what these columns become”."
    intro = "What the columns of a file become. The next file with the same columns uses the mapping automatically."
    list_display = ("name", "column_names", "saved_by", "saved")
    list_select_related = ("organization",)
    text_fields = ("name",)
    panel_template = "trunkline/facts.html"
    saved = local_time_column("saved_at", "saved")

    @admin.display(description="columns")
    def column_names(self, row: ImportMapping) -> str:
        return ", ".join(column for column, _ in row.columns)

    def panel_context(self, request: HttpRequest, obj: ImportMapping) -> dict[str, Any]:
        facts = [(column, target_label(target)) for column, target in obj.columns]
        return {"facts": [*facts, ("Saved", format_html("{}, {}", local_time(obj.saved_at), obj.saved_by))]}

"""The base of every admin page: team members see only their organizations, and their role decides what they may do."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.forms.utils import pretty_name
from django.http import HttpRequest
from unfold.admin import TabularInline

from tenants.backoffice.bulk_pages import BulkPages
from tenants.backoffice.object_pages import ObjectPages
from tenants.backoffice.scoped_forms import PlainDecimals, ScopedForms
from tenants.backoffice.scoped_lists import ScopedLists


class ScopedAdmin(BulkPages, ObjectPages, ScopedForms, ScopedLists):
    """A ModelAdmin of rows that belong to organizations, found over `organization_path`.

    Each part is a module: `scoped_rows` (who sees and may do what), `scoped_lists`, `scoped_forms`, `object_pages`,
    `bulk_pages`.
    """


class ReadOnlyAdmin(ScopedAdmin):
    """Rows that only the program writes."""

    add_action = change_action = delete_action = None


class ScopedInline(PlainDecimals, TabularInline):
    """Rows in the form of a parent. The permission to change the parent covers them."""

    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Label each field for screen readers: the heading of a table column is not a label."""
        formset = super().get_formset(request, obj, **kwargs)
        for name, field in formset.form.base_fields.items():
            if not isinstance(field.widget, forms.CheckboxSelectMultiple):
                field.widget.attrs.setdefault("aria-label", field.label or pretty_name(name))
        return formset

    def _of_parent(self, request: HttpRequest, obj: Any = None) -> bool:
        parent = page_of(self.parent_model)
        return parent.has_add_permission(request) if obj is None else parent.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return page_of(self.parent_model).has_view_permission(request, obj)

    has_add_permission = has_change_permission = has_delete_permission = _of_parent


def page_of(model: type[models.Model]) -> ScopedAdmin:
    """Return the registered admin pages of one of our models."""
    found = admin.site._registry[model]
    assert isinstance(found, ScopedAdmin)  # noqa: S101 (every model of ours is registered with one)
    return found

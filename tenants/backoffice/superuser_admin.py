"""The base of admin pages that only superusers see."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tenants import audit_changes
from tenants.backoffice.exports import ExportedList
from tenants.backoffice.lists import CappedPaginator
from tenants.backoffice.roles import reach_of
from tenants.policy import Action


class SuperuserAdmin(ExportedList):
    """Rows that belong to the installation, not to an organization."""

    actions: Any = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator: Any = CappedPaginator

    def has_module_permission(self, request: HttpRequest) -> bool:
        return reach_of(request).may(Action.ADMINISTER)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        names = [name for name in form.changed_data if "password" not in name]
        before = audit_changes.facts(audit_changes.stored(obj) if change else None, names)
        super().save_model(request, obj, form, change)
        if names or not change:
            changes = audit_changes.differences(before, audit_changes.facts(obj, names))
            self.audit(request, obj, "changed" if change else "added", {"fields": names}, changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.audit(request, obj, "deleted")
        super().delete_model(request, obj)


class SuperuserReadOnlyAdmin(SuperuserAdmin):
    """Tables that libraries maintain. Nobody edits them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

"""The base of admin pages that only superusers see."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tenants.backoffice.exports import ExportedList
from tenants.backoffice.framed_pages import FramedPages
from tenants.backoffice.lists import CappedPaginator
from tenants.backoffice.roles import reach_of
from tenants.policy import Action


class SuperuserAdmin(FramedPages, ExportedList):
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
        save = partial(super().save_model, request, obj, form, change)
        self.audit_save(request, obj, names, change, save)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.audit(request, obj, "deleted")
        super().delete_model(request, obj)


class SuperuserReadOnlyAdmin(SuperuserAdmin):
    """Tables that libraries maintain. Nobody edits them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

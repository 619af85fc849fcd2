"""Which rows a team member sees on the admin pages, and what the role allows for them.

Django's model permissions are not used. Every `has_*_permission` is derived from memberships.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.backoffice.exports import ExportedList
from tenants.backoffice.framed_pages import FramedPages
from tenants.backoffice.roles import reach_of
from tenants.policy import Action


class ScopedRows(FramedPages, ExportedList):
    """A ModelAdmin of rows that belong to organizations. `organization_path` is the lookup of a row's organization."""

    organization_path: ClassVar[str] = "organization"
    # Actions of the policy. None: nobody does it on these pages.
    view_action: ClassVar[Action] = Action.SEE
    add_action: ClassVar[Action | None] = None
    change_action: ClassVar[Action | None] = None
    delete_action: ClassVar[Action | None] = None
    list_lookups: ClassVar[tuple[str, ...]] = ()  # allowed in the address of a list, besides the filters

    def organization_id_of(self, obj: Any) -> int | None:
        *names, last = self.organization_path.split("__")
        for name in names:
            obj = getattr(obj, name)
        found: int | None = obj.pk if last == "pk" else getattr(obj, f"{last}_id")
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        reach = reach_of(request)
        if reach.superuser and not reach.narrowed:
            return rows
        return rows.filter(**{f"{self.organization_path}__in": reach.where(self.view_action)})

    def found(self, request: HttpRequest, pk: int, action: Action | None = None) -> Any:
        """Return the object if the user may see it and do the action with it, else None."""
        obj = self.get_queryset(request).filter(pk=pk).first() if 0 < pk < 2**63 else None
        if obj is None or not self.has_view_permission(request, obj):
            return None
        return obj if action is None or self.holds(request, action, obj) else None

    def holds(self, request: HttpRequest, action: Action | None, obj: Any = None) -> bool:
        """Return whether the user may do the action with this object, or in any organization when `obj` is None."""
        if obj is None:
            return reach_of(request).may(action)
        organization_id = self.organization_id_of(obj)
        if organization_id is None:  # it belongs to the installation
            return reach_of(request).superuser and reach_of(request).may(action)
        return reach_of(request).may(action, organization_id)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.holds(request, self.view_action)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.view_action, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.add_action)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.change_action, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.delete_action, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the declared filters: the values of any other column could be guessed letter by letter."""
        names = [
            entry if isinstance(entry, str) else entry[0] for entry in self.list_filter if not isinstance(entry, type)
        ]
        if any(lookup in getattr(entry, "parameters", ()) for entry in self.list_filter):
            return True
        plain = {"exact", "id", "pk", "isnull"}
        for name in (*names, *self.list_lookups):
            if lookup == name or (lookup.startswith(f"{name}__") and set(lookup[len(name) + 2 :].split("__")) <= plain):
                return True
        return False

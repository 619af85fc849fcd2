"""Which rows a team member sees on the admin pages, and what the role allows for them.

Django's model permissions are not used. Every `has_*_permission` is derived from memberships.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from tenants import audit_log
from tenants.backoffice.exports import ExportedList
from tenants.backoffice.framed_pages import FramedPages
from tenants.backoffice.roles import Level, reach_of


class ScopedRows(FramedPages, ExportedList):
    """A ModelAdmin of rows that belong to organizations. `organization_path` is the lookup of a row's organization."""

    organization_path: ClassVar[str] = "organization"
    view_level: ClassVar[Level] = Level.VIEWER
    add_level: ClassVar[Level] = Level.MANAGER
    change_level: ClassVar[Level] = Level.MANAGER
    delete_level: ClassVar[Level] = Level.MANAGER
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
        return rows if reach.superuser else rows.filter(**{f"{self.organization_path}__in": list(reach.levels)})

    def found(self, request: HttpRequest, pk: int) -> Any:
        """Return the object if the user may see it, else None."""
        obj = self.get_queryset(request).filter(pk=pk).first() if 0 < pk < 2**63 else None
        return obj if obj is not None and self.has_view_permission(request, obj) else None

    def holds(self, request: HttpRequest, level: Level, obj: Any = None) -> bool:
        """Return whether the user has the level for this object, or in any organization when `obj` is None."""
        if obj is None:
            return reach_of(request).has(level)
        organization_id = self.organization_id_of(obj)
        if organization_id is None:
            return reach_of(request).superuser and level != Level.NOBODY
        return reach_of(request).has(level, organization_id)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.holds(request, self.view_level)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.view_level, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.add_level)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.change_level, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.delete_level, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the declared filters: the values of any other column could be guessed letter by letter."""
        names = [
            entry if isinstance(entry, str) else entry[0] for entry in self.list_filter if not isinstance(entry, type)
        ]
        plain = {"exact", "id", "pk", "isnull"}
        for name in (*names, *self.list_lookups):
            if lookup == name or (lookup.startswith(f"{name}__") and set(lookup[len(name) + 2 :].split("__")) <= plain):
                return True
        return False

    def audit(self, request: HttpRequest, obj: Any, action: str, detail: Mapping[str, Any] | None = None) -> None:
        """Record an action on a row. `detail` holds names of fields, never values: values may be secret."""
        audit_log.record(
            self.organization_id_of(obj),
            actor=reach_of(request).actor,
            action=f"{self.opts.model_name}.{action}",
            subject=str(getattr(obj, "uuid", obj.pk)),
            detail=dict(detail or {}),
        )

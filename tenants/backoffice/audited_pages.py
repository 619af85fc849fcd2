"""Admin pages that record what is done on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

from tenants import audit_changes
from tenants.backoffice.roles import reach_of


class AuditedPages(ModelAdmin):
    def organization_id_of(self, obj: Any) -> int | None:
        """Return the key of the row's organization, None for a row of the installation."""
        return None

    def audit(
        self,
        request: HttpRequest,
        obj: Any,
        action: str,
        detail: Mapping[str, Any] | None = None,
        changes: audit_changes.Facts | None = None,
    ) -> None:
        """Record an action on a row. `detail` holds no secrets and nothing about a contact; `changes` masks them."""
        audit_changes.record(
            self.organization_id_of(obj),
            obj,
            actor=reach_of(request).actor,
            action=f"{audit_changes.kind_of(self.model)}.{action}",
            detail=detail or {},
            changes=changes,
        )

    def audit_save(
        self, request: HttpRequest, obj: Any, names: Sequence[str], change: bool, save: Callable[[], None]
    ) -> None:
        """Save a row and record what a form changed of these fields, or that the row is new."""
        old = audit_changes.before(obj if change else None, names)
        save()
        if names or not change:
            changes = audit_changes.since(old, obj, names)
            self.audit(request, obj, "changed" if change else "added", {"fields": names}, changes)

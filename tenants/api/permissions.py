"""What a view demands: a scope per method, named on the view."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants.api.access import Access
from tenants.models import Scope


class HasScope(BasePermission):
    """Refuses whoever holds the demanded scope nowhere. The object's own organization is checked by `ScopedViewSet`.

    A view says `write_scope` (default: manage) and `action_scopes`, a scope for single actions by name.
    """

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        reach = request.auth
        return isinstance(reach, Access) and reach.may(demanded(request, view))


def demanded(request: Request, view: Any) -> Scope:
    named: dict[str, Scope] = getattr(view, "action_scopes", {})
    action = getattr(view, "action", None)
    if action in named:
        return named[action]
    if request.method in SAFE_METHODS:
        return Scope.READ
    return getattr(view, "write_scope", Scope.MANAGE)

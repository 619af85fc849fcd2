"""The scope that a request needs: one for each method, declared on the view."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants.api.access import Access
from tenants.models import Scope


class HasScope(BasePermission):
    """Refuse a caller that has the required scope in no organization. `ScopedViewSet` checks the object's organization.

    A view declares `write_scope` (default: manage) and `action_scopes`, the scopes of single actions by name.
    """

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        reach = request.auth
        return isinstance(reach, Access) and reach.may(required_scope(request, view))


def required_scope(request: Request, view: Any) -> Scope:
    """Return the scope that this request to the view needs."""
    named: dict[str, Scope] = getattr(view, "action_scopes", {})
    action = getattr(view, "action", None)
    if action in named:
        return named[action]
    if request.method in SAFE_METHODS:
        return Scope.READ
    return getattr(view, "write_scope", Scope.MANAGE)

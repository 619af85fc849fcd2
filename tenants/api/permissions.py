"""The action of the policy that a request does. Each view names it for each of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.api.access import Access
from tenants.policy import Action

READS = ("list", "retrieve")
WRITES = ("create", "partial_update", "destroy")
DESCRIBES = ("metadata", "options")  # the answer says nothing about an organization


class MayDo(BasePermission):
    """Refuse a caller that may do the action in no organization. `ScopedViewSet` checks the object's organization.

    A view declares `needs`: the action of the policy for each method, by DRF's name of it. A method that is not in it
    is refused to everybody.
    """

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        reach = request.auth
        return isinstance(reach, Access) and reach.may(required_action(request, view))


def required_action(request: Any, view: Any) -> Action | None:
    """Return the action of the policy that this request to the view does. None: the view does not declare it."""
    name = view.action if hasattr(view, "action") else str(request.method).lower().replace("head", "get")
    if name is None or name in DESCRIBES or not hasattr(view, name):
        return Action.SEE  # a method that the view does not have is answered with 405
    needs: Mapping[str, Action] = getattr(view, "needs", {})
    return needs.get(name)


def crud(see: Action, change: Action) -> dict[str, Action]:
    """Return the `needs` of a view that lists, reads, creates, changes and deletes."""
    return dict.fromkeys(READS, see) | dict.fromkeys(WRITES, change)

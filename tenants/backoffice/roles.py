"""In which organizations a team member may do what, and in which time zone times are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from tenants.backoffice.local_time import zone_of
from tenants.grants import Grants
from tenants.models import Membership, Organization, member_level
from tenants.policy import Action, Grant, Level


@dataclass(frozen=True)
class Reach(Grants):
    """What the user of a page may do."""

    superuser: bool = False
    zone: str = "UTC"  # in which pages show and read times for this user
    two_step_required: bool = False  # by one of the organizations

    def may(self, action: Action | None, organization_id: int | None = None) -> bool:
        """Return the same; a superuser may do it, too, where there is no organization."""
        return (self.superuser and Grant(Level.SUPERUSER).may(action)) or super().may(action, organization_id)


def reach_of(request: HttpRequest) -> Reach:
    """Return the reach of the signed-in user. It is queried once per request."""
    found: Reach | None = getattr(request, "_reach", None)
    if found is None:
        found = _reach(request.user)
        request._reach = found  # type: ignore[attr-defined]
    return found


def _reach(user: Any) -> Reach:
    if not user.is_authenticated or not user.is_active:
        return Reach("")
    actor = user.get_username()
    if member_level(user, None) is Level.SUPERUSER:
        every = dict(Organization.objects.values_list("pk", "two_step_required"))
        grants = dict.fromkeys(every, Grant(Level.SUPERUSER))
        return Reach(actor, grants, True, zone_of(user), two_step_required=any(every.values()))
    columns = (
        *("organization_id", "role", "user__staff_settings__timezone", "organization__timezone"),
        "organization__two_step_required",
    )
    found = list(Membership.objects.filter(user_id=user.pk).order_by("pk").values_list(*columns))
    zone = next((chosen or home for _, _, chosen, home, _ in found), "UTC")
    held = {pk: member_level(user, role) for pk, role, *_ in found}
    grants = {pk: Grant(level) for pk, level in held.items() if level is not None}
    return Reach(actor, grants, zone=zone, two_step_required=any(required for *_, required in found))


class LocalTimeMiddleware:
    """Activate the user's time zone for pages of the back office. Everything else is in UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not (request.path.startswith(reverse("admin:index")) and request.user.is_authenticated):
            return self.get_response(request)
        with timezone.override(ZoneInfo(reach_of(request).zone)):
            return self.get_response(request)


def regions_of(request: HttpRequest) -> list[str]:
    """Return the country codes by which the user's organizations read national numbers."""
    found = reach_of(request).organizations().values_list("default_region", flat=True)
    return sorted(set(found[:100]))

"""What a team member may do: in which organizations, at what level, and in which time zone times are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from tenants.backoffice.local_time import zone_of
from tenants.models import Membership, Organization


class Level(IntEnum):
    """What a team member may do in one organization. Each level includes the lower ones."""

    VIEWER = 1
    OPERATOR = 2
    MANAGER = 3
    ADMIN = 4
    SUPERUSER = 5
    NOBODY = 9  # not even superusers


ROLE_LEVEL = {
    Membership.Role.VIEWER: Level.VIEWER,
    Membership.Role.OPERATOR: Level.OPERATOR,
    Membership.Role.MANAGER: Level.MANAGER,
    Membership.Role.ADMIN: Level.ADMIN,
}


@dataclass(frozen=True)
class Reach:
    """The user of a request, and the level held in each organization, by internal key."""

    actor: str
    levels: Mapping[int, Level]
    superuser: bool = False
    zone: str = "UTC"  # in which pages show and read times for this user
    two_step_required: bool = False  # by one of the organizations

    def has(self, level: Level, organization_id: int | None = None) -> bool:
        """Return whether the user has the level in the organization, or in any organization when it is None."""
        if level == Level.NOBODY:
            return False
        if self.superuser:
            return True
        if organization_id is None:
            return any(held >= level for held in self.levels.values())
        return self.levels.get(organization_id, 0) >= level

    def organizations(self, level: Level = Level.VIEWER) -> QuerySet[Organization]:
        return Organization.objects.filter(pk__in=[pk for pk, held in self.levels.items() if held >= level])


def reach_of(request: HttpRequest) -> Reach:
    """Return the reach of the signed-in user. It is queried once per request."""
    found: Reach | None = getattr(request, "_reach", None)
    if found is None:
        found = _reach(request.user)
        request._reach = found  # type: ignore[attr-defined]
    return found


def _reach(user: Any) -> Reach:
    if not user.is_authenticated or not user.is_active:
        return Reach("", {})
    actor = user.get_username()
    if user.is_superuser:
        every = dict(Organization.objects.values_list("pk", "two_step_required"))
        levels = dict.fromkeys(every, Level.SUPERUSER)
        return Reach(actor, levels, True, zone_of(user), two_step_required=any(every.values()))
    columns = (
        *("organization_id", "role", "user__staff_settings__timezone", "organization__timezone"),
        "organization__two_step_required",
    )
    found = list(Membership.objects.filter(user_id=user.pk).order_by("pk").values_list(*columns))
    zone = next((chosen or home for _, _, chosen, home, _ in found), "UTC")
    levels = {pk: ROLE_LEVEL[Membership.Role(role)] for pk, role, *_ in found}
    return Reach(actor, levels, zone=zone, two_step_required=any(required for *_, required in found))


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

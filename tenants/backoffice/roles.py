"""In which organizations a team member may do what, and in which time zone times are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from tenants.backoffice.local_time import zone_and_language_of
from tenants.grants import Grants
from tenants.models import Membership, Organization, member_level
from tenants.policy import Action, Grant, Level

CHOSEN = "organization"  # session key: the organization whose rows lists show and forms add
# Names of the pages that follow the choice: lists, their files, forms for new records, and the dashboard. Every other
# page shows one record, which may be of any of the user's organizations.
FOLLOWING = ("_changelist", "_export", "_add")
DASHBOARD = ("index", "calls_call_overview", "calls_call_today")


@dataclass(frozen=True)
class Reach(Grants):
    """What the user of a page may do."""

    superuser: bool = False
    zone: str = "UTC"  # in which pages show and read times for this user
    language: str = ""  # in which pages speak to this user; "": the browser's
    two_step_required: bool = False  # by one of the organizations
    names: Mapping[int, str] = field(default_factory=dict)  # of all the user's organizations, by internal key
    regions: Mapping[int, str] = field(default_factory=dict)  # their default countries
    everywhere: Mapping[int, Grant] = field(default_factory=dict)  # the grants without the choice of an organization
    chosen: int | None = None
    narrowed: bool = False  # this page shows the chosen organization alone

    def may(self, action: Action | None, organization_id: int | None = None) -> bool:
        """Return the same; a superuser may do it, too, where there is no organization."""
        return (self.superuser and Grant(Level.SUPERUSER).may(action)) or super().may(action, organization_id)


def reach_of(request: HttpRequest) -> Reach:
    """Return the reach of the signed-in user. It is queried once per request."""
    found: Reach | None = getattr(request, "_reach", None)
    if found is None:
        found = _chosen(request, _reach(request.user))
        request._reach = found  # type: ignore[attr-defined]
    return found


def _chosen(request: HttpRequest, found: Reach) -> Reach:
    """Return the reach with the user's choice of an organization. A choice only ever takes grants away."""
    chosen: int = getattr(request, "session", {}).get(CHOSEN, 0)
    found = replace(found, everywhere=found.grants)
    if chosen not in found.grants or len(found.grants) < 2:
        return found
    if not _follows(request) or _names_another(request):
        return replace(found, chosen=chosen)
    return replace(found, chosen=chosen, grants={chosen: found.grants[chosen]}, narrowed=True)


def _follows(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).url_name or ""  # the middleware asks before the request is resolved
    except Resolver404:
        return False
    return name.endswith(FOLLOWING) or name in DASHBOARD


def _names_another(request: HttpRequest) -> bool:
    """Return whether the address itself says whose rows it is about: an organization, or an object as a filter.

    Links on the page of a record of another organization do. The choice must neither empty such a list nor let a form
    write into the chosen organization instead.
    """
    return "organization" in request.GET or any(name.endswith("__id__exact") for name in request.GET)


def _reach(user: Any) -> Reach:
    if not user.is_authenticated or not user.is_active:
        return Reach("")
    actor = user.get_username()
    if member_level(user, None) is Level.SUPERUSER:
        every = list(Organization.objects.values_list("pk", "two_step_required", "default_region", "name"))
        grants = {pk: Grant(Level.SUPERUSER) for pk, *_ in every}
        names, regions = {pk: name for pk, *_, name in every}, {pk: region for pk, _, region, _ in every}
        required = any(required for _, required, *_ in every)
        zone, language = zone_and_language_of(user)
        return Reach(actor, grants, True, zone, language, two_step_required=required, names=names, regions=regions)
    columns = (
        *("organization_id", "role", "user__staff_settings__timezone", "organization__timezone"),
        *("organization__two_step_required", "organization__default_region", "organization__name"),
        "user__staff_settings__language",
    )
    found = list(Membership.objects.filter(user_id=user.pk).order_by("pk").values_list(*columns))
    zone = next((chosen or home for _, _, chosen, home, *_ in found), "UTC")
    language = next((row[-1] or "" for row in found), "")
    held = {pk: member_level(user, role) for pk, role, *_ in found}
    grants = {pk: Grant(level) for pk, level in held.items() if level is not None}
    names = {pk: name for pk, *_, name, _ in found if pk in grants}
    regions = {pk: region for pk, *_, region, _, _ in found}
    required = any(row[4] for row in found)
    return Reach(actor, grants, zone=zone, language=language, two_step_required=required, names=names, regions=regions)


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
    """Return the country codes by which the user's organizations read national numbers, at most 100."""
    reach = reach_of(request)
    return sorted({reach.regions[pk] for pk in reach.grants})[:100]

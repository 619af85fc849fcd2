"""The organization that a team member of several works in: which one lists and new records are for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.backoffice.roles import CHOSEN, Reach, reach_of

OFFERED = 200  # organizations in the switcher


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what the foot of the sidebar shows (a context processor)."""
    return {"place": Place(request)}


class Place:
    """The organization and role at the foot of the sidebar. Nothing is read until a template asks."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def _reach(self) -> Reach:
        return reach_of(self._request)

    @property
    def name(self) -> str:
        names = self._reach.names
        if len(names) == 1:
            return next(iter(names.values()))
        return names.get(self._reach.chosen or 0, "All organizations") if names else ""

    @property
    def role(self) -> str:
        reach = self._reach
        if reach.superuser:
            return "Superuser"
        levels = {grant.level for pk, grant in reach.everywhere.items() if reach.chosen in (None, pk)}
        return levels.pop().name.capitalize() if len(levels) == 1 else ""

    @property
    def options(self) -> list[tuple[int, str, bool]]:
        """Return the organizations to choose from: key, name, and whether it is chosen. Empty for a single one."""
        names = sorted(self._reach.names.items(), key=lambda pair: pair[1].casefold())
        return [(pk, name, pk == self._reach.chosen) for pk, name in names[:OFFERED]] if len(names) > 1 else []

    @property
    def here(self) -> str:
        return self._request.get_full_path()


def view(request: HttpRequest) -> HttpResponse:
    """Choose an organization, or all of them, and return to the page."""
    if request.method != "POST":  # such as after a sign-in, when the form was sent without a session
        return redirect("admin:index")
    given = request.POST.get("organization", "")
    request.session.pop(CHOSEN, None)
    if given.isascii() and given.isdigit() and len(given) < 19 and int(given) in reach_of(request).names:
        request.session[CHOSEN] = int(given)
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, None) else "admin:index")

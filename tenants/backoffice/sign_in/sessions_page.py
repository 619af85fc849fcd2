"""The page of one's own sessions, and the question of a page whether its session is still in force."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenants.backoffice.local_time import local_time
from tenants.backoffice.sign_in.sign_in_pages import frame
from tenants.models import StaffSession
from tenants.sign_in import sign_in_log
from tenants.sign_in.sessions import end_sessions, in_force

SHOWN = 100
# The most particular names first: every browser also claims to be another one.
BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("iPhone|iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """Return the browser and system that a User-Agent header names, such as `Firefox on Linux`."""
    browser = next((name for word, name in BROWSERS if re.search(word, agent)), "")
    system = next((name for word, name in SYSTEMS if re.search(word, agent)), "")
    return " on ".join(filter(None, [browser, system])) or agent[:60] or "Unknown browser"


def view(request: HttpRequest) -> HttpResponse:
    """List the sessions. POST ends one (`session`, its place in time) or all others."""
    mine = in_force().filter(user_id=request.user.pk).order_by("-seen_at", "-signed_in_at")
    if request.method == "POST":
        return _end(request)
    rows = [_row(row, request.session.session_key) for row in mine[:SHOWN]]
    context = frame(request, "Your sessions", rows=rows, others=len(rows) > 1)
    return TemplateResponse(request, "trunkline/sign_in/sessions.html", context)


def _row(row: Any, current: str | None) -> dict[str, Any]:
    return {
        "mark": _mark(row),
        "current": row.session_key == current,
        "browser": browser_name(row.browser),
        "address": row.address or "Unknown address",
        "seen": local_time(row.seen_at),
        "signed_in": local_time(row.signed_in_at),
    }


def _mark(row: Any) -> str:
    """Return what names a session on the page: not its key, with which anybody could take the session over."""
    return str(row.signed_in_at.timestamp())


def _end(request: HttpRequest) -> HttpResponse:
    current, mark = request.session.session_key, request.POST.get("session")
    user_id = int(request.user.pk or 0)
    with transaction.atomic():
        if mark is None:
            ended = end_sessions(user_id, but=current)
        else:
            mine = StaffSession.objects.filter(user_id=user_id).exclude(session_key=current)
            keys = [row.session_key for row in mine if _mark(row) == mark]
            ended = mine.filter(session_key__in=keys).delete()[0]
        if ended:
            sign_in_log.note(request.user, "sessions_ended", sessions=ended)
    messages.success(request, f"{ended} session{'' if ended == 1 else 's'} ended.")
    return redirect("my-sessions")


@require_GET
@never_cache
def session_state(request: HttpRequest) -> HttpResponse:
    """Return a mark of the signed-in user, "" for nobody, and the token with which a form of this session is sent.

    A page compares the mark with that of its own user before it sends a form, so that no form is sent in vain, or under
    another name.
    """
    if not admin.site.has_permission(request):
        return JsonResponse({"user": "", "token": ""})
    mark = salted_hmac("tenants.session_state", str(request.user.pk)).hexdigest()[:16]
    return JsonResponse({"user": mark, "token": get_token(request)})


sessions_page = admin.site.admin_view(view)

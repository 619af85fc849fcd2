"""What each request of a signed-in team member passes: activity is noted, and a required second factor demanded."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse

from tenants.api.errors import shape
from tenants.backoffice.roles import reach_of
from tenants.sign_in.second_factor import is_verified

UNSAVED = "unsaved"  # in the address of the sign-in page
# Pages for a team member who still has to set up the second factor.
ALWAYS_OPEN = {
    *("two-step", "two-step-code", "sign-in", "session", "admin:logout", "admin:jsi18n"),
    *("password-reset", "password-reset-sent", "password-reset-new"),
    *("provider-sign-in", "provider-sign-in-done"),
}


class SessionActivityMiddleware:
    """Note when the owner of a session was last active. Pages that refresh themselves are not activity."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        refresh = request.method == "GET" and "HX-Request" in request.headers
        if request.session.accessed and not refresh and request.session.session_key:
            request.session.touch()  # type: ignore[attr-defined]  # of our session engine
        return response


class UnsavedFormMiddleware:
    """Let the sign-in page say that a form was not saved, when it was sent without a session in force.

    Scripts keep such a form on its page (`session.js`). This is for browsers without them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_in = f"{reverse('admin:login')}?"
        if request.method == "POST" and response.status_code == 302 and response["Location"].startswith(sign_in):
            response["Location"] += f"&{UNSAVED}=1"
        return response


class TwoStepMiddleware:
    """Send team members of an organization that requires two-step sign-in to its set-up page until it is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        pages = request.path.startswith((reverse("admin:index"), reverse("manual")))
        with_key = bool(request.headers.get("Authorization", "").split())  # an empty one leaves the session in force
        if not pages and (with_key or not request.path.startswith("/api/")):
            return self.get_response(request)
        if not request.user.is_authenticated or not reach_of(request).two_step_required:
            return self.get_response(request)
        if is_verified(request) or _is_always_open(request.path_info):
            return self.get_response(request)
        if pages:
            return redirect("two-step")
        return JsonResponse(shape("Set up two-step sign-in first: your organization requires it."), status=403)


def _is_always_open(path: str) -> bool:
    try:
        return resolve(path).view_name in ALWAYS_OPEN
    except Resolver404:
        return False

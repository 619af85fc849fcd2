"""Forms of the back office that are sent twice: a double click, *Back* and again, or two tabs have one effect.

Every form carries a token (`once_tags` adds it beside the CSRF token). The first submission of a token with these
contents leaves a marker, which is committed before anything else happens. When the page answers with a redirect, the
form has taken effect, and the address is kept with the marker: a repeat is sent there without any effect. An answer
that shows the form again, or a message of an error, frees the token, because nothing was done. A marker without an
answer is that of a submission that is under way, or whose process died: nothing is repeated then, because it is not
known how far it came.

What keeps calls from being placed is different: it is done again unless it was a double click, because somebody may
have allowed calls since.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from tenants.models import StoredAnswer

FIELD = "_once"
LONGEST = 64  # characters of a token
WAIT, BEAT = 10.0, 0.1  # seconds: a double click waits for the first submission, and looks this often
NOT_CONTENTS = ("csrfmiddlewaretoken",)
# Choices that a user may make again, and signing out.
REPEATABLE = {"choose-organization", "logout"}
# Pages that only keep calls from being placed. Of buttons, `Step.stops` says it.
STOPPING_PAGES = {"campaigns_donotcall_add", "campaigns_donotcall_import"}
DONE = "This form was sent before. Nothing was done a second time; this is what it did."
UNKNOWN = (
    "This form was sent before, and it is not known whether that took effect. Look at what is there. To send it all "
    "the same, open the form again."
)


class OnceMiddleware:
    """Give each submission of a form one effect."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if marker := getattr(request, "_once_marker", None):
            _settle(marker, request, response)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Answer a repeat; mark a first submission and let it through."""
        if not _counts(request):
            return None
        slot, deadline = _slot(request), time.monotonic() + WAIT
        while True:
            marker, first = StoredAnswer.objects.get_or_create(slot=slot)
            if first or (_stops(request, kwargs) and _taken_again(marker)):
                request._once_marker = marker  # type: ignore[attr-defined]
                return None
            if marker.answer is not None:
                return _done(request, marker.answer["location"])
            if time.monotonic() > deadline or _is_old(marker):
                messages.warning(request, UNKNOWN)
                return redirect("admin:index")
            time.sleep(BEAT)  # the first submission may end without an effect: then this one is the first


def _counts(request: HttpRequest) -> bool:
    """Return whether the request is a form of a signed-in user. The parts of a page that htmx asks for do nothing."""
    if request.method != "POST" or "HX-Request" in request.headers or not request.user.is_authenticated:
        return False
    if not request.path.startswith(reverse("admin:index")):
        return False
    name = request.resolver_match.url_name if request.resolver_match else None
    return name not in REPEATABLE and 0 < len(request.POST.get(FIELD, "")) <= LONGEST


def _slot(request: HttpRequest) -> str:
    """Return a digest of the user, the token, the address and the contents: a form sent with others is another."""
    fields = sorted((name, values) for name, values in request.POST.lists() if name not in NOT_CONTENTS)
    files = sorted((name, [(file.name, _digest(file)) for file in given]) for name, given in request.FILES.lists())
    parts = ["form", request.user.pk, request.get_full_path(), fields, files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(file: Any) -> str:
    """Return a digest of an uploaded file, and rewind it: a corrected file often has the name and size of the old."""
    found = hashlib.sha256()
    for chunk in file.chunks():
        found.update(chunk)
    file.seek(0)
    return found.hexdigest()


def _settle(marker: StoredAnswer, request: HttpRequest, response: HttpResponse) -> None:
    """Keep what the form did; free the token of a form that is shown again."""
    mine = StoredAnswer.objects.filter(pk=marker.pk)
    if 300 <= response.status_code < 400 and not _refused(request):
        mine.update(answer={"location": response["Location"]})
    elif getattr(request, "_took_effect", False):  # with a page that shows something once, such as a new secret
        mine.update(answer={"location": ""})
    elif response.status_code < 500:
        mine.delete()


def _refused(request: HttpRequest) -> bool:
    """Return whether this request leaves a message of an error: the form was refused, though by a redirect."""
    queued = getattr(messages.get_messages(request), "_queued_messages", ())  # those of this request alone
    return any(message.level >= messages.ERROR for message in queued)


def took_effect(request: HttpRequest) -> None:
    """Note that the form has taken effect although its answer is no redirect."""
    request._took_effect = True  # type: ignore[attr-defined]


def _done(request: HttpRequest, location: str) -> HttpResponse:
    messages.info(request, DONE)
    return redirect(location or "admin:index")


def _stops(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether the form only keeps calls from being placed."""
    name = request.resolver_match.url_name if request.resolver_match else None
    return name in STOPPING_PAGES or (name, kwargs.get("step", request.POST.get("step"))) in stopping_steps()


@cache
def stopping_steps() -> frozenset[tuple[str, str]]:
    """Return the buttons that only keep calls from being placed: the name of the address, and that of the step."""
    return frozenset(
        (f"{model._meta.app_label}_{model._meta.model_name}_{kind}", step.name)
        for model, page in admin.site._registry.items()
        for kind, steps in (("step", "steps"), ("many", "bulk_steps"))
        for step in getattr(page, steps, ())
        if step.stops
    )


def _is_old(marker: StoredAnswer) -> bool:
    return timezone.now() - marker.started_at > timedelta(seconds=WAIT)


def _taken_again(marker: StoredAnswer) -> bool:
    """Return whether the marker is too old for a double click, and this submission alone takes its place."""
    if not _is_old(marker):
        return False
    same = StoredAnswer.objects.filter(pk=marker.pk, started_at=marker.started_at)
    return same.update(started_at=timezone.now(), answer=None) == 1

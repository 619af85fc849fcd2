"""The language of the reader: as set on “My settings”, else the first language of the browser that is offered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from tenants.backoffice.languages.catalog import ENGLISH, speaker
from tenants.backoffice.languages.markup import translated
from tenants.backoffice.roles import reach_of
from tenants.models.members import LANGUAGES, StaffSettings

_PAGE = re.compile(r'(<html lang=)"en(?:-us)?"')


class TranslatePages:
    """Translate the pages of the back office. The API, files, webhooks and the documents are English."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path.startswith((reverse("admin:index"), reverse("manual"))) or not _is_page(response):
            return response
        patch_vary_headers(response, ["Accept-Language"])
        failed = response.status_code >= 500  # the database may be away: it is not asked again
        language = next(_of_browser(request), ENGLISH) if failed else language_of(request)
        response["Content-Language"] = language
        if language != ENGLISH:
            page = translated(response.content.decode(), speaker(language))
            response.content = _PAGE.sub(rf'\1"{language}"', page, count=1).encode()
            if "Content-Length" in response:
                response["Content-Length"] = str(len(response.content))
        return response


def _is_page(response: HttpResponse) -> bool:
    return not response.streaming and response.get("Content-Type", "").startswith("text/html")


def language_of(request: HttpRequest) -> str:
    """Return the code of the language in which this request is answered."""
    user = getattr(request, "user", None)
    chosen = reach_of(request).language if user is not None and user.is_authenticated else ""
    return chosen or next(_of_browser(request), ENGLISH)


def language_of_user(user: Any) -> str:
    """Return the language that a user has chosen, empty if none."""
    return StaffSettings.objects.filter(user=user.pk).values_list("language", flat=True).first() or ""


def _of_browser(request: HttpRequest) -> Iterator[str]:
    offered = dict(LANGUAGES)
    for code, quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        language = code.partition("-")[0]
        if language in offered and quality:
            yield language

"""Pages in the language of their reader."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from tenants.backoffice.languages.catalog import ENGLISH, speaker
from tenants.backoffice.languages.markup import translated
from tenants.backoffice.languages.reader import language_of, language_of_browser

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
        language = language_of_browser(request) if failed else language_of(request)
        response["Content-Language"] = language
        if language != ENGLISH:
            page = translated(response.content.decode(), speaker(language))
            response.content = _PAGE.sub(rf'\1"{language}"', page, count=1).encode()
            if "Content-Length" in response:
                response["Content-Length"] = str(len(response.content))
        return response


def _is_page(response: HttpResponse) -> bool:
    return not response.streaming and response.get("Content-Type", "").startswith("text/html")

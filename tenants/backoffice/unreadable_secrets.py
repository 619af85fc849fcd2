"""Pages that need a stored secret which none of FIELD_KEYS decrypts say so."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.db.encrypted_fields import UndecryptableSecret

logger = logging.getLogger(__name__)


class UnreadableSecretMiddleware:
    """Answer such a request with a 503 that names the secret. The API has its own form of it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, UndecryptableSecret):
            return None
        logger.error("%s", exception)
        return render(request, "trunkline/unreadable_secret.html", {"error": exception}, status=503)

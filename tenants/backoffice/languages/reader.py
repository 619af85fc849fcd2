"""The language of a reader: as set on “My settings”, else the first language of the browser that is offered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

from tenants.backoffice.languages.catalog import ENGLISH
from tenants.backoffice.roles import reach_of
from tenants.models.members import LANGUAGES, StaffSettings


def language_of(request: HttpRequest) -> str:
    """Return the code of the language in which this request is answered."""
    user = getattr(request, "user", None)
    chosen = reach_of(request).language if user is not None and user.is_authenticated else ""
    return chosen or language_of_browser(request)


def language_of_browser(request: HttpRequest) -> str:
    """Return the first language that the browser accepts and that is offered. Asks no database."""
    offered = dict(LANGUAGES)
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    codes = (code.partition("-")[0] for code, quality in accepted if quality)
    return next((code for code in codes if code in offered), ENGLISH)


def language_of_user(user: Any) -> str:
    """Return the language that a user has chosen, empty if none."""
    return StaffSettings.objects.filter(user=user.pk).values_list("language", flat=True).first() or ""

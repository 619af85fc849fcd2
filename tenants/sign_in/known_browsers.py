"""Browsers in which a user has signed in before, known by a signed cookie. Strangers' tries do not hinder them."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "trunkline_browser"
SALT = "tenants.known_browser"
KNOWN_FOR = 180 * 24 * 3600  # seconds


def known_browser(request: HttpRequest, username: str) -> str:
    """Return the browser's id if this user has signed in with it, else an empty string."""
    try:
        name, browser = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=KNOWN_FOR)
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return str(browser) if secrets.compare_digest(str(name), _digest(username)) else ""


def remember_browser(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Give the browser of a user who has just signed in its cookie."""
    browser = known_browser(request, username) or secrets.token_hex(16)
    value = signing.dumps([_digest(username), browser], salt=SALT)
    secure = bool(settings.SESSION_COOKIE_SECURE)
    response.set_cookie(COOKIE, value, max_age=KNOWN_FOR, httponly=True, secure=secure, samesite="Lax")


def _digest(username: str) -> str:
    return hashlib.sha256(username.lower().encode()).hexdigest()

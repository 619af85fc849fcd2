"""Browsers in which a user has signed in before, known by a signed cookie. Strangers' tries do not hinder them.

A new password and a new authenticator app void all cookies from before: a thief may have one of them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.http import HttpRequest, HttpResponse

SALT = "tenants.known_browser"
KNOWN_FOR = 180 * 24 * 3600  # seconds


def known_browser(request: HttpRequest, username: str) -> str:
    """Return the browser's id if this user has signed in with it, else an empty string."""
    try:
        cookie = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")
        name, browser, proof = signing.loads(cookie, salt=SALT, max_age=KNOWN_FOR)
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    if not secrets.compare_digest(str(name), _digest(username)):
        return ""
    users = get_user_model().objects.select_related("authenticator")
    known = any(secrets.compare_digest(str(proof), _proof(user)) for user in users.filter(username__iexact=username))
    return str(browser) if known else ""


def remember_browser(request: HttpRequest, response: HttpResponse, user: Any) -> None:
    """Give the browser of a user who has just signed in, or shown a code, its cookie."""
    username = user.get_username()
    browser = known_browser(request, username) or secrets.token_hex(16)
    current = get_user_model().objects.select_related("authenticator").get(pk=user.pk)
    value = signing.dumps([_digest(username), browser, _proof(current)], salt=SALT)
    secure = bool(settings.SESSION_COOKIE_SECURE)
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE_NAME, value, max_age=KNOWN_FOR, httponly=True, secure=secure, samesite="Lax"
    )


def _digest(username: str) -> str:
    return hashlib.sha256(username.lower().encode()).hexdigest()


def _proof(user: Any) -> str:
    """Return a digest of what voids cookies when it changes. Django's digest of the password has the secret key."""
    app = getattr(user, "authenticator", None)
    return hashlib.sha256(f"{user.get_session_auth_hash()} {app and app.pk}".encode()).hexdigest()

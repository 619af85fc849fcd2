"""When a password or a code may be tried: by user and place, with delays that a stranger cannot turn into a lock.

A place is a user at a known browser, or else at an address. Each place has tries of its own. While a user's password is
guessed from elsewhere, or other users' passwords from the same address, every place that is not a known browser waits
up to a minute before each try. The guesser is slowed down, and nobody's tries take away those of another place.

A code is tried after the right password. Browsers that are not known share one limit, so a thief of the password leaves
the owner's tries alone. All known browsers of a user together have a second limit: more cookies give no more tries.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tenants.client_address import client_network
from tenants.sign_in import tries
from tenants.sign_in.known_browsers import known_browser


def admit_password(request: HttpRequest, username: str) -> int:
    """Count a try of the user's password. Return 0, or the seconds to wait."""
    name, browser = username.lower(), known_browser(request, username)
    if browser:
        return tries.admit(tries.PASSWORD_BY_PLACE, name, browser)
    address = client_network(request)
    attacked = max(
        tries.PASSWORD_BY_USER.closed_for(tries.failures_of(tries.PASSWORD_BY_USER, name)),
        tries.PASSWORD_BY_ADDRESS.closed_for(tries.failures_of(tries.PASSWORD_BY_ADDRESS, address)),
    )
    return tries.admit(tries.PASSWORD_BY_PLACE, name, address, at_least=attacked)


def password_was_wrong(request: HttpRequest, username: str) -> None:
    if not known_browser(request, username):
        tries.failed(tries.PASSWORD_BY_USER, username.lower())
        tries.failed(tries.PASSWORD_BY_ADDRESS, client_network(request))


def password_was_right(request: HttpRequest, username: str) -> None:
    """Forget the failures of this place. Those of other places stay: they may be a stranger's."""
    place = known_browser(request, username) or client_network(request)
    tries.succeeded(tries.PASSWORD_BY_PLACE, username.lower(), place)


def admit_code(request: HttpRequest, user: Any) -> int:
    """Count a try of a code of the user. Return 0, or the seconds to wait."""
    browser = known_browser(request, user.get_username())
    wait = tries.admit(tries.CODE, user.pk, browser)
    return wait or (tries.admit(tries.CODE_BY_USER, user.pk) if browser else 0)


def code_was_right(request: HttpRequest, user: Any) -> None:
    browser = known_browser(request, user.get_username())
    tries.succeeded(tries.CODE, user.pk, browser)
    if browser:
        tries.succeeded(tries.CODE_BY_USER, user.pk)


def is_known_browser(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Return whether django-axes lets this request try whatever others did (setting AXES_WHITELIST_CALLABLE)."""
    return bool(known_browser(request, str((credentials or {}).get("username") or "")))

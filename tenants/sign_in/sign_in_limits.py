"""When a password may be tried: by user and place, with delays that a stranger cannot turn into a lock.

A place is a known browser, or else an address. Each place has tries of its own. While a user's password is guessed
from elsewhere, every place that is not a known browser waits up to a minute before each try: the guesser is slowed
down over all addresses, and the owner still gets in from any address of their own.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tenants.client_address import client_address
from tenants.sign_in import tries
from tenants.sign_in.known_browsers import known_browser


def admit_password(request: HttpRequest, username: str) -> int:
    """Count a try of the user's password. Return 0, or the seconds to wait."""
    name, browser = username.lower(), known_browser(request, username)
    if browser:
        return tries.admit(tries.PASSWORD_BY_PLACE, name, browser)
    address = client_address(request)
    if wait := tries.admit(tries.PASSWORD_BY_ADDRESS, address):
        return wait
    attacked = tries.PASSWORD_BY_USER.closed_for(tries.failures_of(tries.PASSWORD_BY_USER, name))
    wait = tries.admit(tries.PASSWORD_BY_PLACE, name, address, at_least=attacked)
    if wait:
        tries.give_back(tries.PASSWORD_BY_ADDRESS, address)
    return wait


def password_was_wrong(request: HttpRequest, username: str) -> None:
    if not known_browser(request, username):
        tries.failed(tries.PASSWORD_BY_USER, username.lower())


def password_was_right(request: HttpRequest, username: str) -> None:
    """Forget the failures of this place. Those of other places stay: they may be a stranger's."""
    browser, address = known_browser(request, username), client_address(request)
    tries.succeeded(tries.PASSWORD_BY_PLACE, username.lower(), browser or address)
    if not browser:
        tries.give_back(tries.PASSWORD_BY_ADDRESS, address)


def is_known_browser(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Return whether django-axes lets this request try whatever others did (setting AXES_WHITELIST_CALLABLE)."""
    return bool(known_browser(request, str((credentials or {}).get("username") or "")))

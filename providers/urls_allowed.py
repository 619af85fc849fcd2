"""Decide which URLs of customers and providers may be stored and requested."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError

from tenants.egress.addresses import names_loopback
from tenants.egress.policy import PORTS, Policy, current

MAX_LENGTH = 2000
_LOCAL_NAMES = frozenset({"localhost", "local", "internal", "localdomain", "lan", "home", "arpa", "onion"})
_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.IGNORECASE)


def check_callback_url(url: str) -> None:
    """Check a customer's URL for callbacks and webhooks. Raise ValidationError that says what to change."""
    _check(url, allow_query=True)


def check_base_url(url: str) -> None:
    """Check the URL of a provider's API. It may have a path prefix. Raise ValidationError that says what to change."""
    _check(url, allow_query=False)


def _check(url: str, *, allow_query: bool) -> None:
    if len(url) > MAX_LENGTH:
        raise ValidationError(f"The address is longer than {MAX_LENGTH} characters.", code="too_big")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValidationError("The address contains characters that do not belong in one.", code="invalid_url")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        text = "This is not an address. Write it like https://example.org/path."
        raise ValidationError(text, code="invalid_url") from error
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise ValidationError("The address must not contain a user name or password.", code="invalid_url")
    if parts.fragment or (parts.query and not allow_query):
        raise ValidationError("The address must not have a query or fragment.", code="invalid_url")
    if _is_allowed(parts, host, current()):
        return
    if parts.scheme != "https":
        raise ValidationError("The address must start with https://.", code="invalid_url")
    if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit() or _looks_local(host):
        raise ValidationError("The address must name a public host, like https://example.org/path.", code="invalid_url")


def _is_allowed(parts: SplitResult, host: str, policy: Policy) -> bool:
    """Return whether the installation allows this host, though it need not be a public one."""
    port = parts.port or PORTS.get(parts.scheme, 0)
    to_itself = policy.loopback and parts.scheme in PORTS and names_loopback(host)
    return to_itself or policy.allows(parts.scheme, host, port)


def _looks_local(host: str) -> bool:
    return host.lower().rpartition(".")[2] in _LOCAL_NAMES

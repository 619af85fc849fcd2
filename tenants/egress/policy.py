"""Where this installation sends requests: to public addresses over https, and to the hosts that it allows by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from tenants.egress.addresses import is_internal, is_loopback, is_public

PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True)
class Origin:
    """A host that an installation allows, with its port, and whether it is asked over http or https."""

    scheme: str
    host: str
    port: int


def origin(text: str) -> Origin:
    """Read `host`, `host:port` or `http://host:port`; https and its port are the default. Raise ValueError."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    host = _plain(parts.hostname or "")
    if parts.scheme not in PORTS or parts.username is not None or parts.path or parts.query or parts.fragment:
        _refuse(text)
    if not (_HOST.fullmatch(host) or is_internal(host)) or _is_denied(host) or parts.port == 0:
        _refuse(text)
    return Origin(parts.scheme, host, parts.port or PORTS[parts.scheme])


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text!r} is not a host such as pbx.example.lan, pbx.example.lan:8443 or http://10.0.0.5:8080")


def _is_denied(host: str) -> bool:
    """Return whether the text is an address to which nothing is ever sent, in whatever spelling."""
    try:
        ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdigit() or host.startswith("0x")  # would be read as a number
    return not (is_internal(host) or is_public(host))


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


@dataclass(frozen=True)
class Policy:
    """`loopback` is for development: requests may then go to this machine, and over http."""

    loopback: bool = False
    origins: frozenset[Origin] = frozenset()

    def allows(self, scheme: str, host: str, port: int) -> bool:
        """Return whether the installation allows requests to this host by its name."""
        return bool(self.origins) and Origin(scheme, _plain(host), port) in self.origins

    def names(self, host: str, port: int) -> bool:
        """Return whether the installation allows this host by its name, over http or https."""
        return any(self.allows(scheme, host, port) for scheme in PORTS)

    def admits_scheme(self, scheme: str, host: str, port: int) -> bool:
        """Return whether a request may go out with this scheme: https, or http where that is allowed."""
        return scheme == "https" or (scheme == "http" and (self.loopback or self.allows(scheme, host, port)))

    def admits_url(self, parts: SplitResult) -> bool:
        """Return whether a request may go out to this address, as far as its scheme, host and port tell."""
        try:
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        return bool(parts.hostname) and self.admits_scheme(parts.scheme, parts.hostname or "", port)

    def admits(self, address: str, *, named: bool = False) -> bool:
        """Return whether a connection may go to this address. `named`: its host is allowed by name."""
        if is_public(address):
            return True
        return (self.loopback and is_loopback(address)) or (named and is_internal(address))


def current() -> Policy:
    """Return the policy in force: the strictest one until `read_from` has named another."""
    return _source()


def read_from(source: Callable[[], Policy]) -> None:
    """Take the policy from `source` from now on."""
    global _source
    _source = source


_source: Callable[[], Policy] = Policy

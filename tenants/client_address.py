"""The client's address and scheme, as a trusted proxy reports them. Headers of anybody else are not believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:  # the process that starts gunicorn's workers loads this module, and answers no request
    from django.http import HttpRequest, HttpResponse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# A request with one of these may come through a proxy.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip")
LOCAL_SOCKET = ipaddress.IPv4Address("127.0.0.1")  # a Unix socket has no address: only this machine reaches it


class TrustedProxyMiddleware:
    """Put the client's address into `REMOTE_ADDR`, where Django and libraries read it, and keep a trusted scheme.

    It comes first: all other middleware reads what it found.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.forwarded = any(name in request.headers for name in FORWARDED)  # type: ignore[attr-defined]
        if request.forwarded:  # type: ignore[attr-defined]
            _believe(request.META)
        return self.get_response(request)


def _believe(meta: dict[str, Any]) -> None:
    peer, chain = meta.get("REMOTE_ADDR", ""), meta.pop("HTTP_X_FORWARDED_FOR", "")
    scheme = meta.pop("HTTP_X_FORWARDED_PROTO", "")
    for name in FORWARDED:
        meta.pop("HTTP_" + name.upper().replace("-", "_"), None)
    if _trusted(address_in(peer) or LOCAL_SOCKET):
        meta["REMOTE_ADDR"] = origin(peer, chain.split(",") if chain else [])
        if scheme:
            meta["HTTP_X_FORWARDED_PROTO"] = scheme.rpartition(",")[2].strip().lower()


def client_address(request: HttpRequest, *_: Any) -> str:
    """Return the client's address. It is this machine's if the connection has none."""
    return str(address_in(request.META.get("REMOTE_ADDR", "")) or LOCAL_SOCKET)


def client_network(request: HttpRequest, *_: Any) -> str:
    """Return what limits take for one client: an IPv4 address, or the /64 network that one IPv6 client can use up."""
    return _network_of(address_in(client_address(request)) or LOCAL_SOCKET)


def network_of_peer(address: str) -> str | None:
    """Return the same for whoever connects. None for a proxy, trusted or in a private network: it sends for many."""
    found = address_in(address)
    if found is None or not found.is_global or _trusted(found):
        return None
    return _network_of(found)


def _network_of(address: Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)


def forwarded(request: HttpRequest) -> bool:
    """Return whether the request had any header of a proxy, trusted or not."""
    return bool(getattr(request, "forwarded", True))


def origin(peer: str, chain: Sequence[str]) -> str:
    """Return the address from which the nearest proxy that is not trusted, or the client, connected.

    Every proxy appends the address of its own peer to the chain. Read from the right, an entry is true as long as the
    proxy that wrote it is trusted. Where a trusted proxy names no address, its own address is the best known.
    """
    found = address_in(peer)
    for entry in reversed(chain):
        if not _trusted(found or LOCAL_SOCKET):
            break
        named = address_in(entry)
        if named is None:
            break
        found = named
    return str(found) if found else ""


def address_in(entry: str) -> Address | None:
    """Return the address of an entry, which may have a port, brackets or quotes; None for `unknown` and nonsense."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)

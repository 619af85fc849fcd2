"""Clients that send only where the guard lets them. They follow no redirects and use no proxies and no cookies."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from tenants.egress import USER_AGENT, authorities
from tenants.egress.guard import NOT_SECURE, Guard, Lookup, Refused, checked, look_up
from tenants.egress.policy import PORTS, current


def session(
    guard: Guard, timeout: aiohttp.ClientTimeout, tls: ssl.SSLContext, **connector: Any
) -> aiohttp.ClientSession:
    """Return a session for many requests in one event loop. Each request must say `allow_redirects=False`.

    `connector`: how aiohttp keeps and limits connections. Bodies come as they were sent, compressed or not.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Resolver(guard), use_dns_cache=False, socket_factory=guard.socket, ssl=tls, **connector
        ),
        cookie_jar=aiohttp.DummyCookieJar(),  # cookies would carry one account's session into another's requests
        timeout=timeout,
        auto_decompress=False,
        trust_env=False,
    )


class _Resolver(AbstractResolver):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name. Raise Refused if any of them is not allowed."""
        return [
            ResolveResult(
                hostname=host, host=str(info[4][0]), port=port, family=info[0], proto=0, flags=socket.AI_NUMERICHOST
            )
            for info in await self._guard.addresses(host, port)
        ]

    async def close(self) -> None:
        pass


def plain_client(
    *, timeout: float = 10.0, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None
) -> httpx.Client:
    """Return a client for few requests outside of an event loop. A refusal is an httpx.ConnectError.

    It keeps no connections: one that was secured for a name must not serve another name at the same address.
    """
    return httpx.Client(
        transport=_Transport(lookup or socket.getaddrinfo, tls or authorities.tls_context()),
        timeout=timeout,
        headers={"user-agent": USER_AGENT},
        follow_redirects=False,
        trust_env=False,
    )


class _Transport(httpx.BaseTransport):
    """Send each request to a checked address of its host. Host, SNI and the certificate keep the name."""

    def __init__(self, lookup: Lookup, tls: ssl.SSLContext) -> None:
        self._policy = current()
        self._lookup = lookup
        self._inner = httpx.HTTPTransport(verify=tls, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        error: httpx.TransportError | None = None
        for address in self._addresses(request.url):
            try:
                return self._inner.handle_request(_to(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                error = failed
        assert error is not None  # noqa: S101
        raise error

    def _addresses(self, url: httpx.URL) -> list[str]:
        host, port = url.raw_host.decode(), url.port or PORTS.get(url.scheme, 0)
        try:
            if not self._policy.admits_scheme(url.scheme, host, port):
                raise Refused(NOT_SECURE)
            rows = checked(self._policy, host, port, look_up(self._lookup, host, port))
        except (OSError, UnicodeError) as error:
            words = f"The address {error}." if isinstance(error, Refused) else "The name has no address."
            raise httpx.ConnectError(words) from error
        return [str(row[4][0]) for row in rows]

    def close(self) -> None:
        self._inner.close()


def _to(request: httpx.Request, address: str) -> httpx.Request:
    host = f"[{address}]" if ":" in address else address
    return httpx.Request(
        request.method,
        request.url.copy_with(host=host),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode()},
    )

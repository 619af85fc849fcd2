"""Send requests to customers' URLs, but only to public addresses, whatever the host name resolves to.

The URL is checked when it is saved and again here. The client resolves the name once, requires every address found to
be public, and connects only to one of them. SNI, certificate check and Host use the name. The last check happens when
the socket is created. The client follows no redirects, and uses no proxies, cookies or kept connections. An error
names only its class: never an address, a banner or a body of the other side.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.core.exceptions import ValidationError
from yarl import URL

from providers.adapters.encoding import USER_AGENT
from providers.public_addresses import is_loopback, is_public
from providers.urls_allowed import check_callback_url

DEADLINE = 15.0  # seconds for everything
CONNECT = 5.0
BODY_READ = 4096
LOOKUPS_AT_ONCE = 64  # threads, so that a silent name server does not delay the lookups of other names

Lookup = Callable[..., list[tuple[Any, ...]]]


class Undelivered(Exception):
    """There was no response. The text is for the customer and reveals nothing about the network."""


class NotPublic(OSError):
    """The name resolves to an address that is not public."""


class Client:
    """Send POST requests to customers' URLs. Use one per event loop, as `async with Client() as client`.

    Tests pass a `lookup` instead of `socket.getaddrinfo`, and their own certificate authority in `tls`.
    """

    def __init__(self, *, deadline: float = DEADLINE, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None):
        self._deadline = deadline
        self._lookup = lookup or socket.getaddrinfo
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_PublicResolver(self._threads, self._lookup),
                use_dns_cache=False,
                force_close=True,
                limit=0,
                ssl=self._tls or _tls(),
                socket_factory=_guarded_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._deadline, sock_connect=CONNECT),
            auto_decompress=False,
            trust_env=False,
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send the request once and return the status. Raise Undelivered if there is no response."""
        try:
            check_callback_url(url)
            return await self._post(url, body, headers)
        except ValidationError:
            raise Undelivered("address not allowed") from None
        except Exception as error:
            raise Undelivered(_words(error)) from None

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        target = URL(url, encoded=True)
        async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as response:
            # Only the status matters. Read the start of the body, so that the receiver can finish a short response.
            with suppress(aiohttp.ClientError, asyncio.IncompleteReadError, OSError):  # TimeoutError is an OSError
                await response.content.readexactly(BODY_READ)
            response.close()
            return response.status


@cache
def _tls() -> ssl.SSLContext:
    """Return the process's only context: creating one takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _PublicResolver(AbstractResolver):
    def __init__(self, threads: ThreadPoolExecutor, lookup: Lookup) -> None:
        self._threads, self._lookup = threads, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name, from one lookup. Raise NotPublic if any of them is not public."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host, port, family)
        if not found:
            raise OSError("The name has no address.")
        for _, address in found:
            _check_address(address)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in dict.fromkeys(found)
        ]

    def _look_up(self, host: str, port: int, family: int) -> list[tuple[int, str]]:
        rows = self._lookup(host, port, family=family, type=socket.SOCK_STREAM)
        return [(row[0], str(row[4][0])) for row in rows]

    async def close(self) -> None:
        pass


def _guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """Create the socket, but only for an allowed address, however the client came to it."""
    family, kind, protocol, _, address = info
    _check_address(str(address[0]))
    return socket.socket(family, kind, protocol)


def _check_address(address: str) -> None:
    if not is_public(address) and not (settings.ALLOW_LOOPBACK_URLS and is_loopback(address)):
        raise NotPublic("The address is not public.")


def _words(error: BaseException) -> str:
    """Return the class of a failure in words for the customer."""
    if _caused_by(error, NotPublic):
        return "address not public"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "certificate not valid"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no secure connection"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if isinstance(error.os_error, ConnectionRefusedError) else "no connection"
    if isinstance(error, aiohttp.ClientResponseError):
        return "answer not readable"
    return "connection broken"


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind) or isinstance(getattr(error, "os_error", None), kind):
            return True
        error = error.__cause__ or error.__context__
    return False

"""Requests to addresses that customers chose: sent only to public addresses, whatever a name resolves to.

The URL is checked when it is saved and again here; its name is resolved once, every address found must be public, and
the connection goes to one of those and no other, with the name in SNI, certificate and Host. The last check stands
where the socket is made. No redirects, no proxies, no cookies, no kept connections. What goes wrong is told in classes:
never an address, a banner or a body of the other side.
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

from providers.adapters.http import USER_AGENT
from providers.public_addresses import is_loopback, is_public
from providers.urls_allowed import check_callback_url

DEADLINE = 15.0  # seconds for everything
CONNECT = 5.0
BODY_READ = 4096
LOOKUPS_AT_ONCE = 64  # threads: a name server that does not answer must not keep other names waiting

Lookup = Callable[..., list[tuple[Any, ...]]]


class Undelivered(Exception):
    """No answer. A few words for the customer that tell nothing of the network in between."""


class NotPublic(OSError):
    """The name leads to an address that is not public."""


class Client:
    """Posts to customers' URLs. One per event loop, used as `async with Client() as client`.

    Tests give a `lookup` in the place of `socket.getaddrinfo`, and an authority of their own in `tls`.
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
        """Send once and answer the status. Raises Undelivered."""
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
            # The answer stands in its first line. What follows is let in a little way and interests nobody.
            with suppress(aiohttp.ClientError, asyncio.IncompleteReadError, OSError):  # a time-out is an OSError too
                await response.content.readexactly(BODY_READ)
            response.close()
            return response.status


@cache
def _tls() -> ssl.SSLContext:
    """One context per process: making one costs 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _PublicResolver(AbstractResolver):
    def __init__(self, threads: ThreadPoolExecutor, lookup: Lookup) -> None:
        self._threads, self._lookup = threads, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name, asked for once. Raises NotPublic when any of them is not public."""
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
    """Whatever the way to it: no socket is made for an address that may not be connected to."""
    family, kind, protocol, _, address = info
    _check_address(str(address[0]))
    return socket.socket(family, kind, protocol)


def _check_address(address: str) -> None:
    if not is_public(address) and not (settings.ALLOW_LOOPBACK_URLS and is_loopback(address)):
        raise NotPublic("The address is not public.")


def _words(error: BaseException) -> str:
    """The class of a failure, for its customer."""
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

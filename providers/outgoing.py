"""Send requests to customers' URLs, through the guard of `tenants/egress/`.

The URL is checked when it is saved and again here. The client follows no redirects, and uses no proxies, cookies or
kept connections. An error names only its class: never an address, a banner or a body of the other side.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp
from django.core.exceptions import ValidationError
from yarl import URL

from providers.urls_allowed import check_callback_url
from tenants.egress import USER_AGENT, authorities, sessions
from tenants.egress.guard import Guard, Lookup, refusal

DEADLINE = 15.0  # seconds for everything
CONNECT = 5.0
BODY_READ = 4096
HEADERS = {"user-agent": USER_AGENT, "accept-encoding": "identity"}


class Undelivered(Exception):
    """There was no response. The text is for the customer and reveals nothing about the network."""


class Client:
    """Send POST requests to customers' URLs. Use one per event loop, as `async with Client() as client`.

    Tests pass a `lookup` instead of `socket.getaddrinfo`, and their own certificate authority in `tls`.
    """

    def __init__(self, *, deadline: float = DEADLINE, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None):
        self._deadline = deadline
        self._lookup = lookup
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._guard = Guard(lookup=self._lookup)
        timeout = aiohttp.ClientTimeout(total=self._deadline, sock_connect=CONNECT)
        tls = self._tls or authorities.tls_context()
        self._session = sessions.session(self._guard, timeout, tls, force_close=True, limit=0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._guard.close()

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
        self._guard.check(target.scheme, target.host or "", target.port or 0)
        given = {**HEADERS, **headers}
        async with self._session.post(target, data=body, headers=given, allow_redirects=False) as response:
            # Only the status matters. Read the start of the body, so that the receiver can finish a short response.
            with suppress(aiohttp.ClientError, asyncio.IncompleteReadError, OSError):  # TimeoutError is an OSError
                await response.content.readexactly(BODY_READ)
            response.close()
            return response.status


def _words(error: BaseException) -> str:
    """Return the class of a failure in words for the customer."""
    if refusal(error):
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

"""The only module that opens connections to providers: it sends requests, returns responses and classifies failures.

Placing uses httpx's transport, because it reliably tells "never sent" from "sent, but no response". Each placing opens
a new connection. Reads may be repeated, so they use aiohttp with kept connections. It is much faster, but reports some
sent requests as never sent.

Both use HTTP/1.1, at most 2 MiB, and one deadline for the whole exchange. They use no redirects, no proxies from the
environment and no cookies. They ask for no compression; undoing it is left to the decoder, because evidence is kept as
it came. A list of calls is read row by row and may be longer. No error message contains an address, a header or a key.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine
from functools import cache
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx
from yarl import URL

from providers.adapters.base import Answer, Request
from providers.adapters.decoding import EVIDENCE, MAX_BODY
from providers.adapters.errors import MayBeRinging, Misconfigured, NotSent, Rejected
from providers.adapters.rows import Splitter

DEADLINE = 30.0  # seconds for the whole exchange
CONNECT = 5.0  # seconds each for name lookup, connection and TLS
USER_AGENT = "Trunkline"

_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_HOST = re.compile(rb"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|([A-Za-z0-9_-]{1,63}(\.|$))+")
_SENDING = "http11.send_request_headers.started"  # httpcore's trace event just before the first byte
_SENT_HEADERS = "http11.send_request_headers.complete"

NO_ANSWER = "The provider did not answer in time."
NOT_CONNECTED = "Could not connect to the provider; nothing was sent."
SENTENCES: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "The provider did not accept the connection in time; nothing was sent.",
    httpx.PoolTimeout: "No connection was free in time; nothing was sent.",
    httpx.ReadTimeout: NO_ANSWER,
    httpx.WriteTimeout: "The provider did not read the request in time.",
    httpx.RemoteProtocolError: "The provider closed the connection before it answered, or did not answer in HTTP.",
    httpx.ReadError: "The connection broke before the provider answered.",
    aiohttp.ServerDisconnectedError: "The provider closed the connection before it answered.",
    aiohttp.ClientPayloadError: "The provider closed the connection in the middle of its response.",
}
UNKNOWN_FAILURE = "The connection to the provider failed."


class Client:
    """Send requests to providers. Use one per event loop, as `async with Client() as client`.

    `deadline` and `connect` are in seconds. `connections` limits the concurrent reads.
    """

    def __init__(self, *, deadline: float = DEADLINE, connect: float = CONNECT, connections: int = 300) -> None:
        self._deadline = deadline
        self._connect = connect
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls(), limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),  # cookies would carry one account's session into another's requests
            timeout=aiohttp.ClientTimeout(total=self._deadline, sock_connect=self._connect),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def place(self, request: Request) -> Answer:
        """Send one request exactly once and return any complete response, redirects included.

        Raise NotSent only if no byte left this machine. Raise Misconfigured (our address or key) or Rejected (this
        call's data) if the request cannot be sent at all. Raise MayBeRinging for every other failure.
        """
        seen: set[str] = set()

        async def trace(event: str, info: Any) -> None:
            seen.add(event)

        built = _build(request, {"connection": "close"})
        wait = {"connect": self._connect, "read": self._deadline, "write": self._deadline, "pool": self._connect}
        built.extensions = {"timeout": wait, "trace": trace}
        try:
            async with asyncio.timeout(self._deadline):
                return await _exchange(built)
        except MayBeRinging:
            raise
        except (TimeoutError, httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # The error class alone does not prove that nothing was sent: the trace must also show no byte sent.
            if _SENDING not in seen:
                raise NotSent(SENTENCES.get(type(error), NOT_CONNECTED)) from None
            raise MayBeRinging(NO_ANSWER) from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, UnicodeError) as error:
            if _SENT_HEADERS not in seen:  # these errors occur while httpx formats the headers, before it sends them
                raise Misconfigured("The account's address or key cannot be sent over HTTP; enter it again.") from None
            raise MayBeRinging(SENTENCES.get(type(error), UNKNOWN_FAILURE)) from None
        except Exception as error:
            raise MayBeRinging(SENTENCES.get(type(error), UNKNOWN_FAILURE)) from None

    async def read(self, request: Request) -> Answer:
        """Send a harmless request. Raise the same errors as `place`.

        The request may use a kept connection, and aiohttp may send it twice.
        """
        return await self._receive(request, _whole)

    async def rows(self, request: Request, take: Callable[[bytes], None]) -> Answer:
        """Read a list of calls as `read` does, and call `take` with each row. The answer's body is without its rows.

        Rows that came before an error have been taken. A failed request has no rows: its answer is whole.
        """

        async def receive(response: aiohttp.ClientResponse) -> bytes:
            if not 200 <= response.status < 300:
                return await _whole(response)
            splitter = Splitter(take)
            async for chunk in response.content.iter_any():
                splitter.feed(chunk)
            return splitter.envelope()

        return await self._receive(request, receive)

    async def _receive(
        self, request: Request, receive: Callable[[aiohttp.ClientResponse], Coroutine[Any, Any, bytes]]
    ) -> Answer:
        built = _build(request, {})
        headers = {name: value for name, value in built.headers.items() if name != "content-length"}
        try:
            async with self._session.request(
                built.method,
                URL(str(built.url), encoded=True),
                headers=headers,
                data=built.content or None,
                allow_redirects=False,
            ) as response:
                body = await receive(response)
                names = {name.lower() for name in response.headers}
                found = {name: ", ".join(response.headers.getall(name)) for name in names}
                return Answer(response.status, found, body)
        except MayBeRinging:
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise NotSent(NOT_CONNECTED) from None
        except (aiohttp.InvalidURL, UnicodeError):
            raise Misconfigured("The account's address cannot be used; enter it again.") from None
        except TimeoutError:
            raise MayBeRinging(NO_ANSWER) from None
        except Exception as error:
            raise MayBeRinging(SENTENCES.get(type(error), UNKNOWN_FAILURE)) from None


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_long(response.status, body)
    return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    """Return the process's only context: creating one takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


async def _exchange(request: httpx.Request) -> Answer:
    """Send one request over a connection that serves no other request."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    async with httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, retries=0, limits=limits) as transport:
        response = await transport.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _too_long(response.status_code, body)
        finally:
            await response.aclose()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, bytes(body))


def _too_long(status: int, body: bytearray) -> MayBeRinging:
    return MayBeRinging("The provider's response is too long.", status=status, evidence=bytes(body[:EVIDENCE]))


def _build(request: Request, extra: dict[str, str]) -> httpx.Request:
    """Build the whole request, its body in memory. It may raise Misconfigured or Rejected, as nothing is sent yet."""
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **request.headers, **extra}
    if not all(_HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise Misconfigured("The account's key is empty or contains characters that cannot be sent; enter it again.")
    try:
        url = httpx.URL(request.url)
        url = url.copy_merge_params(request.query) if request.query else url
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host) or (url.port or 0) > 65535:
        raise Misconfigured("The account's address is not a web address; enter it again.")
    fields = None if request.form is None else {name: (None, value) for name, value in request.form.items()}
    try:
        built = httpx.Request(request.method, url, headers=headers, json=request.json, files=fields)
        built.read()
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise Rejected("The call's data cannot be encoded for the provider.") from None
    return built

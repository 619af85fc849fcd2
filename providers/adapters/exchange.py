"""One request and its response over a connection that serves nothing else, and the proof of what was sent.

No library decides what was sent. `Exchange.run` writes in one place, right after it has set `sent`, and never again:
while `sent` is False, no byte of the request has left this machine. The response is parsed as strictly as h11 does it
(`responses.py`).

A connection that ended or spoke before the request was written gets no request. Whatever it said, it was no response.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

import h11

from providers.adapters import responses
from providers.adapters.base import Answer
from providers.adapters.encoding import Address, Encoded
from tenants.egress.guard import Guard
from tenants.egress.policy import PORTS

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Disturbed(ConnectionError):
    """The connection ended, or the server spoke, before the request was written."""


class TooLate(Exception):
    """The moment has passed by which the request had to be written."""


class Exchange:
    """Send one request, once. `sent` says whether any byte of it may have left this machine.

    `by`: the moment (monotonic) after which nothing is written any more.
    """

    def __init__(self, guard: Guard, tls: ssl.SSLContext, connect: float, by: float = math.inf) -> None:
        self.sent = False
        self._by = by
        self._guard = guard
        self._tls = tls
        self._connect = connect

    async def run(self, request: Encoded) -> Answer:
        """Return the whole response. Any exception may come out of it; `sent` says what it means.

        Raise h11.LocalProtocolError if the request is not one of HTTP, before anything is sent.
        """
        parser = responses.parser()
        written = serialized(parser, request, last=True)
        transport, receiver = await self._connected(parser, request)
        try:
            if time.monotonic() > self._by:
                raise TooLate
            receiver.expect()
            self.sent = True
            transport.write(written)
            return await receiver.answer
        finally:
            transport.abort()

    async def _connected(self, parser: h11.Connection, request: Encoded) -> tuple[asyncio.Transport, _Receiver]:
        loop = asyncio.get_running_loop()
        return await connected(self._guard, self._tls, self._connect, request.address, lambda: _Receiver(parser, loop))


async def connected(
    guard: Guard, tls: ssl.SSLContext, within: float, address: Address, protocol: Callable[[], P]
) -> tuple[asyncio.Transport, P]:
    """Open a connection: at most `within` seconds for its addresses and TCP, and as many for TLS."""
    host, secured = address.host, address.scheme == "https"
    async with asyncio.timeout(within):
        sock = await guard.connect(host, address.port or PORTS[address.scheme])
    async with asyncio.timeout(within):  # the loop closes the socket if this fails; nobody else may
        return await asyncio.get_running_loop().create_connection(
            protocol, sock=sock, ssl=tls if secured else None, server_hostname=host if secured else None
        )


def serialized(parser: h11.Connection, request: Encoded, *, last: bool) -> bytes:
    """Return the bytes of a request. `last`: the connection serves no other after it.

    Raise h11.LocalProtocolError if the request is not one of HTTP.
    """
    headers = [("Host", request.address.netloc), *request.headers.items()]
    if request.body or request.method not in ("GET", "HEAD"):
        headers.append(("Content-Length", str(len(request.body))))
    if last:
        headers.append(("Connection", "close"))
    head = parser.send(h11.Request(method=request.method, target=request.address.target, headers=headers))
    body = parser.send(h11.Data(request.body)) if request.body else b""
    return b"".join([head or b"", body or b"", parser.send(h11.EndOfMessage()) or b""])


class _Receiver(asyncio.Protocol):
    """Collect the response to one request. `answer` holds it, or what made it impossible."""

    def __init__(self, parser: h11.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[Answer] = loop.create_future()
        self._response = responses.Incoming(lambda: parser, usually=True)
        self._expecting = False
        self._disturbed = False

    def expect(self) -> None:
        """Expect the response from now on. Raise Disturbed if the connection is of no use any more."""
        if self._disturbed:
            raise Disturbed
        self._expecting = True

    def data_received(self, data: bytes) -> None:
        self._feed(data)

    def eof_received(self) -> None:
        self._feed(b"")

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self._feed(b"")
        elif self._expecting and not self.answer.done():
            self.answer.set_exception(error)
        self._disturbed = True

    def _feed(self, data: bytes) -> None:
        """Parse what came. No bytes: nothing more will come."""
        if not self._expecting:
            self._disturbed = True
        elif not self.answer.done():
            try:
                if answer := self._response.feed(data):
                    self.answer.set_result(answer)
            except Exception as error:
                self.answer.set_exception(error)

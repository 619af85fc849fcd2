"""One request and its response over a connection that serves nothing else, and the proof of what was sent.

No library decides what was sent. `Exchange.run` writes in one place, right after it has set `sent`, and never again:
while `sent` is False, no byte of the request has left this machine. h11 parses the response, strictly.

A connection that ended or spoke before the request was written gets no request. Whatever it said, it was no response.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time

import h11

from providers.adapters.base import Answer
from providers.adapters.decoding import EVIDENCE, MAX_BODY
from providers.adapters.encoding import Encoded
from providers.adapters.errors import MayBeRinging
from tenants.egress.guard import Guard
from tenants.egress.policy import PORTS

MAX_HEAD = 100 * 1024  # bytes of a response before its body


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
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        written = _serialized(parser, request)
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
        address = request.address
        host = address.host
        async with asyncio.timeout(self._connect):
            connected = await self._guard.connect(host, address.port or PORTS[address.scheme])
        secured = address.scheme == "https"
        async with asyncio.timeout(self._connect):  # the loop closes the socket if this fails; nobody else may
            return await loop.create_connection(
                lambda: _Receiver(parser, loop),
                sock=connected,
                ssl=self._tls if secured else None,
                server_hostname=host if secured else None,
            )


def _serialized(parser: h11.Connection, request: Encoded) -> bytes:
    headers = [("Host", request.address.netloc), *request.headers.items()]
    if request.body or request.method not in ("GET", "HEAD"):
        headers.append(("Content-Length", str(len(request.body))))
    headers.append(("Connection", "close"))
    head = parser.send(h11.Request(method=request.method, target=request.address.target, headers=headers))
    body = parser.send(h11.Data(request.body)) if request.body else b""
    return b"".join([head or b"", body or b"", parser.send(h11.EndOfMessage()) or b""])


class _Receiver(asyncio.Protocol):
    """Collect the response to one request. `answer` holds it, or what made it impossible."""

    def __init__(self, parser: h11.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[Answer] = loop.create_future()
        self._parser = parser
        self._expecting = False
        self._disturbed = False
        self._response: h11.Response | None = None
        self._body = bytearray()

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
                self._parser.receive_data(data)
                self._take_events()
            except Exception as error:
                self.answer.set_exception(error)

    def _take_events(self) -> None:
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_BODY:
                    raise too_long(self._response.status_code if self._response else 0, self._body)
            elif isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.EndOfMessage) and self._response is not None:
                status, headers = self._response.status_code, _joined(self._response)
                self.answer.set_result(Answer(status, headers, bytes(self._body)))
                return
            elif not isinstance(event, h11.InformationalResponse):
                if isinstance(event, h11.ConnectionClosed):
                    raise h11.RemoteProtocolError("closed without a response")
                return  # more has to come


def _joined(response: h11.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def too_long(status: int, body: bytearray) -> MayBeRinging:
    return MayBeRinging("The provider's response is too long.", status=status, evidence=bytes(body[:EVIDENCE]))

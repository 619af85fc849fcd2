"""Reads over kept connections. A read may be repeated, so nothing here has to know for sure what a server has read.

A request that is written to a kept connection at the moment at which the server closes it gets no byte of an answer. A
GET is then sent once more, over a new connection.

A connection serves one account: if a server ever confuses the answers of a connection, they are of one organization.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import lru_cache
from typing import cast

import h11

from providers.adapters import responses
from providers.adapters.base import Answer
from providers.adapters.encoding import Encoded
from providers.adapters.exchange import Disturbed, connected, serialized
from tenants.egress.guard import Guard

IDLE = 15.0  # seconds for which a connection is kept without a request
LIFE = 300.0  # seconds for which a connection is used, so that a change of the name's addresses is followed
# Whom a connection serves. One that was secured for a name serves no other name, and one that served a key serves no
# other key. Providers name the header of the key differently, and all reads of an account have the same headers.
Purpose = tuple[str, str, int | None, tuple[tuple[str, str], ...]]


class Connections:
    """The kept connections of one client, at most `limit`, which also bounds the reads under way."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, *, connect: float, deadline: float, limit: int) -> None:
        """`connect`, `deadline`: the seconds for a connection, and for a whole read."""
        self._guard, self._tls, self._connect, self._limit = guard, tls, connect, limit
        self.deadline = deadline
        self.slots = asyncio.Semaphore(limit)
        # When each kept connection must have answered, the earliest first: all reads have the same deadline. One timer
        # for all of them, because a timer for each read costs as much as its request.
        self._waiting: dict[_Connection, float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._open = 0
        self._lent: set[_Connection] = set()
        self._closed = False
        self._idle: dict[Purpose, deque[_Connection]] = {}  # the one that was used last is at the end
        self._sweeping: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """End all connections. Reads that are under way fail, and so does each further one."""
        self._closed = True
        for timer in (self._sweeping, self._alarm):
            if timer:
                timer.cancel()
        self._sweeping = self._alarm = None
        self._end_idle(0.0)
        for connection in self._lent:  # each read gives its own back
            connection.fail(ConnectionAbortedError())
            connection.end()

    def kept(self, request: Encoded) -> _Connection | None:
        """Return a kept connection for one request, if there is one. Give it back to `leave`."""
        kept = self._idle.get(_purpose(request))
        while kept:
            connection = kept.pop()
            if self._may_serve(connection):
                self._lent.add(connection)
                return connection
            self._end(connection)
        return None

    async def opened(self, request: Encoded) -> _Connection:
        """Return a new connection for one request. Give it back to `leave`."""
        if self._closed:
            raise ConnectionAbortedError
        if self._open >= self._limit:
            self._end_oldest()
        made = _Connection(_purpose(request), asyncio.get_running_loop().time())
        self._open += 1
        try:
            await connected(self._guard, self._tls, self._connect, request.address, lambda: made)
        except BaseException:
            self._open -= 1
            raise
        if self._closed:  # meanwhile
            self._end(made)
            raise ConnectionAbortedError
        self._lent.add(made)
        return made

    @staticmethod
    def _may_serve(connection: _Connection) -> bool:
        now = asyncio.get_running_loop().time()
        return connection.is_usable and now - connection.idle_since < IDLE and now - connection.made_at < LIFE

    def watch(self, connection: _Connection, until: float) -> None:
        """Let the answer fail with TimeoutError at this moment of the loop's clock, unless the connection has left."""
        self._waiting[connection] = until
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_at(until, self._ring)

    def _ring(self) -> None:
        self._alarm, loop = None, asyncio.get_running_loop()
        for connection, until in list(self._waiting.items()):
            if until > loop.time():
                self._alarm = loop.call_at(until, self._ring)
                return
            del self._waiting[connection]
            connection.fail(TimeoutError())

    def leave(self, connection: _Connection) -> None:
        """Keep a connection for other requests if it can serve them, else end it."""
        self._waiting.pop(connection, None)
        self._lent.discard(connection)
        connection.is_new = False
        connection.idle_since = asyncio.get_running_loop().time()
        if self._closed or not self._may_serve(connection):
            self._end(connection)
            return
        self._idle.setdefault(connection.purpose, deque()).append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        self._end_idle(IDLE)
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE, self._sweep)

    def _end_idle(self, age: float) -> None:
        """End the connections that have been idle for so many seconds."""
        until = asyncio.get_running_loop().time() - age
        for purpose, kept in list(self._idle.items()):
            while kept and kept[0].idle_since <= until:
                self._end(kept.popleft())
            if not kept:
                del self._idle[purpose]

    def _end_oldest(self) -> None:
        kept = min((kept for kept in self._idle.values() if kept), key=lambda kept: kept[0].idle_since, default=None)
        if kept:
            self._end(kept.popleft())

    def _end(self, connection: _Connection) -> None:
        connection.end()
        self._open -= 1


class Read:
    """Send one request over a kept connection. `sent` says whether any byte of it may have left this machine."""

    def __init__(self, connections: Connections) -> None:
        self.sent = False
        self._connections = connections

    async def run(self, request: Encoded) -> Answer:
        """Return the whole response. Any exception may come out of it.

        Raise h11.LocalProtocolError if the request is not one of HTTP, before anything is sent.
        """
        written, connections = _written(request), self._connections
        until = asyncio.get_running_loop().time() + connections.deadline
        if not connections.slots.locked() and (kept := connections.kept(request)):
            async with connections.slots:
                connections.watch(kept, until)
                if answer := await self._ask(kept, written, request):
                    return answer
        async with asyncio.timeout_at(until), connections.slots:
            other = None if self.sent else connections.kept(request)
            if other and (answer := await self._ask(other, written, request)):
                return answer
            answer = await self._ask(await connections.opened(request), written, request)
            assert answer is not None  # noqa: S101 - a new connection answers or fails
            return answer

    async def _ask(self, connection: _Connection, written: bytes, request: Encoded) -> Answer | None:
        """Return the response. None: a kept connection ended without a byte of one, so a GET may be sent once more."""
        self.sent = True
        try:
            return await connection.answer(written, request)
        except TimeoutError:
            raise
        except (OSError, h11.RemoteProtocolError):
            if connection.is_new or connection.has_answered or request.method != "GET":
                raise
            return None
        finally:
            self._connections.leave(connection)


def _purpose(request: Encoded) -> Purpose:
    address = request.address
    return address.scheme, address.host, address.port, tuple(request.headers.items())


def _written(request: Encoded) -> bytes:
    """Return the bytes of a request. Only the first line of a GET is its own, so h11 checks the others once."""
    if request.method != "GET" or request.body or not _is_target(request.address.target):
        return serialized(responses.parser(), request, last=False)
    lines = _lines(request.address.netloc, tuple(request.headers.items()))
    return b"GET %b HTTP/1.1\r\n%b" % (request.address.target, lines)


def _is_target(target: bytes) -> bool:
    return target.isascii() and target.startswith(b"/") and b" " not in target and target.decode().isprintable()


@lru_cache(256)
def _lines(netloc: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return what follows the first line of a GET."""
    parser = responses.parser()
    head = parser.send(h11.Request(method="GET", target="/", headers=[("Host", netloc), *headers]))
    return (head or b"").partition(b"\r\n")[2]


def _begun(request: Encoded) -> h11.Connection:
    """Return a parser that has sent the request."""
    parser = responses.parser()
    serialized(parser, request, last=False)
    return parser


class _Connection(asyncio.Protocol):
    """One connection, for one request after the other."""

    _transport: asyncio.Transport

    def __init__(self, purpose: Purpose, now: float) -> None:
        self.purpose = purpose
        self.made_at = now
        self.is_new = True  # it has served no request
        self.is_usable = True
        self.has_answered = False  # whether any byte of the current response has come
        self.idle_since = 0.0
        self._response: responses.Incoming | None = None
        self._answer: asyncio.Future[Answer] | None = None

    async def answer(self, written: bytes, request: Encoded) -> Answer:
        """Write a request and return its response. The connection is usable afterwards only if nothing is left of it.

        Raise Disturbed if the server spoke or left before the request was written.
        """
        if not self.is_usable:
            raise Disturbed
        self.is_usable = self.has_answered = False
        self._response = responses.Incoming(lambda: _begun(request), usually=request.method == "GET")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(written)
        return await self._answer

    def end(self) -> None:
        self.is_usable = False
        self._transport.abort()

    def fail(self, error: Exception) -> None:
        """Let the request that waits for its response fail."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.end()  # what nobody has asked for is no response to the next request
            return
        self.has_answered = True
        self._feed(data)

    def eof_received(self) -> None:
        self._left(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._left(error)

    def _left(self, error: Exception | None) -> None:
        self.is_usable = False
        if error is not None:
            self.fail(error)
        elif self._answer is not None and not self._answer.done():
            self._feed(b"")

    def _feed(self, data: bytes) -> None:
        """Read what came. No bytes: nothing more will come."""
        assert self._answer and self._response  # noqa: S101
        try:
            if answer := self._response.feed(data):
                self.is_usable = bool(data) and self._response.leaves_connection
                self._answer.set_result(answer)
        except Exception as error:
            self._answer.set_exception(error)

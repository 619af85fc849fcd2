"""Read one response of HTTP/1.1 from the bytes of a connection. Pure.

h11 decides what a response is. The usual one comes in one piece and has nothing odd; `usual` reads it without h11, and
leaves every other one to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import h11

from providers.adapters.base import Answer
from providers.adapters.decoding import EVIDENCE, MAX_BODY
from providers.adapters.errors import MayBeRinging

MAX_HEAD = 100 * 1024  # bytes of a response before its body
USUAL_HEAD = 8 * 1024  # bytes of the head of a usual response
# A response in pieces is looked through from its start whenever more has come.
USUAL_CHUNKS = 64 * 1024  # bytes of a body in chunks
USUAL_PIECES = 50

_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2}) [\x21-\x7e \t]*\r\n"
    rb"((?:[A-Za-z0-9_-]{1,64}:[ \t]*[\x21-\x7e][\x20-\x7e]*\r\n){1,100})\r\n"
)
_LENGTH = re.compile("[0-9]{1,7}")
_WITHOUT_BODY = frozenset({b"204", b"304"})
_CHUNKED, _KEPT, _CLOSED = "chunked", "keep-alive", "close"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})\r\n")
_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,6}\r?")  # of the line of a chunk's size


class Incomplete(Exception):
    """The response is usual so far, and more of it has to come."""


def usual(data: bytes) -> Answer | None:
    """Return the answer if these bytes are one usual response and nothing else.

    None: h11 has to read them. Raise Incomplete if they may be the beginning of a usual response.
    """
    found = _HEAD.match(data, 0, USUAL_HEAD)
    if found is None or found[1] in _WITHOUT_BODY:
        return None
    headers: dict[str, str] = {}
    for line in found[2].decode("ascii").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in headers:
            return None
        headers[name] = value.strip(" \t")
    body = None
    if headers.get("connection", _KEPT).lower() in (_KEPT, _CLOSED) and "upgrade" not in headers:
        body = _body(data, found.end(), headers.get("content-length"), headers.get("transfer-encoding"))
    return None if body is None else Answer(int(found[1]), headers, body)


def _body(data: bytes, start: int, length: str | None, coding: str | None) -> bytes | None:
    if coding == _CHUNKED and length is None and len(data) - start <= USUAL_CHUNKS:
        return _joined_chunks(data, start)
    if coding is not None or length is None or not _LENGTH.fullmatch(length) or int(length) > MAX_BODY:
        return None
    missing = int(length) - (len(data) - start)
    if missing > 0:
        raise Incomplete
    return data[start:] if missing == 0 else None


def _joined_chunks(data: bytes, start: int) -> bytes | None:
    """Return the body of chunks without extensions and trailers."""
    parts: list[bytes] = []
    while found := _CHUNK.match(data, start):
        first, end = found.end(), found.end() + int(found[1], 16)
        if not b"\r\n".startswith(data[end : end + 2]):
            return None
        if end + 2 > len(data):
            raise Incomplete
        start = end + 2
        if first == end:  # the last chunk is empty
            return b"".join(parts) if start == len(data) else None
        parts.append(data[first:end])
    if _BEGUN.fullmatch(data, start):
        raise Incomplete
    return None


class Response:
    """One response, from the events of a parser that has sent its request."""

    def __init__(self, parser: h11.Connection) -> None:
        self._parser = parser
        self._head: h11.Response | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> Answer | None:
        """Parse what came; no bytes: nothing more will come. Return the answer once it is whole.

        Any exception may come out of it: then there is no answer.
        """
        self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_BODY:
                    raise too_long(self._head.status_code if self._head else 0, self._body)
            elif isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                return Answer(self._head.status_code, _joined(self._head), bytes(self._body))
            elif not isinstance(event, h11.InformationalResponse):
                if isinstance(event, h11.ConnectionClosed):
                    raise h11.RemoteProtocolError("closed without a response")
                return None  # more has to come

    @property
    def leaves_connection(self) -> bool:
        """Return whether the connection may serve another request after the answer.

        Not after one of two lengths: whoever stands between may go by the other one (RFC 9112, section 6.3).
        """
        names = {name for name, _ in self._head.headers} if self._head else set()
        if names >= {b"transfer-encoding", b"content-length"}:
            return False
        done = self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE
        return done and self._parser.trailing_data == (b"", False)


class Incoming:
    """One response, piece by piece: `usual` reads it if it can, h11 otherwise."""

    def __init__(self, begun: Callable[[], h11.Connection], *, usually: bool) -> None:
        """`begun` returns a parser that has sent the request. `usually`: whether a usual response may come."""
        self._begun, self._usually = begun, usually
        self._received, self._pieces = b"", 0
        self._careful: Response | None = None
        self._answer: Answer | None = None

    def feed(self, data: bytes) -> Answer | None:
        """Read what came; no bytes: nothing more will come. Return the answer once it is whole, or raise."""
        if self._careful is not None:
            return self._careful.feed(data)
        self._received = self._received + data if self._received else data
        self._pieces += 1
        if self._usually and data and self._pieces <= USUAL_PIECES:
            try:
                if answer := usual(self._received):
                    self._answer = answer
                    return answer
            except Incomplete:
                return None
        self._careful = Response(self._begun())
        answer = self._careful.feed(self._received)
        return answer if answer or data or not self._received else self._careful.feed(b"")

    @property
    def leaves_connection(self) -> bool:
        """Return whether the connection may serve another request after the answer."""
        if self._careful is not None:
            return self._careful.leaves_connection
        return self._answer is not None and self._answer.headers.get("connection", _KEPT).lower() == _KEPT


def parser() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)


def _joined(response: h11.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def too_long(status: int, body: bytearray) -> MayBeRinging:
    return MayBeRinging("The provider's response is too long.", status=status, evidence=bytes(body[:EVIDENCE]))

"""A raw socket server on 127.0.0.1 that misbehaves on purpose and records every byte that it receives."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any, Self

from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Received:
    """One request as received."""

    raw: bytes

    @property
    def line(self) -> str:
        return self.raw.split(b"\r\n", 1)[0].decode()

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.split(b"\r\n\r\n", 1)[1]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parts(self) -> dict[str, str]:
        """Return the fields of a multipart form. Fail if a part is a file or a field occurs twice."""
        whole = message_from_bytes(b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + self.body)
        parts: Any = whole.get_payload()
        found: dict[str, str] = {}
        for part in parts:
            assert part.get_filename() is None
            name = part.get_param("name", header="content-disposition")
            assert name not in found
            found[name] = part.get_payload(decode=True).decode()
        return found


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one request. `act` returns whether the connection stays open."""

    name: str
    act: Callable[[Wire, socket.socket], bool]
    at_once: bool = False  # act on accepting the connection, before reading a byte

    def __str__(self) -> str:
        return self.name


class Wire:
    """`with Wire() as wire: wire.play(answer(200, b"{}"))`, then send to `wire.url`."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.hangs: Callable[[], None] = lambda: None  # called once a request has come that is not answered in full
        self.closing = threading.Event()
        self._script: deque[Behaviour] = deque()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for conn in self._open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for conn in self._open:
            conn.close()

    def play(self, *behaviours: Behaviour) -> None:
        """Set the behaviours of the next requests. The last one applies to all further requests."""
        self._script = deque(behaviours)

    def take(self, conn: socket.socket) -> None:
        """Read one whole request and record it."""
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += self._more(conn)
        length = int(Received(raw).headers.get("content-length", "0"))
        while len(Received(raw).body) < length:
            raw += self._more(conn)
        self.requests.append(Received(raw))

    @staticmethod
    def _more(conn: socket.socket) -> bytes:
        chunk = conn.recv(65536)
        if not chunk:
            raise ConnectionResetError
        return chunk

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                conn, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(conn)
            self._start(self._serve, conn)

    def _serve(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            while not self.closing.is_set():
                if not self._script[0].at_once and not conn.recv(1, socket.MSG_PEEK):
                    return
                behaviour = self._script.popleft() if len(self._script) > 1 else self._script[0]
                if not behaviour.act(self, conn):
                    return


def answer(status: int, body: bytes | Any = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Return a behaviour that sends a complete response. A body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(raw))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)

    def act(wire: Wire, conn: socket.socket) -> bool:
        wire.take(conn)
        conn.sendall(f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + raw)
        return True

    return Behaviour(f"answers {status}", act)


def _reset(conn: socket.socket) -> bool:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _reset_unread(wire: Wire, conn: socket.socket) -> bool:
    conn.recv(1, socket.MSG_PEEK)  # a reset during the handshake would be a failed connection, which is NotSent
    return _reset(conn)


def _reset_after_reading(wire: Wire, conn: socket.socket) -> bool:
    wire.take(conn)
    return _reset(conn)


def _close_after_reading(wire: Wire, conn: socket.socket) -> bool:
    wire.take(conn)
    return False


def says(name: str, raw: bytes) -> Behaviour:
    """Return a behaviour that sends these bytes, then closes the connection."""

    def act(wire: Wire, conn: socket.socket) -> bool:
        wire.take(conn)
        conn.sendall(raw)
        return False

    return Behaviour(name, act)


def _silence(wire: Wire, conn: socket.socket) -> bool:
    wire.take(conn)
    wire.hangs()
    wire.closing.wait(PATIENCE)
    return False


def _dribble(wire: Wire, conn: socket.socket) -> bool:
    """Send one byte at a time: every single read succeeds, but the response never ends."""
    wire.take(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    wire.hangs()
    while not wire.closing.wait(0.02):
        conn.sendall(b" ")
    return False


def _oversize(wire: Wire, conn: socket.socket) -> bool:
    wire.take(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    for _ in range(256):
        conn.sendall(b" " * 16384)
    return False


SILENCE = Behaviour("is silent", _silence)
DRIBBLE = Behaviour("answers a byte at a time", _dribble)
OVERSIZE = Behaviour("answers four megabytes", _oversize)
RESET_UNREAD = Behaviour("resets without reading", _reset_unread, at_once=True)
# After each of these, the phone may be ringing: the server read the request, or may have read it.
AMBIGUOUS = [
    RESET_UNREAD,
    Behaviour("resets after reading", _reset_after_reading),
    Behaviour("closes without a byte", _close_after_reading),
    says("half a status line", b"HTTP/1.1 20"),
    says("half a head", b"HTTP/1.1 200 OK\r\ncontent-type: appl"),
    says("a truncated body", b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"id": "x'),
    says("a truncated refusal", b'HTTP/1.1 400 No\r\ncontent-length: 500\r\n\r\n{"error": "x'),
    says("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    says(
        "gzip that is none",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\n\x1f\x8b\x08rubbish"[:-1],
    ),
    SILENCE,
    DRIBBLE,
    OVERSIZE,
]


def closed_port() -> int:
    """Return a port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port

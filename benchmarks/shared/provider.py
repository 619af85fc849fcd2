"""A provider that answers at once: one bare HTTP server in a process of its own, so that it is never the limit.

It speaks as much of AlloMia's API as placing and reading need. The first part of an account's address says how its
calls go: `/ends` calls have ended by the first read, `/calling` and `/watched` calls never end. The answers have 410
bytes. GET /arrivals returns when each number of a watched account was called.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import uvloop

BODY = 410  # bytes
# The first part of an account's address, and of the IDs of its calls.
CALLING, ENDS, WATCHED = "calling", "ends", "watched"


@dataclass(frozen=True)
class Provider:
    """The running server: its address and its process."""

    url: str
    pid: int

    def address(self, kind: str) -> str:
        """Return the base address of an account whose calls are of this kind."""
        return f"{self.url}/{kind}"


@contextmanager
def running() -> Iterator[Provider]:
    """Start the server on a free port of 127.0.0.1. It ends with the block."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout  # noqa: S101
            yield Provider(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
        finally:
            process.terminate()


class _Exchange(asyncio.Protocol):
    """One connection. Requests may arrive in pieces, or several at once."""

    answers: _Answers

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            line = self._received[:end].partition(b"\r\n")[0].decode()
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            self._transport.write(self.answers.to(line, body))
            if b"connection: close" in head:
                self._transport.close()
                return


class _Answers:
    """The answers to requests, by their first lines."""

    def __init__(self) -> None:
        self._number = count(1)
        self._arrivals: dict[str, float] = {}  # by phone number

    def to(self, line: str, body: bytes) -> bytes:
        method, path, _ = line.split(" ")
        parts = path.split("/")
        if path == "/arrivals":
            return _response(json.dumps(self._arrivals).encode())
        if method == "POST":
            if parts[1] == WATCHED:
                self._arrivals[json.loads(body)["phoneNumber"]] = time.time()
            return _response(padded({"outboundCallId": new_id(parts[1], next(self._number))}))
        call_id = parts[-2] if len(parts) > 2 else ""
        return _response(status(call_id, ends=call_id.startswith(ENDS)))


def new_id(kind: str, number: int) -> str:
    """Return the ID of a call. It starts with the kind of call, which decides what its reads return."""
    return f"{kind}-{os.getpid():08d}-{number:010d}"


def status(call_id: str, *, ends: bool) -> bytes:
    """Return the answer to a read."""
    said: dict[str, Any] = {"outboundCallId": call_id, "contactId": "x", "status": "calling", "callDetails": None}
    if ends:
        now = datetime.now(UTC)
        times = {"startedAt": (now - timedelta(seconds=1)).isoformat(), "endedAt": now.isoformat(), "duration": 1}
        said |= {"status": "completed", "callDetails": times | {"endedReason": "customer-ended-call"}}
    return padded(said)


def padded(said: dict[str, Any]) -> bytes:
    """Return a body of the usual length."""
    short = json.dumps(said | {"note": ""})
    return json.dumps(said | {"note": "n" * (BODY - len(short))}).encode()


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve() -> None:
    _Exchange.answers = _Answers()
    server = await asyncio.get_running_loop().create_server(_Exchange, "127.0.0.1", 0, backlog=2_000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())

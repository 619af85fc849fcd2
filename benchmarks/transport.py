"""Measure how many placings per second one process can send: Trunkline's transport beside others.

python -m benchmarks.transport [--requests 3000] [--at-once 50] [--rounds 5] [--uvloop]

Every client sends the same POST to one server on loopback, over a connection of its own, and reads a 410-byte answer.
`kept` is aiohttp with kept connections: what is given up for the certainty of what was sent. The clients take turns;
only ratios mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection

import aiohttp
import httpx
import uvloop

from providers.adapters.base import Request
from providers.adapters.http import Client
from tenants.egress import policy

BODY = {"phoneNumber": "+14165550133", "assistantId": "a" * 36, "dynamicVariables": {"name": "Paula", "note": "x" * 80}}
ANSWER = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 410\r\n\r\n" + b"x" * 410
Send = Callable[[], Awaitable[object]]


class _Server(asyncio.Protocol):
    """Answer every request that ends in a JSON body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if b"\r\n\r\n" in self._seen and self._seen.endswith(b"}"):
            closes = b"connection: close" in self._seen.lower()
            self._seen = b""
            self._transport.write(ANSWER)  # type: ignore[attr-defined]
            if closes:
                self._transport.close()


def _serve(ready: Connection) -> None:
    async def run() -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        server = await asyncio.get_running_loop().create_server(_Server, sock=listening)
        ready.send(listening.getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


async def _clients(stack: AsyncExitStack, url: str) -> dict[str, Send]:
    policy.read_from(lambda: policy.Policy(loopback=True))
    ours = await stack.enter_async_context(Client())
    request = Request("POST", url, {"Authorization": "Bearer key"}, json=BODY)
    sessions = {
        name: await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=close)))
        for name, close in (("aiohttp", True), ("kept", False))
    }
    context = httpx.create_ssl_context(trust_env=False)

    async def by_httpx() -> None:
        async with httpx.AsyncHTTPTransport(verify=context, trust_env=False) as transport:
            sent = httpx.Request("POST", url, headers={"connection": "close"}, json=BODY)
            await (await transport.handle_async_request(sent)).aread()

    def by_aiohttp(session: aiohttp.ClientSession) -> Send:
        async def send() -> None:
            async with session.post(url, json=BODY) as response:
                await response.read()

        return send

    return {
        "httpx": by_httpx,
        "trunkline": lambda: ours.place(request),
        **{name: by_aiohttp(session) for name, session in sessions.items()},
    }


async def _rate(send: Send, requests: int, at_once: int) -> tuple[float, float]:
    """Return requests per second, and milliseconds of processor time for each."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await send()

    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return requests / (time.perf_counter() - began), (time.process_time() - busy) / requests * 1000


async def _measure(url: str, options: argparse.Namespace) -> None:
    found: dict[str, list[tuple[float, float]]] = {}
    async with AsyncExitStack() as stack:
        clients = await _clients(stack, url)
        for number in range(options.rounds + 1):
            for name in list(clients) if number % 2 else list(clients)[::-1]:
                measured = await _rate(clients[name], options.requests if number else 100, options.at_once)
                found.setdefault(name, []).append(measured)
    base = statistics.median(rate for rate, _ in found["httpx"][1:])
    for name, rates in found.items():
        rate, busy = (statistics.median(each[part] for each in rates[1:]) for part in (0, 1))
        sys.stdout.write(f"{name:10} {rate:8.0f}/s  {busy:.3f} ms CPU  {rate / base:.2f} x httpx\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transport", allow_abbrev=False)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uvloop", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/api/outbound"
    (uvloop.run if options.uvloop else asyncio.run)(_measure(url, options))
    server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Bare loops against the provider: what HTTP alone costs one process. The baselines of B1-B3, and the load of B11.

python -m benchmarks.shared.bare KIND URL COUNT AT_ONCE prints the requests, or pairs of requests, done in a second.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx

from benchmarks.shared.database import ROOT

AT_ONCE = 50


def rate(kind: str, url: str, count: int, at_once: int = AT_ONCE) -> float:
    """Return how many a second a process of its own does. `kind`: a function of this module."""
    command = [sys.executable, "-m", __name__, kind, url, str(count), str(at_once)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return float(done.stdout)


async def _many(one: Callable[[], Awaitable[Any]], count: int, at_once: int) -> float:
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await one()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


async def get(url: str, count: int, at_once: int) -> float:
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with session.get(f"{url}/calling/api/outbound/calling-1/status") as answer:
                await answer.json()

        return await _many(one, count, at_once)


async def post_get(url: str, count: int, at_once: int) -> float:
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with session.post(f"{url}/ends/api/outbound", json={"phoneNumber": "+12125550100"}) as answer:
                call = (await answer.json())["outboundCallId"]
            async with session.get(f"{url}/ends/api/outbound/{call}/status") as answer:
                await answer.json()

        return await _many(one, count, at_once)


async def httpx_post(url: str, count: int, at_once: int) -> float:
    """One connection for each request, as placing must have it: no request is sent twice or on a dead connection.

    One at a time, because httpx is slower with several in flight.
    """
    with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False) as client:
        began = time.perf_counter()
        for _ in range(count):
            client.post(f"{url}/calling/api/outbound", json={"phoneNumber": "+12125550100"}).json()  # noqa: ASYNC212
        return count / (time.perf_counter() - began)


async def callbacks(url: str, count: int, at_once: int) -> float:
    """Post status callbacks to addresses in turns; `url` ends with their tokens, each after a comma."""
    base, *tokens = url.split(",")
    number = iter(range(count))
    body = {"outboundCallId": "x", "status": "completed", "note": "n" * 340}
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with session.post(f"{base}{tokens[next(number) % len(tokens)]}", json=body) as answer:
                assert answer.status == 200  # noqa: S101
                await answer.read()

        return await _many(one, count, at_once)


KINDS = {"get": get, "post_get": post_get, "httpx_post": httpx_post, "callbacks": callbacks}

if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))}\n")

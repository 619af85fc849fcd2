"""Bare loops against the provider: what HTTP alone costs one process. The baselines of B1, B2 and B3.

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
    """Return how many a second a process of its own does. `kind`: "get", "post_get" or "httpx_post"."""
    command = [sys.executable, "-m", __name__, kind, url, str(count), str(at_once)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True, text=True)  # noqa: S603
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
    """One connection for each request, as placing must have it: no request can be sent twice or on a dead one."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def one() -> None:
            answer = await client.post(f"{url}/calling/api/outbound", json={"phoneNumber": "+12125550100"})
            answer.json()

        return await _many(one, count, at_once)


KINDS = {"get": get, "post_get": post_get, "httpx_post": httpx_post}

if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))}\n")

"""Send the fake providers' callbacks, but only to this machine. Callbacks to other hosts are counted and not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from providers.sandbox import draws
from providers.sandbox.world import Call, World

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Parcel = tuple[dict[str, str], bytes]


@dataclass(frozen=True)
class Delivery:
    """One callback, sent at a given time of a call. `compose` runs for each attempt, so each has a new signature."""

    at: float  # real seconds after the call was accepted
    url: str
    event: str
    compose: Callable[[], Parcel] = lambda: ({}, b"")
    method: Literal["GET", "POST"] = "POST"
    budget: float = 5.0  # real seconds to wait for a 2xx
    retries: Sequence[float] = ()  # seconds before each further attempt, divided by the speed


def stays_here(url: str) -> bool:
    """Return whether the URL leads to this machine."""
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False


class Callbacks:
    """Send callbacks, with one asyncio task per call that has any."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session: aiohttp.ClientSession | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by the call's index
        world.on_clear.append(self.forget)

    async def open(self) -> None:
        """Prepare to send."""
        self._session = aiohttp.ClientSession(trust_env=False)

    async def close(self) -> None:
        """Cancel all pending callbacks and release the connections."""
        tasks = list(self._tasks.values())
        self.forget()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """Cancel all pending callbacks: nothing more is sent for existing calls."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def schedule(self, call: Call, deliveries: Sequence[Delivery]) -> None:
        """Schedule these deliveries for the call, in place of those scheduled before."""
        old = self._tasks.pop(call.index, None)
        if old is not None:
            old.cancel()
        if deliveries:
            task = asyncio.create_task(self._send_all(call, deliveries))
            self._tasks[call.index] = task
            task.add_done_callback(lambda done: self._finished(call.index, done))

    def _finished(self, index: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(index) is task:
            del self._tasks[index]

    async def _send_all(self, call: Call, deliveries: Sequence[Delivery]) -> None:
        await asyncio.gather(*(self._send(call, delivery) for delivery in deliveries))

    async def _send(self, call: Call, delivery: Delivery) -> None:
        await asyncio.sleep(max(0.0, delivery.at - call.elapsed))
        if not stays_here(delivery.url):
            call.callbacks_skipped += 1
            return
        if self._draw_fault("lost", self._world.settings.callback_loss_rate, call, delivery):
            return
        if self._draw_fault("delayed", self._world.settings.callback_delay_rate, call, delivery):
            longest = self._world.settings.callback_delay_seconds
            await asyncio.sleep(draws.between(0, longest, "delay", call.id, delivery.event))
        arrived = await self._try(call, delivery)
        if self._draw_fault("doubled", self._world.settings.callback_double_rate, call, delivery):
            await self._try(call, delivery)
        for pause in delivery.retries:
            if arrived:
                break
            await asyncio.sleep(pause * draws.between(0.8, 1.2, call.id, delivery.event, pause) / call.speed)
            arrived = await self._try(call, delivery)
        if delivery.event == call.facts.get("terminal_event"):
            call.webhook_status = "delivered" if arrived else "failed"

    def _draw_fault(self, kind: str, rate: float, call: Call, delivery: Delivery) -> bool:
        key = (self._world.settings.seed, kind, call.provider, call.order.to_number, call.dial, delivery.event)
        if draws.fraction(*key) >= rate:
            return False
        self._world.faults["callbacks"][kind] += 1
        return True

    async def _try(self, call: Call, delivery: Delivery) -> bool:
        """Make one attempt. Return True for any 2xx within the budget."""
        if self._session is None:
            return False
        headers, body = delivery.compose()
        call.callbacks_sent += delivery.method == "POST"
        try:
            async with self._session.request(
                delivery.method,
                delivery.url,
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=delivery.budget),
            ) as answer:
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

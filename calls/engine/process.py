"""What an engine process and an upkeep task have in common: a slot, a heartbeat, leases, steps, and a clear end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, InterfaceError

from calls.deadlines import LANE_TIMING, Pauses
from calls.engine.beating import Beating, memory_used
from calls.engine.control import Control, Repeated
from calls.engine.database import Database
from calls.engine.leader import Leadership
from calls.models import Heartbeat

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Process:
    """`run` works until `stop`, until `claim_for` seconds are over, or until the slot is lost. Then it finishes."""

    role: Heartbeat.Role

    def __init__(self, worker: str, slot: int, *, claim_for: float | None, pauses: Pauses) -> None:
        self.worker, self.slot, self.claim_for, self.pauses = worker, slot, claim_for, pauses
        self.control = Control()
        self.beating = Beating(self.control, worker, self.role, slot, self.figures)
        self.databases = self.control.databases
        self.databases.append(self.beating.db)
        self.leaderships: list[Leadership] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_wanted = False

    @property
    def superseded(self) -> bool:
        return self.control.superseded

    def run(self, loop_factory: LoopFactory | None = None, *, until_signal: bool = False) -> None:
        """With `until_signal`, SIGTERM and SIGINT call `stop`; a second signal changes nothing."""
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(self._run(until_signal))

    def stop(self) -> None:
        """Stop claiming, and let `run` return. Any thread may call it, and again."""
        self._stop_wanted = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self.control.stop)

    def figures(self) -> dict[str, Any]:
        """Return what the metrics show of this process."""
        return {"memory_bytes": memory_used(), "leads": [lease.name for lease in self.leaderships if lease.leads]}

    def database(self, name: str, threads: int = 1, statement: int = LANE_TIMING.upkeep_statement) -> Database:
        found = Database(name, threads, statement=statement)
        self.databases.append(found)
        return found

    def leadership(self, name: str) -> Leadership:
        found = Leadership(name, f"{self.worker}/{self.role}/{self.slot}/{self.beating.run_id}")
        self.leaderships.append(found)
        return found

    async def _run(self, until_signal: bool) -> None:
        self._loop = asyncio.get_running_loop()
        if until_signal:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.control.stop)
        if self.claim_for is not None:
            self._loop.call_later(self.claim_for, self.control.stop)
        if self._stop_wanted:
            self.control.stop()
        try:
            if await self.beating.begin():
                await self._work()
        finally:
            self._close_databases()

    def _close_databases(self) -> None:
        closing = [threading.Thread(target=db.close) for db in self.databases]  # at once: each has its deadline
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    async def _work(self) -> None:
        raise NotImplementedError

    def claimers(self, steps: list[Repeated]) -> list[Coroutine[Any, Any, None]]:
        """Return the loops that end with the stop."""
        return [
            self.beating.keep_on(self.pauses.beat),
            *(self._lead(lease) for lease in self.leaderships),
            *(self.control.repeat(name, step, pause) for name, step, pause in steps),
        ]

    async def _lead(self, lease: Leadership) -> None:
        async def renew() -> bool:
            await lease.renew(self.beating.db)
            return False

        await self.control.repeat(f"lead_{lease.name}", renew, self.pauses.lead)
        with suppress(DatabaseError, InterfaceError):  # then the lease ends by itself
            await lease.resign(self.beating.db)

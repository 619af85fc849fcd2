"""Database work beside the event loop: threads with connections of their own, and a time limit for each statement.

Each lane has its own threads, so that no lane waits for the database work of another.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from django.db import close_old_connections, connection, connections

from tenants.db.time_limits import with_options

T = TypeVar("T")

# The plan of a foreign key's check lives as long as the connection. One made while a table was nearly empty reads the
# table whole, for each row, until the next ANALYZE: in the first minutes of a day, a call would cost twice as much. And
# compiling a plan takes longer than any statement of the engine.
BY_INDEX: dict[str, object] = {"enable_seqscan": "off", "jit": "off"}
CLOSE_WITHIN = 5.0


class Database:
    """Run short transactions in a few threads. `close` closes their connections."""

    def __init__(self, name: str, threads: int = 1, *, statement: int = 0, lock: int = 0) -> None:
        """`statement`, `lock`: the seconds after which PostgreSQL ends a statement, or one that waits for a lock.

        0 for no limit.
        """
        self.name = name
        self._threads = threads
        self._limits = {"statement_timeout": statement, "lock_timeout": lock}
        self._begun: dict[int, float] = {}  # when each thread began what it does now (monotonic), by its identifier
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"db-{name}", initializer=self._set_options)

    def _set_options(self) -> None:
        """Give this thread's connection its limits and plans. It is not open yet; each reconnect keeps them."""
        limits: dict[str, object] = {name: seconds * 1000 for name, seconds in self._limits.items() if seconds}
        if connection.vendor == "postgresql":
            connection.settings_dict = with_options(connection.settings_dict, BY_INDEX | limits)

    async def __call__(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._run(work, *args, **kwargs))

    @property
    def longest(self) -> float:
        """Return for how many seconds a thread has been busy with one piece of work, at most; 0 if none is."""
        return time.monotonic() - min(self._begun.copy().values(), default=time.monotonic())

    def _run(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        self._begun[threading.get_ident()] = time.monotonic()
        try:
            close_old_connections()  # asks a connection that has rested; one in use costs no round trip
            return work(*args, **kwargs)
        finally:
            del self._begun[threading.get_ident()]

    def close(self, within: float = CLOSE_WITHIN) -> None:
        """Close the connections. A thread that hangs in a broken connection is left behind after `within` seconds."""
        barrier = threading.Barrier(self._threads)

        def close_mine() -> None:
            barrier.wait(within)  # so that each thread runs this exactly once
            connections.close_all()

        wait([self._pool.submit(close_mine) for _ in range(self._threads)], timeout=within)
        self._pool.shutdown(wait=False, cancel_futures=True)

"""The writer of a lane: gathers answers for a moment and stores them together. It drops none silently.

A batch that cannot be stored is kept and tried again, by kind of error, until its leases end. An answer that spoils its
batch is separated from the others by halving.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from calls.engine.retries import Kind, kind_of, pause_after
from tenants.db.outage_log import REPEATS

logger = logging.getLogger(__name__)
A = TypeVar("A")

GATHER = 0.05  # seconds for which answers are gathered, unless a lane says otherwise
BATCH = 500  # answers that are stored together
FULL = 4 * BATCH  # with so many answers waiting, the lane claims nothing
LOGGED = (1, 10, 100)  # failures in a row that are logged: a long outage does not fill the log


@dataclass
class Figures:
    """What a writer has done since it started."""

    batches: int = 0
    answers: int = 0
    largest: int = 0
    flush_seconds: float = 0.0  # in the database, over all batches
    wait_seconds: float = 0.0  # from `put` to the first try, over all answers
    failures: int = 0  # batches that could not be stored at once
    lost: int = 0  # answers given up when their lease ended


@dataclass(frozen=True)
class Entry(Generic[A]):
    """An answer, and the moment when its lease ends (monotonic)."""

    answer: A
    until: float
    put_at: float


@dataclass
class Batch(Generic[A]):
    """Answers that are stored together."""

    entries: list[Entry[A]]
    failures: int = 0
    again_at: float = 0.0


class Writer(Generic[A]):
    """Store answers in batches. `run` is a task of its own; it ends after `close` when nothing is left to store."""

    def __init__(
        self,
        name: str,
        db: Callable[..., Awaitable[Any]],
        store: Callable[[Sequence[A]], Sequence[A] | None],
        give_up: Callable[[A], Awaitable[None]],
        gather: float | None = None,
    ) -> None:
        """`store` runs through `db` and returns those of the answers, the same objects, that it could not store.

        `give_up` is called with an answer that could not be stored before its lease ended. `gather`: the seconds for
        which answers are gathered.
        """
        self.name = name
        self._gather = GATHER if gather is None else gather
        self.figures = Figures()
        self._db, self._store, self._give_up = db, store, give_up
        self._fresh: list[Entry[A]] = []
        self._kept: list[Batch[A]] = []
        self._writing = 0
        self._ends = float("inf")
        self._some, self._enough = asyncio.Event(), asyncio.Event()  # answers to gather; a whole batch of them

    @property
    def waiting(self) -> int:
        """Return how many answers are not stored yet."""
        return len(self._fresh) + sum(len(batch.entries) for batch in self._kept) + self._writing

    @property
    def full(self) -> bool:
        return self.waiting >= FULL

    def put(self, answer: A, until: float) -> None:
        """Have an answer stored. Its lease ends at `until` (monotonic)."""
        self._fresh.append(Entry(answer, until, time.monotonic()))
        self._some.set()
        if len(self._fresh) >= BATCH:
            self._enough.set()

    def close(self, within: float) -> None:
        """Let `run` end: when all is stored, or after so many seconds."""
        self._ends = time.monotonic() + within
        self._some.set()
        self._enough.set()

    @property
    def _closing(self) -> bool:
        return self._ends != float("inf")

    async def run(self) -> None:
        while not (self._closing and self.waiting == 0):
            if time.monotonic() > self._ends:
                logger.error("%s answers of %s were not stored before the end", self.waiting, self.name)
                return
            if batch := await self._next():
                await self._write(batch)

    async def _next(self) -> Batch[A] | None:
        """Return a kept batch that is due, else what is gathered. None: look again."""
        if due := next((batch for batch in self._kept if batch.again_at <= time.monotonic()), None):
            self._kept.remove(due)
            return due
        if not self._fresh:
            self._some.clear()
            await self._wait(self._some, 1.0)
            return None
        age = time.monotonic() - self._fresh[0].put_at
        if len(self._fresh) < BATCH and age < self._gather and not self._closing:
            self._enough.clear()
            await self._wait(self._enough, self._gather - age)
            return None
        taken, self._fresh = self._fresh[:BATCH], self._fresh[BATCH:]
        now = time.monotonic()
        self.figures.wait_seconds += sum(now - entry.put_at for entry in taken)
        return Batch(taken)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, at most until a kept batch is due."""
        until = min([time.monotonic() + seconds, self._ends, *(batch.again_at for batch in self._kept)])
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await event.wait()

    async def _write(self, batch: Batch[A]) -> None:
        self._writing = len(batch.entries)
        began, error = time.monotonic(), None
        try:
            left = await self._db(self._store, [entry.answer for entry in batch.entries]) or ()
            kept = set(map(id, left))  # not by value: calls are compared by key, and a batch has hundreds
            entries = [entry for entry in batch.entries if id(entry.answer) in kept]
            if len(entries) != len(left):  # storing again changes nothing, losing one does
                entries = batch.entries
        except Exception as found:
            error, entries = found, batch.entries
        figures = self.figures
        figures.batches += 1
        figures.answers += len(batch.entries) - len(entries)
        figures.largest = max(figures.largest, len(batch.entries))
        figures.flush_seconds += time.monotonic() - began
        if entries:
            kind = kind_of(error) if error else Kind.OUTAGE if entries == batch.entries else Kind.CONFLICT
            await self._keep(entries, batch.failures + 1, kind, error)
        self._writing = 0

    async def _keep(self, entries: list[Entry[A]], failures: int, kind: Kind, error: Exception | None) -> None:
        """Keep what could not be stored for another try, except answers whose lease is over by then."""
        self.figures.failures += 1
        if failures in LOGGED:
            words = "%s answers of %s could not be stored yet"
            logger.error(words, len(entries), self.name, exc_info=error, extra=REPEATS)
        if kind is Kind.ANSWER and len(entries) > 1:
            half = len(entries) // 2
            self._kept += [Batch(entries[:half]), Batch(entries[half:])]
            return
        again_at = time.monotonic() + pause_after(kind, failures)
        if still := [entry for entry in entries if entry.until > again_at]:
            self._kept.append(Batch(still, failures, again_at))
        for entry in entries:
            if entry.until <= again_at:
                self.figures.lost += 1
                with suppress(Exception):
                    await self._give_up(entry.answer)

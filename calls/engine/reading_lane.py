"""The reading lane: claiming, sending and storing go on at once. What is claimed waits in a queue for a slot."""

from __future__ import annotations

import logging
import time
from typing import Any

from calls.deadlines import CLUSTER_TIMING
from calls.engine.control import Control
from calls.engine.lane import Lane
from calls.engine.read_queue import Claimed, ReadQueue
from calls.engine.writer import Writer
from calls.following import polling
from calls.models import log_keys
from calls.outcomes import poll_schedule
from providers.adapters import http
from providers.adapters.base import Reading
from providers.adapters.errors import ProviderError

logger = logging.getLogger(__name__)

Read = tuple[polling.DueRead, Reading | ProviderError, bytes]


class ReadingLane(Lane):
    """Claim calls that are due for a read, read each, have the writer store the answers.

    A slot that becomes free takes the next read from the queue at once. The queue is filled by larger claims meanwhile,
    because a claim of one read costs half as much as one of a hundred.
    """

    name = "reading"
    slots = 300
    # Seconds for which answers are gathered. Those that tell of a change need twenty statements, however many they are.
    # They come seconds after what they tell, and one that is lost in a crash is read again.
    GATHER = 0.25
    BESIDE_PLACING = 100  # slots while calls are being placed: the lanes share one event loop, by what is in flight

    def __init__(self, control: Control, client: http.Client, pause: float, placing_lane: Lane) -> None:
        super().__init__(control, pause)
        self._client, self._placing = client, placing_lane
        self._writer: Writer[Read] = Writer(self.name, self.stores, polling.record_all, self._give_up, self.GATHER)
        self._queue = ReadQueue()
        self._freed_since_claim = 0

    @property
    def writer(self) -> Writer[Read]:
        return self._writer

    @property
    def _slots(self) -> int:
        return self.BESIDE_PLACING if self._placing.in_flight else self.slots

    @property
    def _capacity(self) -> int:
        """Return how many reads may be claimed: those that the slots hold, and as many that wait for one."""
        return 0 if self._writer.full else 2 * self._slots

    @property
    def _few(self) -> int:
        """Return the reads for which alone no claim is made, unless the pause is over."""
        return self._slots // 2

    async def turn(self) -> bool:
        self._freed_since_claim = 0
        room, until = self._queue.room(self._capacity), time.monotonic() + poll_schedule.READ_LEASE.total_seconds()
        found: list[polling.DueRead] = []
        if room.of_all:
            found = await self.claims(polling.claim, min(room.of_all, polling.BATCH), room.of)
            self._queue.add(found, until)
        self._send()
        if len(found) < self._few:
            await self._until_many_are_free()
        return True

    async def _until_many_are_free(self) -> None:
        """Wait for the pause, or until enough reads have ended for the next claim."""
        if self.control.running:
            self._freed.clear()
        if self._freed_since_claim < self._few:
            await self.control.sleep(self.pause, self._freed)

    def _send(self) -> None:
        """Give the free slots to reads that wait, unless the worker stops: then all that wait are given back."""
        while claimed := self._next(self._slots - len(self.in_flight)):
            self.spawn(self._read(claimed))

    def _next(self, free: int) -> Claimed | None:
        """Return the next read to send, if so many slots are free. Give back those that would be stored too late."""
        late: list[polling.DueRead] = []
        found = None
        while self.control.running and (claimed := self._queue.send(free)):
            if claimed.until - time.monotonic() >= CLUSTER_TIMING.finish:
                found = claimed
                break
            late.append(claimed.due)  # its answer might be stored after another worker has claimed it
            self._queue.done(claimed)
        if late:
            self.spawn(self._give_back(late))
        return found

    def _free(self, task: Any) -> None:
        self.in_flight.discard(task)
        self._send()

    async def _read(self, first: Claimed) -> None:
        """Read a call, then those that wait for the slot: a task for each read would cost as much as its request."""
        claimed: Claimed | None = first
        while claimed:
            await self._read_one(claimed)
            self._freed_since_claim += 1
            if self._freed_since_claim >= self._few:
                self._freed.set()
            claimed = self._next(self._slots - len(self.in_flight) + 1)

    async def _read_one(self, claimed: Claimed) -> None:
        due, began = claimed.due, time.monotonic()
        try:
            answer, raw = await polling.read(self._client, due)
        except Exception as error:
            logger.exception("Call %s: a read failed", due.call.pk, extra=log_keys(due.call))
            # The read was counted and leased, so a failing read is not repeated at once and forever.
            answer, raw = ProviderError(f"Reading failed: {type(error).__name__}."), b""
        finally:
            self._queue.done(claimed)
        self.tallies.note(due.call.account_id, answer, began)
        self._writer.put((due, answer, raw), claimed.until)

    async def end(self) -> None:
        await self._give_back(self._queue.take_all())

    async def _give_back(self, reads: list[polling.DueRead]) -> None:
        """Let other workers claim reads that were not sent, at once. If that fails, they can when the leases end."""
        try:
            if reads:
                await self.stores(polling.give_back, reads)
        except Exception:
            logger.exception("%s reads that were not sent could not be given back", len(reads))

    async def _give_up(self, answer: Read) -> None:
        """Store that the read failed, so that an answer which cannot be stored is not read at once and forever."""
        due = answer[0]
        logger.error(
            "Call %s: the answer to a read could not be stored",
            due.call.pk,
            extra=log_keys(due.call),
        )
        failed = ProviderError("The answer could not be stored.")
        await self.stores(polling.record_all, [(due, failed, b"")])

    def figures(self) -> dict[str, Any]:
        return super().figures() | {"queued": self._queue.waiting}

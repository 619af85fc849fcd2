"""The engine slice: all background work, concurrently, for a short time.

A slice claims work for 45 seconds, queues its successor, then only finishes what it claimed. Losing or repeating a
slice changes nothing, because every claim is a claim of rows.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils import timezone

from calls.actions import budget_watch, campaigns, opening_watch, overdue_watch, scheduled_callbacks
from calls.deadlines import CLUSTER_TIMING, PAUSES, Pauses
from calls.dialing import daily_caps, enqueueing, placing, reassessing
from calls.following import polling, reconciling, status_callbacks
from calls.models import Heartbeat
from calls.outcomes import circuit_breaker, placement_results
from calls.webhooks import delivery, maintenance, outbox
from campaigns import launching
from campaigns.imports import job, retention, undo
from providers import outgoing
from providers.adapters import http
from providers.adapters.errors import ProviderError
from tenants.api import idempotency

logger = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 6
BEAT = 5.0
PLACINGS_AT_ONCE = 200
READS_AT_ONCE = 100
DELIVERIES_AT_ONCE = 300
WEBHOOK_THREADS = 2  # separate ones, so that customers' systems do not delay calls


class Database:
    """Run short transactions in a few threads, each with its own connection. `close` closes the connections."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine-db")

    async def __call__(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        def run() -> T:
            close_old_connections()
            return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def close(self) -> None:
        barrier = threading.Barrier(self._threads)

        def close_mine() -> None:
            barrier.wait(timeout=10)  # so that each thread runs this exactly once
            connections.close_all()

        for future in [self._pool.submit(close_mine) for _ in range(self._threads)]:
            future.exception()
        self._pool.shutdown()


class Slice:
    """One slice of the engine. `run` returns at its end; `superseded` is true when another slice holds the slot."""

    def __init__(
        self,
        worker: str,
        slot: int,
        *,
        claim_for: float = CLUSTER_TIMING.claim,
        on_claimed: Callable[[], None] | None = None,
        pauses: Pauses = PAUSES,
    ) -> None:
        """`on_claimed` is called once, when this slice stops claiming and still holds the slot."""
        self.on_claimed = on_claimed
        self.pauses = pauses
        self.worker = worker
        self.slot = slot
        self.run_id = uuid.uuid4().hex
        self.claim_for = claim_for
        self.drain_for = float(CLUSTER_TIMING.drain - CLUSTER_TIMING.claim)
        self.superseded = False
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._reads: Counter[int] = Counter()  # under way, by account
        self._host_cursor = delivery.HostCursor()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._ends = time.monotonic() + self.claim_for
        self.db, self.long_db, self.webhook_db = Database(THREADS), Database(1), Database(WEBHOOK_THREADS)
        try:
            if not await self.db(take_slot, self.worker, self.slot, self.run_id):
                self._lose_slot()
                return
            async with (
                http.Client() as self.http,
                outgoing.Client() as self.outgoing,
            ):
                await self._run_steps()
        finally:
            self.db.close()
            self.long_db.close()
            self.webhook_db.close()

    async def _run_steps(self) -> None:
        pauses = self.pauses
        loops = [
            asyncio.create_task(self._repeat(step, pause))
            for step, pause in (
                (self._beat, pauses.beat),
                (self._place, pauses.place),
                (self._read, pauses.read),
                (self._status_callbacks, pauses.status_callbacks),
                (self._enqueue, pauses.enqueue),
                (self._reap, pauses.reap),
                (self._reconcile, pauses.reconcile),
                (self._probe, pauses.probe),
                (self._campaigns, pauses.campaigns),
                (self._watch_budgets, pauses.watch_budgets),
                (self._watch_openings, pauses.watch_openings),
                (self._watch_overdue, pauses.watch_overdue),
                (self._scheduled_callbacks, pauses.scheduled_callbacks),
                (self._reassess_recipients, pauses.reassess),
                (self._wake_for_daily_caps, pauses.wake),
                (self._import, pauses.imports),
                (self._undo, pauses.undo),
                (self._launch, pauses.launch),
                (self._purge_idempotency_keys, pauses.purge_idempotency_keys),
                (self._purge_imports, pauses.purge_imports),
                (self._deliver, pauses.deliver),
                (self._publish_finished_imports, pauses.publish_finished_imports),
                (self._purge_webhooks, pauses.purge_webhooks),
            )
        ]
        await asyncio.gather(*loops)
        if self.on_claimed and not self.superseded:
            await self.db(self.on_claimed)
        if left := self._tasks | self._deliveries:
            await asyncio.wait(left, timeout=self.drain_for)

    @property
    def claiming(self) -> bool:
        """Whether new work may be claimed."""
        return not self.superseded and time.monotonic() < self._ends

    async def _repeat(self, step: Callable[[], Coroutine[Any, Any, bool]], pause: float) -> None:
        """Repeat a step until the slice stops claiming: at once after it found work, else after the pause.

        An exception is logged, and each one in a row doubles the pause.
        """
        failures = 0
        while self.claiming:
            try:
                busy = await step()
                failures = 0
            except Exception:
                failures += 1
                logger.exception("The engine's %s step failed", step.__name__.strip("_"))
                busy = False
            if not busy:
                longest = max(0.0, self._ends - time.monotonic()) + 0.01
                await self._sleep(min(pause * 2**failures, max(pause, 10.0), longest))

    async def _sleep(self, seconds: float) -> None:
        """Wait for the time, or until another slice holds the slot."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._lost.wait()

    def _lose_slot(self) -> None:
        self.superseded = True
        self._lost.set()

    def _spawn(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]] | None = None) -> None:
        tasks = self._tasks if among is None else among
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # The steps. Each returns whether it found work, and is then repeated without a pause.

    _beaten = 0.0

    async def _beat(self) -> bool:
        due = time.monotonic() - self._beaten >= BEAT
        if not await self.db(beat, self.worker, self.slot, self.run_id, write=due):
            self._lose_slot()
        elif due:
            self._beaten = time.monotonic()
        return False

    async def _place(self) -> bool:
        found = False
        for account_id in await self.db(placing.accounts_with_work, timezone.now()):
            if not self.claiming or len(self._tasks) >= PLACINGS_AT_ONCE:
                break
            for claim in await self.db(placing.claim, account_id):
                found = True
                self._spawn(self._place_one(claim))
        if not found:
            await asyncio.sleep(await self.db(placing.until_next, timezone.now(), self.pauses.place))
        return True

    async def _place_one(self, claim: placing.Claim) -> None:
        try:
            answer = await placing.send(self.http, claim)
            await self._store_with_retries(store, placing.record_all, (claim, answer))
        except Exception:  # when the lease ends, the reaper turns the claim into a doubt
            logger.exception("Call %s: the answer to its placing was lost", claim.call.pk)

    async def _store_with_retries(self, store: Callable[..., None], *args: Any) -> None:
        """Store an answer, trying several times, because the database may fail for a moment."""
        for wait in (0.2, 1.0, 3.0):
            try:
                await self.db(store, *args)
                return
            except Exception:
                logger.exception("Storing an answer failed and is tried again")
                await asyncio.sleep(wait)
        await self.db(store, *args)

    async def _read(self) -> bool:
        if len(self._tasks) >= PLACINGS_AT_ONCE + READS_AT_ONCE:
            return False
        readings = await self.db(polling.claim, under_way=dict(self._reads))
        for due in readings:
            self._spawn(self._read_one(due))
        return bool(readings)

    async def _read_one(self, due: polling.DueRead) -> None:
        self._reads[due.call.account_id] += 1
        try:
            answer, raw = await polling.read(self.http, due)
            await self.db(store, polling.record_all, (due, answer, raw))
        except Exception as error:
            logger.exception("Call %s: a read failed", due.call.pk)
            # The read was counted and leased, so a failing read is not repeated at once and forever.
            failed = ProviderError(f"Reading failed: {type(error).__name__}.")
            await self.db(store, polling.record_all, (due, failed, b""))
        finally:
            self._reads[due.call.account_id] -= 1

    async def _status_callbacks(self) -> bool:
        pending = await self.db(status_callbacks.pending)
        for pk in pending:
            try:
                await self.db(status_callbacks.process, pk)
            except (OperationalError, InterfaceError):
                logger.exception("The database failed while status callback %s was processed", pk)
                await self.db(status_callbacks.postpone, pk)
            except Exception as error:
                logger.exception("Status callback %s could not be processed", pk)
                await self.db(status_callbacks.note_failure, pk, type(error).__name__)
        return bool(pending)

    async def _enqueue(self) -> bool:
        for organization_id in await self.db(enqueueing.running):
            if not self.claiming:
                break
            await self.db(enqueueing.feed_all, organization_id)
        await self.db(enqueueing.reroute, timezone.now())
        return False

    async def _watch_budgets(self) -> bool:
        await self.db(budget_watch.watch, timezone.now())
        return False

    async def _watch_openings(self) -> bool:
        await self.db(opening_watch.watch)
        return False

    async def _watch_overdue(self) -> bool:
        await self.db(overdue_watch.watch, timezone.now())
        return False

    async def _reap(self) -> bool:
        await self.db(placement_results.reap, timezone.now())
        return False

    async def _reconcile(self) -> bool:
        for account, calls in (await self.db(reconciling.claim)).items():
            self._spawn(reconciling.search_and_record(self.http, self.db, account, calls))
        return False

    async def _probe(self) -> bool:
        """Ask providers that were unreachable, by a harmless read, whether they are back."""
        for account in await self.db(circuit_breaker.claim_probes, timezone.now()):
            error: ProviderError | None = None
            try:
                account.adapter.read_check(await self.http.read(account.adapter.check()))
            except ProviderError as found:
                error = found
            await self.db(circuit_breaker.record_probe, account, error, timezone.now())
        return False

    async def _campaigns(self) -> bool:
        await self.db(campaigns.start_scheduled)
        await self.db(campaigns.finish_where_done)
        await self.db(campaigns.wind_up_canceled)
        return False

    async def _scheduled_callbacks(self) -> bool:
        await self.db(scheduled_callbacks.step, timezone.now())
        return False

    async def _reassess_recipients(self) -> bool:
        """Do one part of each kind, so that a large campaign delays neither an edit nor another campaign."""
        await self.db(reassessing.notice_edits)
        done = await self.long_db(reassessing.reassess_contacts)
        for campaign_id in await self.db(reassessing.campaigns_to_reassess):
            if self.claiming:
                done = await self.long_db(reassessing.reassess, campaign_id) and done
        return not done

    async def _wake_for_daily_caps(self) -> bool:
        await self.db(daily_caps.wake, timezone.now())
        return False

    async def _import(self) -> bool:
        for import_id in await self.long_db(job.due):
            if self.claiming:
                await self.long_db(job.run_step, import_id)
                return True
        return False

    async def _undo(self) -> bool:
        for import_id in await self.long_db(undo.due):
            if self.claiming:
                await self.long_db(undo.run_step, import_id)
                return True
        return False

    async def _purge_imports(self) -> bool:
        return await self.long_db(retention.forget, timezone.now()) > 0

    async def _launch(self) -> bool:
        for campaign_id in await self.long_db(campaigns.launching_now):
            if self.claiming:
                await self.long_db(launching.step, campaign_id)
                return True
        return False

    async def _purge_idempotency_keys(self) -> bool:
        return bool(await self.db(idempotency.purge))

    async def _deliver(self) -> bool:
        claims = await self.webhook_db(delivery.claim, DELIVERIES_AT_ONCE - len(self._deliveries), self._host_cursor)
        for claim in claims:
            self._spawn(self._deliver_one(claim), self._deliveries)
        if claims:
            await asyncio.sleep(0.02)  # hosts that answer at once have a free slot for their next delivery then
        elif self._deliveries:
            done, _ = await asyncio.wait(self._deliveries, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        return bool(claims)

    async def _deliver_one(self, claim: delivery.Claim) -> None:
        try:
            if answer := await delivery.send(self.outgoing, claim):
                await self.webhook_db(delivery.record, claim, answer)
        except Exception:  # when the lease ends, the delivery is sent again with the same id
            logger.exception("Webhook %s: the result of its delivery was lost", claim.message_id)

    async def _publish_finished_imports(self) -> bool:
        await self.webhook_db(outbox.publish_finished_imports)
        return False

    async def _purge_webhooks(self) -> bool:
        return await self.webhook_db(maintenance.purge) > 0


def store(record_all: Callable[[list[Any]], list[Any]], answer: Any) -> None:
    """Store one answer, as a batch of one. Raises RuntimeError when that fails."""
    if record_all([answer]):
        raise RuntimeError("The answer could not be stored.")


def take_slot(worker: str, slot: int, run_id: str) -> bool:
    """Take a slot for a slice. Return False when the worker is stopping."""
    now = timezone.now()
    held = Heartbeat.objects.filter(worker=worker, slot=slot)
    return held.exclude(run="").update(run=run_id, beaten_at=now, started_at=now) == 1


def beat(worker: str, slot: int, run_id: str, *, write: bool) -> bool:
    """Return whether the slice still holds the slot. With `write`, also store a heartbeat."""
    mine = Heartbeat.objects.filter(worker=worker, slot=slot, run=run_id)
    return mine.update(beaten_at=timezone.now()) == 1 if write else mine.exists()

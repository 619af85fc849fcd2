"""Maintenance: what one process of all workers does for them, the leader. Each step may be repeated without harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from django.utils import timezone

from calls.actions import budget_watch, campaigns, opening_watch, overdue_watch, scheduled_callbacks
from calls.deadlines import Pauses
from calls.dialing import daily_caps, enqueueing
from calls.engine.control import Control, Repeated
from calls.engine.leader import Leadership
from calls.following import reconciling
from calls.outcomes import circuit_breaker, placement_results
from calls.webhooks import outbox
from campaigns import launching
from providers.adapters import http
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount

logger = logging.getLogger(__name__)
Run = Callable[..., Awaitable[Any]]


class Maintenance:
    """The steps of the leader. Enqueueing has a thread of its own, so that no report delays calls."""

    def __init__(self, control: Control, leadership: Leadership, client: http.Client, db: Run, enqueue_db: Run) -> None:
        self._control, self._leadership, self._client = control, leadership, client
        self._db, self._enqueue_db = db, enqueue_db
        self.in_flight: set[asyncio.Task[None]] = set()

    def steps(self, pauses: Pauses) -> list[Repeated]:
        found: list[Repeated] = [
            ("enqueue", self.enqueue, pauses.enqueue),
            ("reap", self._plain(placement_results.reap), pauses.reap),
            ("reconcile", self.reconcile, pauses.reconcile),
            ("probe", self.probe, pauses.probe),
            ("campaigns", self.campaigns, pauses.campaigns),
            ("watch_budgets", self._plain(budget_watch.watch), pauses.watch_budgets),
            ("watch_openings", self.watch_openings, pauses.watch_openings),
            ("watch_overdue", self._plain(overdue_watch.watch), pauses.watch_overdue),
            ("scheduled_callbacks", self._plain(scheduled_callbacks.step), pauses.scheduled_callbacks),
            ("wake", self._plain(daily_caps.wake), pauses.wake),
            ("publish_finished_imports", self.publish_finished_imports, pauses.publish_finished_imports),
        ]
        return [(name, self._leadership.only(name, step), pause) for name, step, pause in found]

    def _plain(self, work: Callable[..., Any]) -> Callable[[], Awaitable[bool]]:
        async def step() -> bool:
            await self._db(work, timezone.now())
            return False

        return step

    async def enqueue(self) -> bool:
        for organization_id in await self._enqueue_db(enqueueing.running):
            if not (self._control.claiming and self._leadership.leads):
                return False
            await self._enqueue_db(enqueueing.feed_all, organization_id)
        await self._enqueue_db(enqueueing.reroute, timezone.now())
        return False

    async def watch_openings(self) -> bool:
        await self._db(opening_watch.watch)
        return False

    async def reconcile(self) -> bool:
        for account, calls in (await self._db(reconciling.claim)).items():
            self._spawn(reconciling.search_and_record(self._client, self._db, account, calls))
        return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.in_flight.add(task)
        task.add_done_callback(self.in_flight.discard)

    async def probe(self) -> bool:
        """Ask providers that were unreachable, by a harmless read, whether they are back: all at the same time.

        So one that accepts the connection and says nothing keeps no other account blocked.
        """
        for account in await self._db(circuit_breaker.claim_probes, timezone.now()):
            self._spawn(self._probe(account))
        return False

    async def _probe(self, account: ProviderAccount) -> None:
        error: ProviderError | None = None
        try:
            account.adapter.read_check(await self._client.read(account.adapter.check()))
        except ProviderError as found:
            error = found
        except Exception as found:
            logger.exception("Account %s: its probe failed", account.pk)
            error = ProviderError(f"The probe failed: {type(found).__name__}.")
        try:
            await self._db(circuit_breaker.record_probe, account, error, timezone.now())
        except Exception:  # when its lease ends, the account is probed again
            logger.exception("Account %s: the answer to its probe could not be stored", account.pk)

    async def campaigns(self) -> bool:
        await self._db(campaigns.start_scheduled)
        await self._db(launching.look_again)
        await self._db(campaigns.finish_where_done)
        await self._db(campaigns.wind_up_canceled)
        return False

    async def publish_finished_imports(self) -> bool:
        await self._db(outbox.publish_finished_imports)
        return False

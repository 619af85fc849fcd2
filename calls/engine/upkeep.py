"""Upkeep: long work that must not take time from calls. Imports, undoing them, launches, edits of rules, purges.

It runs outside the engine processes, in tasks of the task queue. A task claims for 45 seconds, queues its successor,
then ends. Losing or repeating a task changes nothing, because every claim is a claim of rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.utils import timezone

from calls.actions import campaigns
from calls.deadlines import Pauses
from calls.dialing import reassessing
from calls.engine import leftovers
from calls.engine.control import Control, Repeated
from calls.engine.leader import Leadership
from calls.following import status_callbacks
from calls.webhooks import maintenance as webhook_maintenance
from campaigns import launching, name_keys
from campaigns.imports import job, retention, undo
from tenants import audit_chain
from tenants.api import idempotency
from tenants.db import counters

Run = Callable[..., Awaitable[Any]]


class Upkeep:
    """The steps. Imports and launches are claimed by row; the leader among the workers does the others."""

    def __init__(self, control: Control, leadership: Leadership, db: Run) -> None:
        self._control, self._leadership, self._db = control, leadership, db

    def steps(self, pauses: Pauses) -> list[Repeated]:
        led: list[Repeated] = [
            ("reassess", self.reassess_recipients, pauses.reassess),
            ("purge_idempotency_keys", self.purge_idempotency_keys, pauses.purge_idempotency_keys),
            ("purge_imports", self.purge_imports, pauses.purge_imports),
            ("purge_webhooks", self.purge_webhooks, pauses.purge_webhooks),
            ("purge_callbacks", self.purge_callbacks, pauses.purge_callbacks),
            ("purge_leftovers", self.purge_leftovers, pauses.purge_leftovers),
            ("fold_counts", self.fold_counts, pauses.fold_counts),
            ("seal_audit", self.seal_audit, pauses.seal_audit),
            ("fill_name_keys", self.fill_name_keys, pauses.fill_name_keys),
        ]
        return [
            ("import", self._first_of(job.due, job.run_step), pauses.imports),
            ("undo", self._first_of(undo.due, undo.run_step), pauses.undo),
            ("launch", self._first_of(campaigns.launching_now, launching.step), pauses.launch),
            *((name, self._leadership.only(name, step), pause) for name, step, pause in led),
        ]

    def _first_of(self, due: Callable[[], Any], work: Callable[[int], Any]) -> Callable[[], Awaitable[bool]]:
        async def step() -> bool:
            for pk in await self._db(due):
                if self._control.claiming:
                    await self._db(work, pk)
                    return True
            return False

        return step

    async def reassess_recipients(self) -> bool:
        """Do one part of each kind, so that a large campaign delays neither an edit nor another campaign."""
        await self._db(reassessing.notice_edits)
        done = await self._db(reassessing.reassess_contacts)
        for campaign_id in await self._db(reassessing.campaigns_to_reassess):
            if self._control.claiming:
                done = await self._db(reassessing.reassess, campaign_id) and done
        return not done

    async def purge_idempotency_keys(self) -> bool:
        return bool(await self._db(idempotency.purge))

    async def purge_imports(self) -> bool:
        return bool(await self._db(retention.forget, timezone.now()) > 0)

    async def purge_webhooks(self) -> bool:
        return bool(await self._db(webhook_maintenance.purge) > 0)

    async def purge_callbacks(self) -> bool:
        return bool(await self._db(status_callbacks.purge) > 0)

    async def purge_leftovers(self) -> bool:
        return bool(await self._db(leftovers.purge, timezone.now()) > 0)

    async def fold_counts(self) -> bool:
        return bool(await self._db(counters.fold))

    async def seal_audit(self) -> bool:
        return bool(await self._db(audit_chain.seal))

    async def fill_name_keys(self) -> bool:
        return bool(await self._db(name_keys.fill) or await self._db(name_keys.renew))

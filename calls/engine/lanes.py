"""Lanes of an engine process: placing, status callbacks, webhooks. `reading_lane` has the other one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING
from calls.dialing import placing
from calls.engine.control import Control
from calls.engine.lane import SOON, Lane
from calls.engine.writer import Writer
from calls.following import status_callbacks
from calls.models import log_keys
from calls.webhooks import delivery
from providers import outgoing
from providers.adapters import http
from providers.adapters.base import Reading
from providers.adapters.errors import ProviderError
from tenants.journal.writer import DatabaseIsOlder

logger = logging.getLogger(__name__)

STOPPED = "The worker stopped between the decision and the request, so nothing was sent."

Placed = tuple[placing.Claim, Reading | ProviderError]


class PlacingLane(Lane):
    """Claim due calls of each account, send the request of each, have the writer store the answers."""

    name = "placing"
    slots = 400
    OF_AN_ACCOUNT = 200  # in flight at once: a provider that answers slowly leaves slots for the others
    FEWEST, MOST = 8, 200  # calls of one claim
    LONGEST_WAIT = 10.0  # seconds until an account whose claims fail is tried again
    QUICK, SLOW = 0.3, 1.0  # seconds of a claim after which the next one is larger or smaller

    def __init__(self, control: Control, client: http.Client, pause: float) -> None:
        super().__init__(control, pause)
        self._client = client
        self._writer: Writer[Placed] = Writer(self.name, self.stores, placing.record_all, self._give_up)
        self._of_account: Counter[int] = Counter()
        self._size = self.FEWEST * 4
        self._failures: Counter[int] = Counter()  # claims of an account that failed in a row
        self._again_at: dict[int, float] = {}  # when such an account is tried again (monotonic)

    @property
    def writer(self) -> Writer[Placed]:
        return self._writer

    async def turn(self) -> bool:
        found = full = False
        for account_id in await self.claims(placing.accounts_with_work, timezone.now()):
            room = min(self.room, self.OF_AN_ACCOUNT - self._of_account[account_id])
            if not self.control.claiming:
                return False
            if room <= 0:
                full = True
                continue
            if time.monotonic() < self._again_at.get(account_id, 0.0):
                continue
            found = await self._claim_or_wait(account_id, min(room, self._size)) or found
            self.control.note_alive(self.name)
        if full:
            await self.rest(self.pause)
        elif not found:
            await self.control.sleep(await self.claims(placing.until_next, timezone.now(), self.pause))
        return True

    async def _claim_or_wait(self, account_id: int, limit: int) -> bool:
        """Claim calls of one account. If that fails, the account waits, and no other does. Return whether it claimed.

        Its organization may be locked, its secret may not be readable, one of its rows may meet a bug.
        """
        try:
            found = await self._claim(account_id, limit)
        except DatabaseIsOlder:
            logger.exception("Nothing more is claimed")
            self.control.stop()  # the watcher compares before it starts another process
            return False
        except Exception:
            self._failures[account_id] += 1
            logger.exception("Account %s: its calls could not be claimed", account_id)
            wait = min(self.pause * 2 ** self._failures[account_id], self.LONGEST_WAIT)
            self._again_at[account_id] = time.monotonic() + wait
            return False
        self._failures.pop(account_id, None)
        self._again_at.pop(account_id, None)
        return found

    async def _claim(self, account_id: int, limit: int) -> bool:
        """Claim calls of one account and spawn them. Requests must be sent within seconds, so a claim stays quick."""
        began = time.monotonic()
        claims = await self.claims(placing.claim, account_id, limit)
        took = time.monotonic() - began
        if took > self.SLOW:
            self._size = max(self.FEWEST, self._size // 2)
        elif took < self.QUICK and len(claims) == self._size:
            self._size = min(self.MOST, 2 * self._size)
        self._of_account[account_id] += len(claims)
        for claim in claims:
            self.spawn(self._place(claim))
        return bool(claims)

    async def _place(self, claim: placing.Claim) -> None:
        try:
            self._writer.put((claim, await self._answer(claim)), claim.committed + CLUSTER_TIMING.lease)
        except Exception:  # when the lease ends, the reaper turns the claim into a doubt
            logger.exception(
                "Call %s: the answer to its placing was lost",
                claim.call.pk,
                extra=log_keys(claim.call),
            )
        finally:
            self._of_account[claim.call.account_id] -= 1

    async def _answer(self, claim: placing.Claim) -> Reading | ProviderError:
        """Send the request, unless the worker stops too soon to wait for the answer: then the call is queued again."""
        began = time.monotonic()
        if self.control.left_of(CLUSTER_TIMING.finish) < CLUSTER_TIMING.request:
            answer: Reading | ProviderError = placing.Overslept(STOPPED)
        else:
            answer = await placing.send(self._client, claim)
        self.tallies.note(claim.call.account_id, answer, began)
        return answer

    async def _give_up(self, answer: Placed) -> None:
        """The reaper turns the claim into a doubt, because its lease is over."""
        logger.error(
            "Call %s: the answer to its placing could not be stored",
            answer[0].call.pk,
            extra=log_keys(answer[0].call),
        )


class CallbackLane(Lane):
    """Process status callbacks, one after the other."""

    name = "callbacks"
    slots = 1

    async def turn(self) -> bool:
        pending = await self.claims(status_callbacks.pending)
        for pk in pending:
            if not self.control.claiming:
                return False
            try:
                await self.claims(status_callbacks.process, pk)
            except (OperationalError, InterfaceError):
                logger.exception("The database failed while status callback %s was processed", pk)
                await self.claims(status_callbacks.postpone, pk)
            except Exception as error:
                logger.exception("Status callback %s could not be processed", pk)
                await self.claims(status_callbacks.note_failure, pk, type(error).__name__)
            self.control.note_alive(self.name)
        return bool(pending)


class WebhookLane(Lane):
    """Deliver webhooks. Customers' systems delay no calls, because this lane shares nothing with the others."""

    name = "webhooks"
    slots = 300

    def __init__(self, control: Control, client: outgoing.Client, pause: float) -> None:
        super().__init__(control, pause)
        self._client = client
        self._cursor = delivery.HostCursor()

    async def turn(self) -> bool:
        claims = await self.claims(delivery.claim, self.room, self._cursor)
        for claim in claims:
            self.spawn(self._deliver(claim))
        if claims:
            await asyncio.sleep(SOON)  # hosts that answer at once have a free slot for their next delivery then
        else:
            await self.rest(self.pause)
        return True

    async def _deliver(self, claim: delivery.Claim) -> None:
        try:
            if answer := await delivery.send(self._client, claim):
                await self.stores(delivery.record, claim, answer)
        except Exception:  # when the lease ends, the delivery is sent again with the same id
            logger.exception("Webhook %s: the result of its delivery was lost", claim.message_id)

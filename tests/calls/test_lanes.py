"""Lanes: no account and no other lane takes the slots that placing needs, and nothing claimed is left behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import OperationalError

from calls.deadlines import CLUSTER_TIMING
from calls.dialing import placing
from calls.engine.control import Control
from calls.engine.lanes import PlacingLane
from calls.engine.reading_lane import ReadingLane
from calls.engine.writer import FULL
from calls.following import polling
from providers.adapters import http

CLIENT = cast(http.Client, None)


async def at_once(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return work(*args, **kwargs)


class World:
    """Providers' accounts with calls that are due without end. Answers come when `answered` is set."""

    def __init__(self) -> None:
        self.accounts = [1]
        self.claimed: list[tuple[int, int]] = []  # account, limit
        self.sent: Counter[int] = Counter()
        self.stored: Counter[int] = Counter()
        self.slow_claims = False
        self.clock = time.monotonic

    def start(self) -> None:
        self.answered = asyncio.Event()
        self.control = Control()
        self.control.confirm(time.monotonic())
        self.placing = PlacingLane(self.control, CLIENT, 0.01)
        self.reading = ReadingLane(self.control, CLIENT, 0.01, self.placing)
        for lane in (self.placing, self.reading):
            lane.claims = lane.stores = cast(Any, at_once)

    def claim(self, account_id: int, limit: int) -> list[Any]:
        self.claimed.append((account_id, limit))
        call = SimpleNamespace(account_id=account_id, pk=len(self.claimed))
        return [SimpleNamespace(call=call, committed=self.clock()) for _ in range(limit)]

    def due_reads(self, limit: int, most_of: Callable[[int], int]) -> list[Any]:
        count = min(limit, most_of(1))
        return [SimpleNamespace(call=SimpleNamespace(account_id=1, pk=1)) for _ in range(count)]

    async def send(self, client: Any, claim: Any) -> str:
        self.sent[claim.call.account_id] += 1
        await self.answered.wait()
        return "answer"

    async def read(self, client: Any, due: Any) -> tuple[str, bytes]:
        await self.answered.wait()
        return "answer", b""

    def record_all(self, answers: Sequence[Any]) -> None:
        self.stored.update(claim.call.account_id for claim, _ in answers)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr(placing, "accounts_with_work", lambda now: found.accounts)
    monkeypatch.setattr(placing, "until_next", lambda now, at_most: at_most)
    monkeypatch.setattr(placing, "claim", found.claim)
    monkeypatch.setattr(placing, "send", found.send)
    monkeypatch.setattr(placing, "record_all", found.record_all)
    monkeypatch.setattr(polling, "claim", found.due_reads)
    monkeypatch.setattr(polling, "read", found.read)
    return found


async def turns(lane: Any, times: int = 30) -> None:
    for _ in range(times):
        await lane.turn()
        await asyncio.sleep(0)


async def finish(world: World) -> None:
    world.answered.set()
    for lane in (world.placing, world.reading):
        while lane.in_flight:
            await asyncio.gather(*lane.in_flight)


def test_an_account_that_answers_slowly_leaves_slots_for_the_others(world: World) -> None:
    async def run() -> None:
        world.start()
        await turns(world.placing)
        assert world.sent == {1: PlacingLane.OF_AN_ACCOUNT}
        world.accounts = [1, 2]
        await turns(world.placing)
        assert world.sent == {1: PlacingLane.OF_AN_ACCOUNT, 2: PlacingLane.OF_AN_ACCOUNT}
        await finish(world)

    asyncio.run(run())


def test_reads_without_end_leave_the_slots_of_placing_free_and_take_fewer_beside_it(world: World) -> None:
    async def run() -> None:
        world.start()
        await turns(world.reading, 5)
        assert len(world.reading.in_flight) == ReadingLane.slots * 5 // 6
        await turns(world.placing)
        assert world.sent == {1: PlacingLane.OF_AN_ACCOUNT}
        await finish(world)
        world.answered.clear()
        await turns(world.placing, 3)
        await turns(world.reading, 5)
        assert 0 < len(world.reading.in_flight) <= ReadingLane.BESIDE_PLACING
        await finish(world)

    asyncio.run(run())


def test_while_too_many_answers_wait_for_the_database_nothing_is_claimed(world: World) -> None:
    async def run() -> None:
        world.start()
        for _ in range(FULL):
            world.placing.writer.put(cast(Any, "answer"), world.clock() + 100)
        await turns(world.placing, 3)
        assert world.claimed == []

    asyncio.run(run())


def test_a_claim_that_takes_long_makes_the_next_one_smaller_and_quick_ones_larger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests must be sent within seconds of its beginning."""
    slept = 0.0
    plain = world.claim
    monkeypatch.setattr(PlacingLane, "QUICK", 1000.0)
    monkeypatch.setattr(PlacingLane, "SLOW", 2000.0)

    def slow(account_id: int, limit: int) -> list[Any]:
        nonlocal slept
        slept += PlacingLane.SLOW + 0.1
        return plain(account_id, limit)[:0]

    async def run() -> None:
        world.start()
        world.answered.set()
        await turns(world.placing)
        monkeypatch.setattr(time, "monotonic", lambda: world.clock() + slept)
        monkeypatch.setattr(placing, "claim", slow)
        for _ in range(8):
            await world.placing._claim(1, world.placing._size)
        await finish(world)

    asyncio.run(run())
    limits = [limit for _, limit in world.claimed]
    assert max(limits) == PlacingLane.MOST
    assert limits[-1] == PlacingLane.FEWEST


def test_no_request_is_sent_whose_answer_the_stop_would_not_wait_for(world: World) -> None:
    """A claim may wait for a lock while its worker is told to stop."""

    async def run() -> None:
        world.start()
        lane, control = world.placing, world.control
        writing = asyncio.create_task(lane.writer.run())
        control.stop()
        for late, sent in ((CLUSTER_TIMING.finish - CLUSTER_TIMING.request - 1, 8), (CLUSTER_TIMING.finish, 8)):
            control.stopped_at = time.monotonic() - late
            await lane._claim(1, 8)
            await finish(world)
            assert world.sent == {1: sent}
        lane.writer.close(within=100)
        await writing
        assert world.stored == {1: 16}, "those that were not sent are queued again"
        counted = {result: n for result, (n, _) in lane.tallies.figures()["1"].items()}
        assert counted == {"answered": 8, "overslept": 8}

    asyncio.run(run())


def test_what_was_claimed_when_the_stop_came_is_sent_and_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        world.start()
        lane, control = world.placing, world.control
        plain = world.claim

        def stopped_meanwhile(account_id: int, limit: int) -> list[Any]:
            control.stop()
            return plain(account_id, limit)

        monkeypatch.setattr(placing, "claim", stopped_meanwhile)
        writing = asyncio.create_task(lane.writer.run())
        await control.repeat("placing", lane.turn, 0.01, vital=True)
        await finish(world)
        lane.writer.close(within=100)
        await writing
        assert len(world.claimed) == 1, "and nothing more is claimed"
        assert world.stored == world.sent == {1: world.claimed[0][1]}

    asyncio.run(run())


def test_an_account_whose_claim_fails_stops_no_other_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its secret cannot be decrypted, its organization is locked, one of its rows meets a bug."""
    plain = world.claim

    def failing(account_id: int, limit: int) -> list[Any]:
        if account_id == 1:
            tried.append(time.monotonic())
            raise OperationalError("canceling statement due to lock timeout")
        return plain(account_id, limit)

    async def run() -> None:
        world.start()
        world.accounts = [1, 2, 3]
        monkeypatch.setattr(placing, "claim", failing)
        await turns(world.placing)
        assert world.sent == {2: PlacingLane.OF_AN_ACCOUNT, 3: PlacingLane.slots - PlacingLane.OF_AN_ACCOUNT}
        await finish(world)

    tried: list[float] = []
    asyncio.run(run())
    waits = [after - before for before, after in itertools.pairwise(tried)]
    assert all(wait >= 0.02 * 2**place for place, wait in enumerate(waits)), "and it waits longer each time"

"""The reading lane: its slots are always full, its queue has a bound, and a claimed read is sent or given back."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from calls.deadlines import CLUSTER_TIMING
from calls.engine.control import Control
from calls.engine.reading_lane import ReadingLane
from calls.engine.writer import FULL
from calls.following import polling
from calls.outcomes import poll_schedule
from providers.adapters import http

CLIENT = cast(http.Client, None)
BOUND = 2 * ReadingLane.slots  # as many that wait as there are slots


async def at_once(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


class World:
    """Accounts with reads that are due without end, at most `due` in one claim. Each read waits for `answer`."""

    def __init__(self, *accounts: int) -> None:
        self.accounts = list(accounts)
        self.due = 10_000
        self.claims = 0
        self.claimed: list[Any] = []
        self.sent: list[Any] = []
        self.given_back: list[Any] = []
        self.most = 0  # reads that were claimed and had no answer yet
        self._numbers = itertools.count()
        self._open: dict[int, tuple[Any, asyncio.Event]] = {}  # by key, those sent and not answered
        self.control = Control()
        self.control.confirm(time.monotonic())
        self.placing = SimpleNamespace(in_flight=set())
        self.lane = ReadingLane(self.control, CLIENT, 0.01, cast(Any, self.placing))
        self.lane.claims = self.lane.stores = cast(Any, at_once)

    def claim(self, limit: int, most_of: Callable[[int], int]) -> list[Any]:
        """Share the limit evenly among the accounts, as a claim does."""
        self.claims += 1
        even = min(limit, self.due) // len(self.accounts)
        found = [
            SimpleNamespace(call=SimpleNamespace(account_id=pk, pk=next(self._numbers)))
            for pk in self.accounts
            for _ in range(min(even, most_of(pk)))
        ]
        self.claimed += found
        answered = len(self.sent) - len(self._open)
        self.most = max(self.most, len(self.claimed) - answered - len(self.given_back))
        return found

    async def read(self, client: Any, due: Any) -> tuple[str, bytes]:
        self.sent.append(due)
        answered = asyncio.Event()
        self._open[due.call.pk] = due, answered
        try:
            await answered.wait()
        finally:
            del self._open[due.call.pk]
        return "answer", b""

    async def answer(self, *reads: Any) -> None:
        for due in reads:
            self._open[due.call.pk][1].set()
        for _ in range(5):
            await asyncio.sleep(0)

    def on_the_wire(self) -> dict[int, list[Any]]:
        """Return the reads that were sent and not answered, by account."""
        found: defaultdict[int, list[Any]] = defaultdict(list)
        for due, _ in self._open.values():
            found[due.call.account_id].append(due)
        return found

    async def turns(self, times: int = 4) -> None:
        for _ in range(times):
            await self.lane.turn()
            await asyncio.sleep(0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def made(*accounts: int) -> World:
        found = World(*accounts)
        monkeypatch.setattr(polling, "claim", found.claim)
        monkeypatch.setattr(polling, "read", found.read)
        monkeypatch.setattr(polling, "give_back", lambda reads: found.given_back.extend(reads))
        monkeypatch.setattr(polling, "record_all", lambda answers: None)
        return found

    return made


Made = Callable[..., World]


def play(part: Callable[[World], Coroutine[Any, Any, None]], made: Made, *accounts: int) -> World:
    """Run a part in a world of these accounts, and stop its worker afterwards, so that nothing is sent any more."""

    async def run() -> World:
        here = made(*accounts)
        try:
            await part(here)
        finally:
            here.control.stop()
        return here

    return asyncio.run(run())


def test_a_slot_that_becomes_free_sends_the_next_read_at_once_and_without_a_claim(world: Made) -> None:
    async def part(here: World) -> None:
        await here.turns()
        [wire] = here.on_the_wire().values()
        full, claims = len(wire), here.claims
        for place in range(60):
            await here.answer(wire[place])
            assert len(here.lane.in_flight) == full, "no slot is idle while reads wait"
        assert here.claims == claims
        assert [due.call.pk for due in here.sent] == [due.call.pk for due in here.claimed[: full + 60]], (
            "in their order"
        )

    play(part, world, 1)


def test_slow_accounts_take_their_share_of_the_slots_and_always_leave_some(world: Made) -> None:
    """By hand, of 300 slots: x = 5 (300 - n x) for each of n accounts that never answer, rounded down."""

    async def part(here: World, slow: int, expected: int) -> None:
        await here.turns(12)
        wire = here.on_the_wire()
        assert {len(reads) for reads in wire.values()} <= {expected, expected - 1, expected + 1}, slow
        here.accounts = [99]
        for _ in range(20):  # its provider answers at once
            await here.turns(1)
            await here.answer(*here.on_the_wire()[99])
        quick = Counter(due.call.account_id for due in here.sent)[99]
        assert quick >= 20 * 5, f"beside {slow} slow accounts only {quick} reads were sent"
        assert {pk: len(reads) for pk, reads in here.on_the_wire().items() if pk != 99} == {
            pk: len(reads) for pk, reads in wire.items()
        }

    for slow, expected in ((1, 250), (2, 136), (3, 93), (5, 57)):
        play(partial(part, slow=slow, expected=expected), world, *range(1, slow + 1))


def test_claims_never_exceed_the_slots_and_the_queue(world: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is answered when, and also when placing begins and ends."""

    async def part(here: World) -> None:
        monkeypatch.setattr(here.lane.writer, "put", lambda answer, until: None)
        for _ in range(30):
            busy = chance.random() < 0.3
            here.placing.in_flight = {1} if busy else set()
            await here.turns(1)
            assert len(here.lane.in_flight) <= ReadingLane.slots
            wire = [due for reads in here.on_the_wire().values() for due in reads]
            await here.answer(*chance.sample(wire, chance.randrange(len(wire) + 1)))
        assert 0 < here.most <= BOUND
        assert here.lane.figures()["queued"] == len(here.claimed) - len(here.sent)

    for seed in range(5):
        chance = random.Random(seed)
        play(part, world, *range(1, chance.choice([1, 2, 7]) + 1))


def test_claims_are_large_while_work_is_due(world: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim costs statements whatever it claims. While reads go on without end, none is made for a few."""

    async def part(here: World) -> None:
        monkeypatch.setattr(here.lane.writer, "put", lambda answer, until: None)
        here.lane.pause = 100.0  # the pause is never what ends the wait
        turning = asyncio.create_task(here.control.repeat("reading", here.lane.turn, 0.01))
        while len(here.sent) < 3_000:
            await here.answer(*(due for reads in here.on_the_wire().values() for due in reads[:8]))
        here.control.stop()
        await turning
        assert here.claims <= len(here.claimed) / (ReadingLane.slots // 4)

    play(part, world, 1, 2)


def test_while_too_many_answers_wait_no_read_is_claimed(world: Made) -> None:
    async def part(here: World) -> None:
        for _ in range(FULL):
            here.lane.writer.put(cast(Any, "answer"), time.monotonic() + 100)
        await here.turns()
        assert here.claims == 0

    play(part, world, 1)


def test_at_the_stop_what_was_sent_is_stored_and_what_waits_is_given_back(world: Made) -> None:
    """Whenever the stop comes, also in the middle of a claim."""

    async def part(here: World, during_the_claim: bool) -> None:
        stored: list[Any] = []
        writing = asyncio.create_task(here.lane.writer.run())
        plain = here.claim

        def stopped_meanwhile(limit: int, most_of: Callable[[int], int]) -> list[Any]:
            if here.claims:
                here.control.stop()
            return plain(limit, most_of)

        if during_the_claim:
            here.lane.claims = cast(Any, lambda _, *args: at_once(stopped_meanwhile, *args))
            here.due = 100
        else:
            asyncio.get_running_loop().call_later(0.05, here.control.stop)
        patched = pytest.MonkeyPatch()
        patched.setattr(polling, "record_all", lambda answers: stored.extend(due for due, _, _ in answers))
        here.lane.writer._store = polling.record_all
        await here.control.repeat("reading", here.lane.turn, 0.01, vital=True)
        sent = list(here.sent)
        await here.answer(*sent[:50])
        await here.lane.end()
        await here.answer(*sent[50:])
        here.lane.writer.close(within=100)
        await writing
        patched.undo()
        assert here.sent == sent, "a stopping worker sends no more reads"
        assert here.given_back, "some waited"
        keys = [due.call.pk for due in (*stored, *here.given_back)]
        assert sorted(keys) == [due.call.pk for due in here.claimed], "none is lost, none is both"

    for during_the_claim in (False, True):
        play(partial(part, during_the_claim=during_the_claim), world, 1, 2)


def test_a_read_whose_lease_would_end_before_its_answer_is_stored_is_given_back(
    world: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def part(here: World) -> None:
        await here.turns()
        wire, waiting = len(here.sent), here.lane.figures()["queued"]
        clock, later = time.monotonic, poll_schedule.READ_LEASE.total_seconds() - CLUSTER_TIMING.finish + 1
        monkeypatch.setattr(time, "monotonic", lambda: clock() + later)
        await here.answer(here.sent[0])
        assert len(here.sent) == wire
        assert len(here.given_back) == waiting > 0
        assert here.lane.figures()["queued"] == 0

    play(part, world, 1)


def test_a_give_back_that_fails_costs_nothing_but_time(world: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leases end by themselves."""

    def failing(reads: Sequence[Any]) -> None:
        raise ConnectionError

    async def part(here: World) -> None:
        await here.turns()
        monkeypatch.setattr(polling, "give_back", failing)
        await here.lane.end()

    play(part, world, 1)

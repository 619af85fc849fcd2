"""The writer stores every answer until its lease ends, whatever fails, and so does its inline twin."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from calls.engine import retries, writer
from calls.engine.retries import Kind, kind_of, pause_after
from calls.engine.writer import BATCH, FULL, Writer
from tests.tables import cases
from tests.waiting import PATIENCE

LONG = 10 * PATIENCE
Store = Callable[[Sequence[int]], Sequence[int] | None]


class Inline:
    """The twin: stores each answer at once, alone, until that works."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, answer: int) -> None:
        while True:
            try:
                if not self._store([answer]):
                    return
            except Exception:  # noqa: S112 - as long as it takes
                continue


async def at_once(work: Callable[..., Any], *args: Any) -> Any:
    await asyncio.sleep(0)
    return work(*args)


def written(store: Store, answers: Sequence[int], lease: float = LONG, within: float = LONG) -> tuple[Any, list[int]]:
    """Have a writer store these answers. Return its figures, and the answers that it gave up."""
    given_up: list[int] = []

    async def give_up(answer: int) -> None:
        given_up.append(answer)

    async def run() -> Any:
        made: Writer[int] = Writer("test", at_once, store, give_up)
        task = asyncio.create_task(made.run())
        for answer in answers:
            made.put(answer, time.monotonic() + lease)
        made.close(within)
        await task
        return made.figures

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retries, "SHORT_PAUSE", 0.0001)
        patched.setattr(retries, "LONG_PAUSE", 0.0001)
        return asyncio.run(run()), given_up


def error(kind: type[Exception], sqlstate: str = "") -> Exception:
    """Return an error as Django raises it, with the driver's own as its cause."""
    cause = Exception("driver")
    cause.sqlstate = sqlstate  # type: ignore[attr-defined]
    found = kind("database")
    found.__cause__ = cause
    return found


FAILURES: dict[str, Callable[[], Exception]] = {
    "deadlock": lambda: error(OperationalError, "40P01"),
    "serialization": lambda: error(OperationalError, "40001"),
    "lost connection": lambda: error(InterfaceError),
    "statement timeout": lambda: error(OperationalError, "57014"),
    "constraint": lambda: error(IntegrityError, "23505"),
    "bug": lambda: KeyError("x"),
}


class Rows:
    """A store that keeps what it stored, and fails as it is told. Half of each failing batch may be stored before."""

    def __init__(self, chance: random.Random, failures: dict[str, int]) -> None:
        self.rows: Counter[int] = Counter()
        self._chance, self._failures = chance, dict(failures)

    def __call__(self, answers: Sequence[int]) -> Sequence[int] | None:
        kinds = [kind for kind, left in self._failures.items() if left]
        if kinds and self._chance.random() < 0.5:
            kind = self._chance.choice(kinds)
            self._failures[kind] -= 1
            stored = self._chance.randrange(len(answers) + 1)
            self.rows.update(answers[:stored])
            if kind == "left":
                return [int(str(answer)) for answer in answers[stored:]]  # equal ones, not the same ones
            raise FAILURES[kind]()
        self.rows.update(answers)
        return None


@cases("seed", range(12))
def test_every_answer_is_stored_whatever_fails_as_its_inline_twin_does(seed: int) -> None:
    chance = random.Random(seed)
    answers = [10**6 + n for n in range(chance.choice([1, 2, 7, BATCH + 3, 3 * BATCH]))]
    failures = {kind: chance.randrange(4) for kind in (*FAILURES, "left")}
    store, twin = Rows(chance, failures), Rows(chance, failures)
    figures, given_up = written(store, answers)
    inline = Inline(twin)
    for answer in answers:
        inline.put(answer)
    assert set(store.rows) == set(twin.rows) == set(answers)
    assert given_up == [] and figures.lost == 0
    assert figures.largest <= BATCH


def test_one_answer_that_cannot_be_stored_costs_itself_and_is_given_up_when_its_lease_ends() -> None:
    rows: list[int] = []

    def store(answers: Sequence[int]) -> None:
        if 7 in answers:
            raise error(IntegrityError, "23505")
        rows.extend(answers)

    figures, given_up = written(store, range(100), lease=0.3)
    assert sorted(rows) == [n for n in range(100) if n != 7]
    assert given_up == [7] and figures.lost == 1


def test_an_outage_keeps_the_batch_together() -> None:
    sizes: list[int] = []

    def store(answers: Sequence[int]) -> None:
        sizes.append(len(answers))
        if len(sizes) <= 30:
            raise error(InterfaceError)

    written(store, range(100))
    assert set(sizes) == {100}


def test_a_store_that_fails_until_the_end_does_not_hang_the_stop() -> None:
    def store(answers: Sequence[int]) -> None:
        raise error(InterfaceError)

    _, given_up = written(store, range(3), within=0.2)
    assert given_up == [], "their leases have not ended"


def test_answers_are_gathered_and_a_lane_claims_nothing_while_too_many_wait() -> None:
    sizes: list[int] = []
    full: list[bool] = []

    async def run() -> None:
        async def give_up(answer: int) -> None:
            raise AssertionError

        made: Writer[int] = Writer("test", at_once, lambda answers: sizes.append(len(answers)), give_up)
        for answer in range(FULL):
            full.append(made.full)
            made.put(answer, LONG + time.monotonic())
        full.append(made.full)
        task = asyncio.create_task(made.run())
        made.close(LONG)
        await task
        full.append(made.full)

    asyncio.run(run())
    assert full == [*[False] * FULL, True, False]
    assert sizes == [BATCH] * (FULL // BATCH)


def test_a_single_answer_does_not_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for `GATHER` seconds, by the clock that the writer reads."""
    monkeypatch.setattr(writer, "GATHER", 0.01)
    stored = asyncio.Event()

    async def run() -> None:
        made: Writer[int] = Writer("test", at_once, lambda answers: stored.set(), lambda answer: asyncio.sleep(0))
        task = asyncio.create_task(made.run())
        await asyncio.sleep(0.02)
        made.put(1, time.monotonic() + LONG)
        async with asyncio.timeout(PATIENCE):
            await stored.wait()
        made.close(LONG)
        await task
        assert made.figures.wait_seconds >= 0.01

    asyncio.run(run())


def test_each_kind_of_error_has_its_pauses() -> None:
    kinds = {name: kind_of(make()) for name, make in FAILURES.items()}
    assert kinds == {
        "deadlock": Kind.CONFLICT,
        "serialization": Kind.CONFLICT,
        "lost connection": Kind.OUTAGE,
        "statement timeout": Kind.OUTAGE,
        "constraint": Kind.ANSWER,
        "bug": Kind.ANSWER,
    }
    conflict = sum(pause_after(Kind.CONFLICT, n) for n in range(1, 21))
    assert 0.1 <= conflict <= 0.3, "20 tries of 10 ms, with jitter"
    outage = [pause_after(Kind.OUTAGE, n) for n in range(1, 101)]
    assert outage[0] >= 0.4 and max(outage) <= 6.0
    assert all(pause_after(Kind.CONFLICT, n) >= 0.4 for n in range(21, 30)), "a conflict that lasts is no conflict"

"""One process of all workers leads, whatever happens to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from calls.deadlines import LANE_TIMING
from calls.engine import leader, slots
from calls.engine.control import Control
from calls.engine.leader import LEASE, Leadership
from calls.models import EngineLease, Heartbeat

ENGINE = Heartbeat.Role.ENGINE


async def db(work: Any, *args: Any) -> Any:
    return work(*args)


def run(work: Awaitable[Any]) -> Any:
    """Run a coroutine that never waits, in this thread, which holds the database's connection."""
    try:
        next(work.__await__())
    except StopIteration as end:
        return end.value
    raise AssertionError("It waits for something.")


@pytest.mark.django_db
def test_one_holds_the_lease_until_it_ends_or_is_released() -> None:
    def holders() -> list[str]:
        return [name for name in ("a/1", "b/1", "b/2") if leader.hold("maintenance", name)]

    assert holders() == ["a/1"]
    assert holders() == ["a/1"], "renewed"
    leader.release("a/")  # of everything of that worker
    assert [name for name in ("b/1", "a/1", "b/2") if leader.hold("maintenance", name)] == ["b/1"]
    EngineLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))  # the leader was killed
    assert [name for name in ("b/2", "b/1") if leader.hold("maintenance", name)] == ["b/2"]
    assert leader.hold("upkeep", "b/1"), "another lease"
    expires = EngineLease.objects.get(name="maintenance").expires_at
    assert abs((expires - timezone.now()) - LEASE) < timedelta(seconds=10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_time", [True, False], ids=["no row yet", "over"])
def test_two_at_once_are_one_leader(first_time: bool) -> None:
    if not first_time:
        EngineLease.objects.create(name="maintenance", holder="dead", expires_at=timezone.now() - LEASE)
    together = threading.Barrier(4)
    found: list[bool] = []

    def contend(name: str) -> None:
        try:
            together.wait()
            found.append(leader.hold("maintenance", name))
        finally:
            connection.close()

    threads = [threading.Thread(target=contend, args=(f"worker/{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, False, False, True]


@pytest.mark.django_db
def test_a_leader_that_was_frozen_does_nothing_when_it_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own clock goes on while it is frozen. It acts again once it holds the row again."""
    slept = 0.0
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + slept)
    done: list[str] = []
    leadership, other = Leadership("maintenance", "frozen"), Leadership("maintenance", "other")

    async def work() -> bool:
        done.append("worked")
        return True

    step = leadership.only("work", work)
    assert not run(step()), "nobody leads before it holds the row"
    assert run(leadership.renew(db)) and run(step())
    slept = LEASE.total_seconds()
    assert not run(step())
    EngineLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert run(other.renew(db))
    assert not run(leadership.renew(db)) and not run(step())
    run(other.resign(db))
    assert not other.leads
    EngineLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert run(leadership.renew(db)) and run(step())
    assert len(done) == leadership.turns["work"] == 2


@pytest.mark.django_db
def test_who_does_not_hold_the_slot_any_more_claims_nothing() -> None:
    slots.open_slot("w", ENGINE, 0)
    assert slots.take("w", ENGINE, 0, "first")
    assert slots.beat("w", ENGINE, 0, "first", {"memory_bytes": 1}) and slots.holds("w", ENGINE, 0, "first")
    slots.open_slot("w", ENGINE, 0)
    assert slots.take("w", ENGINE, 0, "second")
    assert not slots.beat("w", ENGINE, 0, "first", {}) and not slots.holds("w", ENGINE, 0, "first")
    assert Heartbeat.objects.get().figures == {"memory_bytes": 1}
    slots.close_all("w")
    assert not slots.holds("w", ENGINE, 0, "second")
    assert not slots.take("w", ENGINE, 0, "third"), "the worker is stopping"


def test_a_process_that_was_frozen_claims_nothing_until_its_slot_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = 0.0
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + slept)
    control = Control()
    assert not control.claiming, "not confirmed yet"
    control.confirm(time.monotonic())
    assert control.claiming
    slept = LANE_TIMING.confirmed
    assert not control.claiming and control.running
    control.confirm(time.monotonic())
    assert control.claiming
    control.stop()
    assert not control.claiming and not control.running


def test_a_step_that_hangs_makes_its_process_look_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = 0.0
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + slept)
    control = Control()
    control.note_alive("placing")
    control.note_alive("reading")
    assert control.hanging == []
    slept = LANE_TIMING.lane + 1
    control.note_alive("reading")
    assert control.hanging == ["placing"]

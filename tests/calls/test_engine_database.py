"""Database work beside the event loop: limits for each lane, broken connections, threads that hang."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from calls.deadlines import LANE_TIMING
from calls.engine.control import Control
from calls.engine.database import Database
from calls.engine.lane import Lane
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True)]
ON_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no such limit")


@pytest.fixture
def made() -> Iterator[list[Database]]:
    """Databases that are closed after the test."""
    found: list[Database] = []
    yield found
    for db in found:
        db.close()


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def do(db: Database, work: Any, *args: Any) -> Any:
    async def run() -> Any:
        return await db(work, *args)

    return asyncio.run(run())


@ON_POSTGRESQL
def test_each_kind_of_connection_has_its_limit_and_keeps_it_after_a_reconnect(made: list[Database]) -> None:
    class Idle(Lane):
        name, slots = "idle", 1

        async def turn(self) -> bool:
            return False

    lane = Idle(Control(), 1.0)
    other = Database("other")
    made += [*lane.databases(), other]
    limits = {db: do(db, ask, "SHOW statement_timeout") for db in made}
    assert limits[lane.claims] == f"{LANE_TIMING.claim_statement}s"
    assert limits[lane.stores] == f"{LANE_TIMING.store_statement}s"
    assert limits[other] == "0" == ask("SHOW statement_timeout"), "the web process has no limit of the engine"
    by_index = [do(db, ask, "SHOW enable_seqscan") for db in made]
    assert by_index == ["off"] * 3 and ask("SHOW enable_seqscan") == "on"
    waits = {db: do(db, ask, "SHOW lock_timeout") for db in made}
    assert waits == {lane.claims: f"{LANE_TIMING.lock}s", lane.stores: f"{LANE_TIMING.lock}s", other: "0"}
    assert "idle_in_transaction" in connection.settings_dict["OPTIONS"]["options"]
    do(lane.claims, lambda: connection.close())
    assert do(lane.claims, ask, "SHOW statement_timeout") == f"{LANE_TIMING.claim_statement}s"
    assert do(lane.claims, ask, "SHOW idle_in_transaction_session_timeout") == "1min"


@ON_POSTGRESQL
@pytest.mark.parametrize("handled", [True, False], ids=["handled by the work", "raised"])
def test_a_connection_that_broke_is_replaced_for_the_next_work(made: list[Database], handled: bool) -> None:
    db = Database("breaking")
    made.append(db)
    pid = do(db, ask, "SELECT pg_backend_pid()")
    ask(f"SELECT pg_terminate_backend({pid})")

    def work() -> Any:
        try:
            return ask("SELECT 1")
        except (OperationalError, InterfaceError):
            if not handled:
                raise
            return None

    for _ in range(100):
        try:
            found = do(db, work)
        except (OperationalError, InterfaceError):
            found = None
        if found == 1 and do(db, ask, "SELECT pg_backend_pid()") != pid:
            return
    raise AssertionError("The broken connection is used again and again.")


def test_a_thread_that_hangs_does_not_hang_the_end() -> None:
    db = Database("hanging", 2)
    released = threading.Event()

    async def run() -> None:
        hanging = asyncio.ensure_future(db(released.wait))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        db.close(within=0.2)
        assert time.monotonic() - began < PATIENCE
        hanging.cancel()
        released.set()

    asyncio.run(run())


@ON_POSTGRESQL
def test_a_server_that_vanished_is_noticed_within_half_a_minute() -> None:
    """Without these a thread waits for the answer of a dead server for two hours."""
    connection.ensure_connection()
    limits = {
        name: int(value) for name, value in connection.connection.info.get_parameters().items() if value.isdigit()
    }
    probing = limits["keepalives_idle"] + limits["keepalives_interval"] * limits["keepalives_count"]
    assert max(probing, limits["tcp_user_timeout"] / 1000, limits["connect_timeout"]) <= 30


def test_a_thread_that_hangs_makes_its_process_look_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer or a step of the leader that waits for it would stop for good, and nobody would notice."""
    slept = 0.0
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + slept)
    control, released, begun = Control(), threading.Event(), threading.Event()
    db = Database("hanging", 2)
    control.databases.append(db)

    def hang() -> None:
        begun.set()
        released.wait(PATIENCE)

    async def run() -> None:
        nonlocal slept
        hanging = asyncio.ensure_future(db(hang))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        assert control.hanging == []
        slept = LANE_TIMING.work + 1
        await db(int)  # the other thread works
        assert control.hanging == ["database work of hanging"]
        released.set()
        await hanging
        assert control.hanging == []

    try:
        asyncio.run(run())
    finally:
        released.set()
        db.close()

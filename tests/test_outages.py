"""The log while the database or the disk is away: one line at its beginning, one a minute, one when it is over."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, ProgrammingError
from psycopg import errors

from calls.engine.control import Control
from config.logs import Formatter
from tenants.db import outage_log as outages
from tenants.db.outages import Outage, outage_in


def of(kind: type[Exception], cause: Exception) -> Exception:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


def sqlite(code: int, words: str) -> Exception:
    cause = sqlite3.OperationalError(words)
    cause.sqlite_errorcode = code
    return of(OperationalError, cause)


WHAT = [
    (of(OperationalError, psycopg.OperationalError("connection refused")), Outage.GONE),
    (of(OperationalError, errors.AdminShutdown("terminating")), Outage.GONE),
    (of(OperationalError, errors.CannotConnectNow("the database system is starting up")), Outage.GONE),
    (of(OperationalError, errors.TooManyConnections("sorry, too many clients already")), Outage.GONE),
    (of(InterfaceError, psycopg.InterfaceError("the connection is closed")), Outage.GONE),
    (of(OperationalError, errors.DiskFull("could not extend file")), Outage.FULL),
    (of(InternalError, errors.ReadOnlySqlTransaction("cannot execute UPDATE")), Outage.READ_ONLY),
    (of(InternalError, errors.InFailedSqlTransaction("current transaction is aborted")), None),
    (of(DatabaseError, psycopg.DatabaseError("no state")), None),
    (sqlite(sqlite3.SQLITE_FULL, "database or disk is full"), Outage.FULL),
    (sqlite(sqlite3.SQLITE_READONLY, "attempt to write a readonly database"), Outage.READ_ONLY),
    (sqlite(sqlite3.SQLITE_CANTOPEN, "unable to open database file"), Outage.GONE),
    (OSError(errno.ENOSPC, "No space left on device"), Outage.FULL),
    (OSError(errno.EROFS, "Read-only file system"), Outage.READ_ONLY),
    (of(RuntimeError, OSError(errno.ENOSPC, "No space left on device")), Outage.FULL),
    # None of these is an outage: each keeps its traceback.
    (of(OperationalError, errors.QueryCanceled("canceling statement due to statement timeout")), None),
    (of(OperationalError, errors.DeadlockDetected("deadlock detected")), None),
    (of(OperationalError, errors.LockNotAvailable("canceling statement due to lock timeout")), None),
    (sqlite(sqlite3.SQLITE_BUSY, "database is locked"), None),
    (sqlite(sqlite3.SQLITE_ERROR, "no such table: x"), None),
    (of(ProgrammingError, errors.UndefinedTable("no")), None),
    (DatabaseError("did not affect any rows"), None),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), None),
    (FileNotFoundError(errno.ENOENT, "no"), None),
    (ValueError("x"), None),
]


def test_an_outage_is_told_from_a_conflict_a_limit_and_a_bug() -> None:
    for error, outage in WHAT:
        assert outage_in(error) == outage, error


LOGGER = logging.getLogger("outages of a test")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the module, which a test moves."""
    found = SimpleNamespace(at=1000.0)
    monkeypatch.setattr(outages, "time", SimpleNamespace(monotonic=lambda: found.at))
    monkeypatch.setattr(outages, "_now", outages._Outage())
    return found


@pytest.fixture
def lines(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what was written since the last question, by a logger that has no other handler."""
    stream = io.StringIO()
    handler = outages.Handler(stream)
    handler.setFormatter(Formatter())
    monkeypatch.setattr(outages, "logger", LOGGER)
    monkeypatch.setattr(LOGGER, "propagate", False)
    LOGGER.addHandler(handler)

    def written() -> list[dict[str, Any]]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return [json.loads(line) for line in text.splitlines()]

    yield written
    LOGGER.removeHandler(handler)


def fail(message: str = "The engine's step %s failed", *args: Any, error: Exception | None = None, **keys: Any) -> None:
    try:
        raise error or of(OperationalError, psycopg.OperationalError("connection refused"))
    except Exception:
        LOGGER.exception(message, *(args or ("enqueue",)), **keys)


def test_an_outage_is_one_line_a_minute_and_one_at_its_end(clock: SimpleNamespace, lines: Any) -> None:
    for _ in range(480):  # a minute of fifty steps that fail again and again
        fail()
        clock.at += 0.125
    first, *others = lines()
    assert others == [] and "exception" not in first
    assert first["event"] == (
        "The engine's step enqueue failed. The database does not answer: connection refused. "
        "Further messages about it are counted, one line a minute."
    )
    fail()
    (second,) = lines()
    assert "for 1 min: connection refused. 480 messages in the last minute." in second["event"]
    for _ in range(10):
        outages.note_success()  # a read that needs nothing of what is missing
        clock.at += 1
        fail()
    assert lines() == []
    clock.at += outages.QUIET + 1
    outages.note_success()
    outages.note_success()
    (last,) = lines()
    assert last["event"] == "Over after 86 s: The database does not answer"
    fail()
    assert len(lines()) == 1, "the next outage begins anew"


def test_what_befell_a_call_is_written_each_time_without_its_traceback(lines: Any) -> None:
    fail()
    for key in (7, 8):
        fail("Call %s: the answer to its placing was lost", key, extra={"campaign": 5})
    _, *found = lines()
    assert [(line["call"], line["campaign"]) for line in found] == [(7, 5), (8, 5)]
    assert all("exception" not in line and "The database does not answer" in line["event"] for line in found)


def test_an_error_that_is_its_own_message_is_folded_too(lines: Any) -> None:
    for _ in range(40):
        LOGGER.error(OSError(errno.EFBIG, "File too large"))
    (line,) = lines()
    assert line["event"].startswith("[Errno 27] File too large. The disk is full")


def test_other_errors_keep_their_tracebacks_in_an_outage(lines: Any) -> None:
    fail()
    fail(error=ValueError("a bug"))
    assert "ValueError: a bug" in lines()[1]["exception"]


def test_a_step_that_goes_on_ends_the_outage(clock: SimpleNamespace, lines: Any) -> None:
    async def play() -> None:
        control = Control()
        control.confirm(float("inf"))
        fail()
        clock.at += outages.QUIET + 1

        async def step() -> bool:
            control.stop()
            return False

        await control.repeat("enqueue", step, 0.01)

    asyncio.run(play())
    assert [line["event"][:10] for line in lines()] == ["The engine", "Over after"]


def test_a_line_carries_the_keys_of_the_rows_that_it_names() -> None:
    named = [
        (("Call %s: lost", 3), {"call": 3}),
        (("Account %s is blocked (%s)", 4, "auth"), {"account": 4}),
        (("%s answers of %s; Call %s", 9, "x", 5), {"call": 5}),
        (("Status callback %s could not be processed", 6), {"status_callback": 6}),
        (("Campaign %d of Organization %d", 1, 2), {"campaign": 1, "organization": 2}),
        (("Calls: %s", 3), {}),
        (("nothing",), {}),
    ]
    for (message, *args), keys in named:
        record = logging.LogRecord("x", logging.INFO, "", 0, message, tuple(args), None)
        event = json.loads(Formatter().format(record))
        assert {name: event[name] for name in event.keys() - {"at", "level", "logger", "event"}} == keys, message

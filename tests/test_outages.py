"""The log while the database or the disk is away: one line at its beginning, one a minute, one when it is over."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import sqlite3
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, ProgrammingError
from psycopg import errors

from calls.engine.control import Control
from config.logs import Formatter, mask_uncaught
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
    (PermissionError(errno.EACCES, "Permission denied"), None),  # a fault of the installation
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
    monkeypatch.setattr(outages, "_now", {})
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


REFUSED = 'connection to server at "10.1.2.3", port 5432 failed: Connection refused for user "trunk"'
FULL = OSError(errno.ENOSPC, "No space left on device")


def fail(message: str = "", *args: Any, error: Exception | None = None, **keys: Any) -> None:
    """Log an error of a step that repeats; with a message, of something else."""
    try:
        raise error or of(OperationalError, psycopg.OperationalError(REFUSED))
    except Exception:
        if message:
            LOGGER.exception(message, *args, **keys)
        else:
            LOGGER.exception("The engine's step %s failed", "enqueue", extra=outages.REPEATS)


def test_an_outage_is_one_line_a_minute_and_one_at_its_end(clock: SimpleNamespace, lines: Any) -> None:
    for _ in range(480):  # a minute of fifty steps that fail again and again
        fail()
        clock.at += 0.125
    first, *others = lines()
    assert others == [] and "exception" not in first
    assert first["event"] == (
        "The engine's step enqueue failed. The database does not answer (OperationalError: connection refused). "
        "Steps that fail again are counted, one line a minute."
    )
    fail()
    (second,) = lines()
    assert "connection refused), for 1 min. 480 messages since the last line." in second["event"]
    for _ in range(10):
        outages.note_success()  # a read that needs nothing of what is missing
        clock.at += 1
        fail()
    assert lines() == []
    clock.at += outages.QUIET + 1
    outages.note_success()
    outages.note_success()
    (last,) = lines()
    assert last["event"] == "Over after 70 s: The database does not answer"
    fail()
    assert len(lines()) == 1, "the next outage begins anew"


def test_what_befell_a_call_is_written_each_time_without_its_traceback(lines: Any) -> None:
    fail()
    for key in (7, 8):
        fail("Call %s: the answer to its placing was lost", key, extra={"campaign": 5})
    _, *found = lines()
    assert [(line["call"], line["campaign"]) for line in found] == [(7, 5), (8, 5)]
    assert all("exception" not in line and "The database does not answer" in line["event"] for line in found)


def test_a_loss_of_its_own_is_never_left_out(lines: Any) -> None:
    """Whatever its words are: they tell of one change, one callback, one call."""
    losses = ["A change is not in the dial journal yet: %s", "Scheduled callback %s could not be settled", "%s: lost"]
    fail()
    for message in losses * 2:
        fail(message, "stop")
    fail()
    _, *found = lines()
    assert [line["event"].partition(" (Oper")[0] for line in found] == [
        f"{message % 'stop'}. The database does not answer" for message in losses * 2
    ]
    assert all("exception" not in line for line in found)


def test_the_words_of_the_driver_are_not_repeated(
    lines: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name hosts, ports and users."""
    fail()
    fail("Call %s: lost", 7)
    LOGGER.error(of(OperationalError, psycopg.OperationalError(REFUSED)))
    text = "".join(line["event"] for line in lines())
    error = of(OperationalError, psycopg.OperationalError(REFUSED))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    mask_uncaught()
    sys.excepthook(type(error), error, None)
    said = capsys.readouterr().err
    assert said == "The database does not answer (OperationalError: connection refused).\n"
    for word in ("10.1.2.3", "5432", "trunk"):
        assert word not in text + said


def test_each_kind_of_outage_has_its_own_beginning_and_end(clock: SimpleNamespace, lines: Any) -> None:
    fail()
    fail(error=FULL)
    assert ["The disk is full (OSError ENOSPC)" in line["event"] for line in lines()] == [False, True]
    clock.at += outages.QUIET + 1
    outages.note_success()
    assert [line["event"][-10:] for line in lines()] == ["not answer"], "that it answers does not free the disk"
    fail(error=FULL)
    assert lines() == []
    clock.at += outages.LONG_QUIET + 1
    outages.note_success()
    assert [line["event"] for line in lines()] == ["Over after 16 s: The disk is full"]


def test_an_outage_that_nobody_ended_is_not_continued_hours_later(clock: SimpleNamespace, lines: Any) -> None:
    fail()
    clock.at += 7200
    fail()
    first, second = lines()
    assert first["event"] == second["event"]


def test_an_error_of_the_task_queue_is_folded_too(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs the error itself, without a traceback."""
    monkeypatch.setattr(LOGGER, "name", "django-q")
    for _ in range(40):
        LOGGER.error(OSError(errno.EFBIG, "File too large"))
    (line,) = lines()
    assert line["event"].startswith("The disk is full (OSError EFBIG)")


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

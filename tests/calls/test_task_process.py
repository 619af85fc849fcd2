"""The process that runs the tasks of the queue, and forking as such."""

from __future__ import annotations

import gc
import signal
import threading
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ, Success
from django_q.tasks import async_task

from calls.engine.children import STOPS, Child
from calls.engine.lifeline import Lifeline
from calls.engine.task_process import TaskProcess
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


class Ended(BaseException):
    """The process would have ended here."""


def test_a_process_with_threads_does_not_fork() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with pytest.raises(RuntimeError, match="must not fork"):
            Child("engine", print, Lifeline()).start()
    finally:
        done.set()
        other.join()


@pytest.mark.django_db(transaction=True)
def test_at_a_fork_no_connection_is_open_no_signal_gets_in_and_all_objects_are_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.ensure_connection()
    seen: list[object] = []

    def fork() -> int:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        seen.extend((connection.connection, blocked >= STOPS, gc.get_freeze_count() > 10_000))
        return 1

    monkeypatch.setattr("threading.active_count", lambda: 1)
    monkeypatch.setattr("os.fork", fork)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        Child("engine", print, Lifeline()).start()
    finally:
        gc.unfreeze()
    assert seen == [None, True, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_no_cluster_is_started_by_hand() -> None:
    """django-q2's own command would serve no worker's queue, and its processes hang when all of them are signalled."""
    with pytest.raises(CommandError, match=r"`manage\.py worker`"):
        call_command("qcluster")


def test_a_task_signed_with_another_key_is_deleted() -> None:
    OrmQ.objects.create(key="mine", payload="not signed", lock=timezone.now())
    TaskProcess("mine")._turn()
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [False, True])
def test_a_task_runs_once_and_leaves_the_queue_also_when_it_fails(fails: bool) -> None:
    async_task("math.sqrt", -1 if fails else 9, cluster="mine")
    async_task("math.sqrt", 16, cluster="another")
    process = TaskProcess("mine")
    process._turn()
    eventually(lambda: not process._still_running())
    assert [row.key for row in OrmQ.objects.all()] == ["another"]
    assert [found.result for found in Success.objects.all()] == ([] if fails else [3.0])


def test_a_task_that_does_not_end_in_its_time_takes_the_process_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        age = 1e9

        def is_alive(self) -> bool:
            return True

    def end(status: int) -> None:
        raise Ended

    monkeypatch.setattr("os._exit", end)
    process: Any = TaskProcess("mine")
    process._running = [Hanging()]
    with pytest.raises(Ended):
        process._still_running()

"""The process that runs the tasks of one worker, from django-q2's queue: two at a time, each in a thread.

django-q2's own cluster has a process for each part, and locks that they share. A process that is killed while it holds
a lock lets the others hang, and after a signal to all of them at once the cluster does not end.
Here the parts are the same (broker, `worker`, `monitor`), but one process has them all. It ends as a whole, and the
watcher replaces it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import nullcontext
from queue import SimpleQueue
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django_q.brokers import get_broker
from django_q.monitor import monitor
from django_q.signing import BadSignature, SignedPackage
from django_q.worker import worker as work_off

from calls.deadlines import CLUSTER_TIMING
from calls.engine import tasks
from calls.engine.children import STOPS
from tenants.db.outage_log import REPEATS

logger = logging.getLogger(__name__)
BETWEEN_FAILURES = 2.0  # seconds
END = "STOP"  # as django-q2 ends its queues


class TaskProcess:
    """`run` takes tasks until SIGTERM or SIGINT, and returns when those that it has taken have ended."""

    def __init__(self, worker: str) -> None:
        self._broker = get_broker(worker)
        self._together: int = settings.Q_CLUSTER["workers"]  # an upkeep task, and its successor while it ends
        self._running: list[_Running] = []
        self._stopping = False

    def run(self) -> None:
        for number in STOPS:
            signal.signal(number, self._stop)
        while not self._stopping:
            self._turn()
        while self._still_running():
            tasks.stop_all()  # also one that began while the signal came
            time.sleep(0.05)
        connections.close_all()

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True
        tasks.stop_all()

    def _turn(self) -> None:
        if len(self._still_running()) >= self._together:
            time.sleep(0.05)
            return
        try:
            taken = self._broker.dequeue() or []  # waits for a moment if there is none
        except (DatabaseError, InterfaceError):
            logger.exception("The task queue cannot be read", extra=REPEATS)
            time.sleep(BETWEEN_FAILURES)
            return
        for identifier, payload in taken:
            self._start(identifier, payload)

    def _start(self, identifier: int, payload: str) -> None:
        try:
            task = SignedPackage.loads(payload)
        except (TypeError, BadSignature):
            logger.exception("A task is signed with another key: it is deleted")
            self._broker.fail(identifier)
            return
        found = _Running(task | {"ack_id": identifier, "cluster": self._broker.list_key}, self._broker)
        found.start()
        self._running.append(found)

    def _still_running(self) -> list[_Running]:
        """Return the tasks that have not ended. One that is far over its time ends the process, which is replaced."""
        self._running = [task for task in self._running if task.is_alive()]
        if any(task.age > CLUSTER_TIMING.alarm for task in self._running):
            logger.error("A task has not ended in %s s: its process ends", CLUSTER_TIMING.alarm)
            os._exit(1)
        return self._running


class _Running(threading.Thread):
    """One task. django-q2's `worker` runs it, and `monitor` stores its result and deletes it from the queue."""

    def __init__(self, task: dict[str, Any], broker: Any) -> None:
        super().__init__(name=f"task {task['name']}", daemon=True)
        self._task, self._broker = task, broker
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    def run(self) -> None:
        todo: SimpleQueue[Any] = SimpleQueue()
        done: SimpleQueue[Any] = SimpleQueue()
        try:
            for item in (self._task, END):
                todo.put(item)
            work_off(todo, done, _Timer())
            done.put(END)
            monitor(done, self._broker)
        except Exception:  # it stays in the queue and is handed out again
            logger.exception("The end of a task cannot be stored")
        finally:
            connections.close_all()


class _Timer:
    """What django-q2's `worker` reports to its guard. Nobody reads it here: the process looks at the time itself."""

    value = -1.0
    get_lock = nullcontext

"""The watcher: forks the engine processes and the task process, reads their heartbeats, and replaces what is silent.

The watcher is a process of its own, because a process that hangs cannot notice it. When the watcher itself dies, its
children end themselves (`lifeline`).
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from calls.deadlines import WATCHER_TIMING, WatcherTiming
from calls.engine import leader, leftovers, slots, tasks
from calls.engine.children import STOPS, Child
from calls.engine.lifeline import Lifeline
from calls.engine.service import Engine
from calls.engine.task_process import TaskProcess
from calls.journal import standing
from calls.models import Heartbeat
from tenants.db import outage_log
from tenants.egress.event_loop import new_event_loop

logger = logging.getLogger(__name__)
COMPARE = 10.0  # seconds between two looks whether the database has gone back
TIDY = 3600.0
Slot = tuple[str, int]  # role and slot
ENGINE, UPKEEP = Heartbeat.Role.ENGINE, Heartbeat.Role.UPKEEP


class Silence:
    """For how long each slot has been silent, by the watcher's own clock.

    What counts is when the watcher saw a heartbeat change. So neither another clock nor an outage of the database, in
    which nobody can beat, makes a slot look silent.
    """

    def __init__(self) -> None:
        self._seen: dict[Slot, tuple[datetime | None, float]] = {}

    def forget(self, slot: Slot | None = None) -> None:
        """Begin anew, for one slot or all."""
        self._seen = {} if slot is None else {other: seen for other, seen in self._seen.items() if other != slot}

    def note(self, beats: Mapping[Slot, datetime | None]) -> None:
        """Note the newest heartbeat of each slot. None: it has no row, and is silent until it has one again."""
        now = time.monotonic()
        for slot, at in beats.items():
            if slot not in self._seen or self._seen[slot][0] != at:
                self._seen[slot] = (at, now)

    def of(self, slot: Slot) -> float:
        """Return the seconds for which a slot has been silent."""
        return time.monotonic() - self._seen[slot][1] if slot in self._seen else 0.0


def run_engine(worker: str, slot: int) -> None:
    """Be an engine process, until a signal."""
    # A batch makes ten thousand objects that are in no cycle. With the defaults the collector looks at all of them
    # every few hundred, which took a tenth of the processor time.
    gc.set_threshold(20_000, 20, 20)
    Engine(worker, slot).run(new_event_loop, until_signal=True)


def run_tasks(worker: str) -> None:
    """Be the task process, until a signal."""
    TaskProcess(worker).run()


class Watcher:
    """One worker: its engine processes, its task process and its watcher. `run` returns after SIGTERM or SIGINT."""

    def __init__(
        self,
        name: str | None = None,
        say: Callable[[str], object] = print,
        timing: WatcherTiming = WATCHER_TIMING,
    ) -> None:
        # Containers may share a host name and a process number; two workers must not share slots.
        self.name = name or f"trunkline-{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.say = say
        self.timing = timing
        self._stopping = False
        self._silence = Silence()
        lifeline = Lifeline()
        self._tasks = Child("tasks", partial(run_tasks, self.name), lifeline)
        self._engines = {
            slot: Child(f"engine-{slot}", partial(run_engine, self.name, slot), lifeline)
            for slot in range(settings.ENGINE_PROCESSES)
        }
        now = time.monotonic()
        self._compare_at, self._tidy_at = now + COMPARE, now + TIDY  # it was done for the start
        self._queue_again_at = 0.0  # no earlier is another upkeep task queued for a silent slot

    def run(self) -> None:
        """Return after a signal. Raises Refused, when all has ended, if the database was restored meanwhile."""
        awake = self._handle_signals()
        gc.collect()  # what it frees now is not copied into each child
        started: list[Child] = []
        refused: standing.Refused | None = None
        try:
            for child, start in self._starts():
                start()
                started.append(child)
            self.say(f"Worker {self.name} started {len(self._engines)} engine processes and a task process.")
            while not self._stopping:
                try:
                    self._look()
                except standing.Refused as error:
                    refused, self._stopping = error, True
                self._rest(awake)
            self._ask_to_stop(started)
        finally:
            self._leave(started)
        self.say("The worker has stopped.")
        if refused:
            raise refused

    def _leave(self, children: list[Child]) -> None:
        """End what still runs, then delete what says that the worker does. No failure keeps the rest from being done.

        What the database does not delete now, another worker deletes after an hour.
        """
        steps: list[Callable[[], object]] = [
            *(child.kill for child in children),
            partial(leader.release, f"{self.name}/"),
            Heartbeat.objects.filter(worker=self.name).delete,
            partial(tasks.empty_queue, self.name),
        ]
        for step in steps:
            try:
                step()
            except Exception:
                logger.exception("The worker left something behind", extra=outage_log.REPEATS)

    def _handle_signals(self) -> int:
        """Note signals, and let them write to a pipe. Return its reading end, so that `_rest` ends at once."""
        reading, writing = os.pipe()
        for end in (reading, writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._stop)
        return reading

    def _rest(self, awake: int) -> None:
        if not self._stopping:
            select.select([awake], [], [], self.timing.look)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _starts(self) -> list[tuple[Child, Callable[[], None]]]:
        engines = [(child, lambda slot=slot: self._start_engine(slot)) for slot, child in self._engines.items()]
        return [(self._tasks, self._start_tasks), *engines]

    def _start_tasks(self) -> None:
        leader.release(f"{self.name}/{UPKEEP}/")  # its last process is dead
        tasks.prepare(self.name)
        self._silence.forget((UPKEEP, tasks.SLOT))
        self._tasks.start()

    def _start_engine(self, slot: int) -> None:
        leader.release(f"{self.name}/{ENGINE}/{slot}/")  # its last process is dead
        slots.open_slot(self.name, ENGINE, slot)
        self._silence.forget((ENGINE, slot))
        self._engines[slot].start()

    def _look(self) -> None:
        """Replace what has ended or is silent. Raises Refused when no call may be placed any more."""
        try:
            close_old_connections()
            self._compare()
            self._silence.note(self._beats())
            for slot, child in self._engines.items():
                self._look_at_engine(slot, child)
            self._look_at_tasks()
            outage_log.note_success()
        except (DatabaseError, InterfaceError, OSError):  # OSError: the system has no process to give
            logger.exception("The watcher cannot look after its processes", extra=outage_log.REPEATS)
            self._silence.forget()  # in an outage nobody can beat

    def _beats(self) -> dict[Slot, datetime | None]:
        """Return when each slot has beaten. None: another worker deleted its row, because it was silent for an hour."""
        slots_of_all: list[Slot] = [(UPKEEP, tasks.SLOT), *((ENGINE, slot) for slot in self._engines)]
        rows = Heartbeat.objects.filter(worker=self.name).values_list("role", "slot", "beaten_at")
        return dict.fromkeys(slots_of_all) | {(Heartbeat.Role(role), slot): at for role, slot, at in rows}

    def _compare(self) -> None:
        """Compare the dial journal with the database, which may have been restored. Raises Refused."""
        now = time.monotonic()
        if now >= self._compare_at:
            self._compare_at = now + COMPARE
            standing.stay()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY
            standing.tidy()

    def _look_at_engine(self, slot: int, child: Child) -> None:
        if self._is_gone(child, self._silence.of((ENGINE, slot)), self.timing.silent_engine, f"Engine process {slot}"):
            standing.stay()  # it may have ended because the database went back
            self._start_engine(slot)

    def _look_at_tasks(self) -> None:
        silence = self._silence.of((UPKEEP, tasks.SLOT))
        if self._is_gone(self._tasks, silence, self.timing.silent_tasks, "The task process"):
            self._start_tasks()
        elif silence > self.timing.silent_upkeep and time.monotonic() > self._queue_again_at:
            self._queue_again_at = time.monotonic() + self.timing.between_replacements
            logger.warning("Upkeep is silent: a new task is queued")
            tasks.revive(self.name)

    def _is_gone(self, child: Child, silence: float, patience: float, name: str) -> bool:
        """Return whether a child has to be started again, once nothing is left of its last processes."""
        if child.ended:
            if not child.may_start_again():
                return False
            logger.error("%s ended with status %s: it is replaced", name, child.status)
        elif min(silence, child.age) > patience:
            logger.error("%s has had no heartbeat for %s s: it is replaced", name, patience)
        else:
            return False
        child.kill()
        return True

    def _ask_to_stop(self, children: list[Child]) -> None:
        """Stop all claimers at once, let running work store its answers, and wait for the end."""
        self.say("Stopping. Calls that are being placed are finished first.")
        for child in children:
            child.ask_to_end()
        try:
            slots.close_all(self.name)  # also for a process that misses its signal, and for running tasks
        except (DatabaseError, InterfaceError):
            logger.exception("The slots could not be closed")
        deadline = time.monotonic() + self.timing.stop_grace
        ended = [child.wait(deadline - time.monotonic()) for child in children]
        if not all(ended):
            logger.error("Not all processes stopped in %s s", self.timing.stop_grace)

    def prepare(self) -> None:
        """Open the first slot, and delete heartbeats and queues of workers that ended long ago. May be repeated."""
        slots.open_slot(self.name, UPKEEP, tasks.SLOT)
        for rows in leftovers.of_ended_workers(timezone.now()):
            rows.delete()

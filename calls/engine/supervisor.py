"""The watcher: starts the task cluster, reads its heartbeats, and replaces it when they stop.

The watcher is a process outside the cluster, because a killed process can leave the cluster hanging while it looks
alive. When the watcher itself dies, the cluster ends itself (`lifeline`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from django_q.models import OrmQ

from calls.deadlines import WATCHER_TIMING, WatcherTiming
from calls.engine import tasks
from calls.engine.lifeline import LIFELINE
from calls.models import Heartbeat

logger = logging.getLogger(__name__)


class Watcher:
    """One worker: a cluster of processes and its watcher. `run` returns after SIGTERM or SIGINT."""

    def __init__(
        self,
        name: str | None = None,
        say: Callable[[str], object] = print,
        timing: WatcherTiming = WATCHER_TIMING,
    ) -> None:
        self.name = name or f"trunkline-{socket.gethostname()}-{os.getpid()}"[:100]
        self.slots = settings.ENGINE_SLICES
        self.say = say
        self.timing = timing
        self._stopping = False
        self._replaced: dict[int, float] = {}

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._delete_stale_rows()
        while not self._stopping:
            self._start()
            try:
                self._watch()
            finally:
                self._end_tree()
        Heartbeat.objects.filter(worker=self.name).delete()
        self.say("The worker has stopped.")

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self) -> None:
        tasks.prepare(self.name, self.slots)
        self._replaced.clear()
        reading, self._lifeline = os.pipe()
        os.set_inheritable(reading, True)
        environment = os.environ | {"Q_CLUSTER_NAME": self.name, LIFELINE: str(reading)}
        command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "cluster"]
        self._cluster = subprocess.Popen(  # noqa: S603
            command, env=environment, pass_fds=[reading], start_new_session=True
        )
        os.close(reading)
        self._started = time.monotonic()
        self.say(f"Worker {self.name} started; its cluster is process {self._cluster.pid}.")

    def _watch(self) -> None:
        """Return when the cluster has to be replaced, or has stopped as asked."""
        while self._cluster.poll() is None:
            if self._stopping:
                self._ask_to_stop()
                return
            time.sleep(self.timing.look)
            try:
                close_old_connections()
                patience = self.timing.silent_cluster
                if self._silence() > patience:
                    logger.error("No heartbeat for %s s: the cluster is replaced", patience)
                    return
                self._wake_silent_slots()
            except DatabaseError:
                logger.exception("The watcher cannot read heartbeats")
                time.sleep(self.timing.look)
        if not self._stopping:
            logger.error("The cluster ended with status %s: it is replaced", self._cluster.returncode)

    def _silence(self) -> float:
        """Return the seconds since the last heartbeat of any slot, or since the start if that was later."""
        last = Heartbeat.objects.filter(worker=self.name).order_by("-beaten_at").values_list("beaten_at", flat=True)
        newest = last.first()
        since = (timezone.now() - newest).total_seconds() if newest else float("inf")
        return min(since, time.monotonic() - self._started)

    def _wake_silent_slots(self) -> None:
        silent = timezone.now() - timedelta(seconds=self.timing.silent_slot)
        now = time.monotonic()
        if now - self._started < self.timing.silent_slot:
            return
        for beat in Heartbeat.objects.filter(worker=self.name, beaten_at__lt=silent):
            if now - self._replaced.get(beat.slot, 0.0) > self.timing.between_replacements:
                self._replaced[beat.slot] = now
                logger.warning("Slot %s is silent: a new slice is queued", beat.slot)
                tasks.queue_slice(self.name, beat.slot)

    def _ask_to_stop(self) -> None:
        """Stop claiming, let running tasks store their answers, and wait for the end.

        SIGTERM goes to the main process alone, because the other processes would drop their running tasks.
        """
        self.say("Stopping. Calls that are being placed are finished first.")
        Heartbeat.objects.filter(worker=self.name).update(run="")
        self._cluster.terminate()
        try:
            self._cluster.wait(self.timing.stop_grace)
        except subprocess.TimeoutExpired:
            logger.error("The cluster did not stop in %s s", self.timing.stop_grace)

    def _end_tree(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._cluster.pid, signal.SIGKILL)
        self._cluster.wait()
        os.close(self._lifeline)

    def _delete_stale_rows(self) -> None:
        """Delete heartbeats and queues of workers that ended long ago."""
        Heartbeat.objects.filter(beaten_at__lt=timezone.now() - timedelta(hours=1)).delete()
        alive = Heartbeat.objects.values("worker")
        OrmQ.objects.filter(key__startswith="trunkline-").exclude(key__in=alive).delete()

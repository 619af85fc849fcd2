import os
import signal
import threading
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from calls.worker import LIFELINE


class Command(BaseCommand):
    help = "Started by `worker`, not by hand: the task cluster, which ends when its watcher does."

    def handle(self, *args: Any, **options: Any) -> None:
        if LIFELINE in os.environ:
            lifeline = int(os.environ[LIFELINE])
            threading.Thread(target=_end_with_watcher, args=(lifeline,), daemon=True).start()
        call_command("qcluster")


def _end_with_watcher(lifeline: int) -> None:
    """The pipe's other end closes when the watcher dies, however it dies."""
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)

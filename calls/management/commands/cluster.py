import gc
import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from calls.engine import lifeline


class Command(BaseCommand):
    requires_system_checks = ()  # the worker command has checked; a check loads all pages
    help = (
        "Runs the task cluster. The worker command starts it; it ends when its watcher ends. Do not start it by hand."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        lifeline.hold()
        os.register_at_fork(after_in_child=lifeline.hold)
        gc.collect()
        gc.freeze()  # the cluster forks; a pass over all objects would give each process a copy of its own
        call_command("qcluster")

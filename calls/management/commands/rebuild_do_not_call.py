"""Rebuild the do-not-call list when the key of its hashes is lost for ever."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from calls.deadlines import CLUSTER_TIMING
from calls.reports.metrics import newest_beat_age
from campaigns.do_not_call.rebuilding import CannotRebuild, rebuild
from tenants.management.recorded import COMMAND_LINE, RecordedCommand


class Command(RecordedCommand):
    help = (
        "If the key of the do-not-call list is lost for ever: hash the list's numbers anew under a new key. Stop all "
        "processes first, web and worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--give-up",
            type=int,
            default=0,
            metavar="ENTRIES",
            help="Go on without so many entries whose number was erased. They keep nobody from calls any more.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        age = newest_beat_age()
        if age is not None and age <= CLUSTER_TIMING.watcher:
            raise CommandError(f"A worker ran {age:.0f} seconds ago. Stop all processes and wait for 3 minutes.")
        try:
            done = rebuild(give_up=options["give_up"], actor=COMMAND_LINE)
        except CannotRebuild as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{done.with_number} entries of the do-not-call list are rebuilt, {done.erased} could not be. Make a "
            "backup now: older ones and the dial journal have hashes of the lost key."
        )

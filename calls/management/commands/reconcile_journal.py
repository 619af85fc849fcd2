"""Compare the database with the dial journal after a backup was restored, and do again what it forgot."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from calls.actions.quiescing import IllegalTransition
from calls.journal.reconciling import CannotReconcile, reconcile
from tenants.management.recorded import COMMAND_LINE, RecordedCommand


class Command(RecordedCommand):
    help = (
        "After a backup was restored: put calls in doubt that the database forgot, and do again what forbids calls. "
        "Stop all workers first. An interrupted run is resumed by running the command again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--journal",
            action="append",
            default=[],
            type=Path,
            metavar="FOLDER",
            help="A folder with the dial journal of a host. Several may be given. Default: DIAL_JOURNAL.",
        )
        parser.add_argument(
            "--declare-lost",
            action="append",
            default=[],
            metavar="HOST",
            help=(
                "Go on without the journal of this host. Whom it called since the backup may be called twice. "
                "A host with several journals: HOST:FOLDER, or the journal's ID."
            ),
        )
        parser.add_argument(
            "--keep-running",
            action="store_true",
            help=(
                "Do not pause campaigns. Otherwise all that run or are scheduled in a restored database wait until "
                "somebody resumes them, because edits since the backup are lost."
            ),
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what the database forgot, and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        folders = [folder.resolve() for folder in options["journal"]]
        if not folders and settings.DIAL_JOURNAL:
            folders = [settings.DIAL_JOURNAL]
        try:
            report = reconcile(
                folders,
                options["declare_lost"],
                actor=COMMAND_LINE,
                dry_run=options["dry_run"],
                keep_running=options["keep_running"],
            )
        except CannotReconcile as error:
            raise CommandError(str(error)) from error
        except IllegalTransition as error:  # somebody called or edited a contact meanwhile that has to be erased again
            raise CommandError(f"{error} Then run the command again.") from error
        self._table("Calls", report.calls)
        self._table("Changes", report.notes)
        for name in report.presented:
            self.stdout.write(f"Compared: {name}")
        for host in report.lost:
            self.stdout.write(f"Declared lost: {host}")
        missing = (
            f"No worker starts before the dial journal of {', '.join(report.awaited)} is compared (--journal) or "
            "declared lost (--declare-lost)."
        )
        if report.awaited and not options["dry_run"]:
            raise CommandError(missing)
        if report.awaited:
            self.stdout.write(missing)
        self.stdout.write("Nothing was changed." if options["dry_run"] else "Workers may start.")

    def _table(self, title: str, counts: Counter[str]) -> None:
        for name, count in sorted(counts.items()):
            if count:
                self.stdout.write(f"{title:<8} {name:<40} {count:>9,}")
        if not counts.total():
            self.stdout.write(f"{title:<8} nothing was forgotten")

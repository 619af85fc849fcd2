from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError
from django.db import connection

from calls.engine.children import Child
from calls.engine.lifeline import Lifeline
from calls.engine.supervisor import Watcher
from calls.journal.standing import OFF, Refused, admit
from campaigns.models import number_hash
from tenants import key_canary, telemetry
from tenants.db.postgresql.refusal import PoolerFound
from tenants.db.waiting import wait_until_fine
from tenants.findings import Severity
from tenants.management.tables import demand_tables

WAIT = 600


class Command(BaseCommand):
    help = "Does the background work: places calls, follows them, imports contacts. Starts and watches its processes."
    requires_system_checks = ()  # `_check` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--skip-checks", action="store_true", help="Skip system checks.")
        parser.add_argument(
            "--wait-for-migrations",
            type=int,
            nargs="?",
            const=WAIT,
            metavar="SECONDS",
            help=f"Wait so long ({WAIT} without a number) for the tables of this version, instead of ending at once.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with telemetry.one_thread():  # it forks
            self._work(options)

    def _work(self, options: dict[str, Any]) -> None:
        if not options["skip_checks"]:
            self._check_apart()
        self._wait_until(connection.ensure_connection)
        given = options.get("wait_for_migrations")
        demand_tables(settings.WAIT_FOR_MIGRATIONS if given is None else given, self.stderr.write)
        for found in (key_canary.finding(), number_hash.finding()):
            if found.severity is not Severity.FINE:
                self.stderr.write(found.message)
        watcher = Watcher(say=self.stdout.write)
        try:
            self._wait_until(admit)
        except Refused as error:
            raise CommandError(str(error), returncode=3) from error
        if settings.DIAL_JOURNAL is None:
            self.stderr.write(OFF)
        self._wait_until(watcher.prepare)
        try:
            watcher.run()
        except Refused as error:
            raise CommandError(str(error), returncode=3) from error

    def _check_apart(self) -> None:
        """Run the system checks in a process of their own: they load the code of all pages, which no worker needs."""
        checking = Child("checks", self._check, Lifeline())
        checking.start()
        checking.wait(float("inf"))
        if checking.status:
            raise SystemExit(1)

    def _check(self) -> None:
        try:
            self.check()
        except SystemCheckError as error:
            self.stderr.write(str(error), lambda text: text)
            raise SystemExit(1) from error

    def _wait_until(self, step: Callable[[], object]) -> None:
        """Repeat a step while the database is away or its disk is full or read-only; that is said once."""

        def look() -> str:
            step()
            return ""

        try:
            wait_until_fine(look, self.stderr.write)
        except PoolerFound as error:
            raise CommandError(str(error)) from error

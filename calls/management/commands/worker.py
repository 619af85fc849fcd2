import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError
from django.db import DatabaseError, InterfaceError, connection

from calls.engine.children import Child
from calls.engine.lifeline import Lifeline
from calls.engine.supervisor import Watcher
from calls.journal.standing import OFF, Refused, admit
from tenants import key_canary
from tenants.db.outages import outage_in
from tenants.db.postgresql.refusal import PoolerFound
from tenants.management.tables import demand_tables

WAIT = 600
AGAIN = 1.0  # seconds


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
        if not options["skip_checks"]:
            self._check_apart()
        self._wait_until(connection.ensure_connection)
        given = options.get("wait_for_migrations")
        demand_tables(settings.WAIT_FOR_MIGRATIONS if given is None else given, self.stderr.write)
        if misfit := key_canary.finding().message:
            self.stderr.write(misfit)
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
        """Wait, with one sentence, while the database is away or its disk is full or read-only."""
        waiting = False
        while True:
            try:
                step()
            except PoolerFound as error:
                raise CommandError(str(error)) from error
            except (DatabaseError, InterfaceError) as error:
                outage = outage_in(error)
                if not outage:
                    raise
                if not waiting:
                    self.stderr.write(f"{outage.log}: {' '.join(str(error).split())}. The worker waits for it.")
                waiting = True
                connection.close()
                time.sleep(AGAIN)
            else:
                return

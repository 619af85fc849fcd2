from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from calls.engine.supervisor import Watcher
from tenants import key_canary
from tenants.management.tables import demand_tables

WAIT = 600


class Command(BaseCommand):
    help = (
        "Does the background work: places calls, follows them, imports contacts. Starts and watches the task cluster."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait-for-migrations",
            type=int,
            nargs="?",
            const=WAIT,
            metavar="SECONDS",
            help=f"Wait so long ({WAIT} without a number) for the tables of this version, instead of ending at once.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = options.get("wait_for_migrations")
        demand_tables(settings.WAIT_FOR_MIGRATIONS if given is None else given, self.stderr.write)
        self.stderr.write(key_canary.finding().message)
        Watcher(say=self.stdout.write).run()

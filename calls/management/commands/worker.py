from typing import Any

from django.core.management.base import BaseCommand, CommandParser, SystemCheckError

from calls.engine.children import Child
from calls.engine.lifeline import Lifeline
from calls.engine.supervisor import Watcher


class Command(BaseCommand):
    help = "Does the background work: places calls, follows them, imports contacts. Starts and watches its processes."
    requires_system_checks = ()  # `_check` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--skip-checks", action="store_true", help="Skip system checks.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["skip_checks"]:
            self._check_apart()
        Watcher(say=self.stdout.write).run()

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

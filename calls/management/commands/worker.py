from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from calls.engine.supervisor import Watcher
from calls.journal.standing import OFF, Refused, admit


class Command(BaseCommand):
    help = (
        "Does the background work: places calls, follows them, imports contacts. Starts and watches the task cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            admit()
        except Refused as error:
            raise CommandError(str(error), returncode=3) from error
        if settings.DIAL_JOURNAL is None:
            self.stderr.write(OFF)
        Watcher(say=self.stdout.write).run()

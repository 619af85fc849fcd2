from typing import Any

from django.core.management.base import BaseCommand

from calls.engine.supervisor import Watcher


class Command(BaseCommand):
    help = (
        "Does the background work: places calls, follows them, imports contacts. Starts and watches the task cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        Watcher(say=self.stdout.write).run()

from typing import Any

from django.core.management.base import BaseCommand

from calls.engine.supervisor import Watcher


class Command(BaseCommand):
    help = "The background work: places calls, follows them, imports contacts. Starts the task cluster and watches it."

    def handle(self, *args: Any, **options: Any) -> None:
        Watcher(say=self.stdout.write).run()

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from calls.engine.supervisor import Watcher
from tenants.db.postgresql.refusal import PoolerFound


class Command(BaseCommand):
    help = (
        "Does the background work: places calls, follows them, imports contacts. Starts and watches the task cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            connection.ensure_connection()
        except PoolerFound as error:
            raise CommandError(str(error)) from error
        Watcher(say=self.stdout.write).run()

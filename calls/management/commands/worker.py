import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from calls.engine.supervisor import Watcher
from tenants.db.postgresql.refusal import PoolerFound
from tenants.outages import outage_in

AGAIN = 1.0  # seconds


class Command(BaseCommand):
    help = (
        "Does the background work: places calls, follows them, imports contacts. Starts and watches the task cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        watcher = Watcher(say=self.stdout.write)
        self._wait_until(watcher.prepare)
        watcher.run()

    def _wait_until(self, can_write: Any) -> None:
        """Wait, with one sentence, while the database is away or its disk is full or read-only."""
        waiting = False
        while True:
            try:
                can_write()
            except PoolerFound as error:
                raise CommandError(str(error)) from error
            except (DatabaseError, InterfaceError) as error:
                outage = outage_in(error)
                if not outage:
                    raise
                if not waiting:
                    self.stderr.write(f"{outage}: {' '.join(str(error).split())}. The worker waits for it.")
                waiting = True
                connection.close()
                time.sleep(AGAIN)
            else:
                return

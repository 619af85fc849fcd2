from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Not used here: `manage.py worker` runs the task queue."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            "No cluster is started by hand: `manage.py worker` runs the task queue, places the calls and watches both."
        )

"""Django's `changepassword`, recorded."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands.changepassword import Command as DjangoCommand

from tenants.management.recorded import RecordedCommand, recording_users


class Command(RecordedCommand, DjangoCommand):
    def handle(self, *args: Any, **options: Any) -> Any:
        with recording_users("user.password_changed"):
            return super().handle(*args, **options)

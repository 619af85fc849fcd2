"""The base of commands whose actions the audit log records."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from tenants.audit_origin import Channel, Origin, acting

COMMAND_LINE = "command line"  # the actor


class RecordedCommand(BaseCommand):
    """A command whose actions come from the command line."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with acting(Origin(Channel.COMMAND.value)):
            return super().execute(*args, **options)

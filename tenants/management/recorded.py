"""The base of commands whose actions the audit log records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models.signals import post_save, pre_save

from tenants import audit_log
from tenants.audit_origin import Channel, Origin, acting
from tenants.db.encrypted_fields import UndecryptableSecret

COMMAND_LINE = "command line"  # the actor


class RecordedCommand(BaseCommand):
    """A command whose actions come from the command line. It ends with a sentence when no key fits a secret."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with acting(Origin(Channel.COMMAND.value)):
                return super().execute(*args, **options)
        except UndecryptableSecret as error:
            raise CommandError(str(error)) from error


@contextmanager
def recording_users(action: str) -> Iterator[None]:
    """Let each save of a user in the block be one transaction with its audit entry.

    Django's own commands ask for a password before they save: a transaction around the whole would wait for it.
    """
    with ExitStack() as saving:

        def begin(**_: Any) -> None:
            saving.enter_context(transaction.atomic())

        def note(instance: Any, **_: Any) -> None:
            audit_log.record(None, actor=COMMAND_LINE, action=action, subject=instance.get_username())
            saving.close()

        users = get_user_model()
        pre_save.connect(begin, sender=users)
        post_save.connect(note, sender=users)
        try:
            yield
        finally:
            pre_save.disconnect(begin, sender=users)
            post_save.disconnect(note, sender=users)

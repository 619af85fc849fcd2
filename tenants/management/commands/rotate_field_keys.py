"""Encrypt all stored secrets with the first of FIELD_KEYS. Afterwards the other keys can be removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from tenants import audit_log
from tenants.db.key_rotation import rotate_all
from tenants.management.recorded import COMMAND_LINE, RecordedCommand


class Command(RecordedCommand):
    help = (
        "Encrypt all stored secrets with the first of FIELD_KEYS. Restart all processes with the new key first. "
        "An interrupted run is resumed by running the command again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: dict[str, int] = {}
        complete = True
        for column in rotate_all():
            self.stdout.write(
                f"{column.column}: {column.encrypted_anew} encrypted anew, {column.current} already current, "
                f"{column.changed_meanwhile} changed meanwhile, {column.undecryptable} undecryptable"
            )
            counts[column.column] = column.encrypted_anew
            complete = complete and column.done
        audit_log.record(
            None, actor=COMMAND_LINE, action="field_keys.rotate", subject="FIELD_KEYS", detail={"anew": counts}
        )
        if not complete:
            raise CommandError(
                "Not every secret is encrypted with the first key. Keep the old keys. For what changed meanwhile, run "
                "the command again. For what is undecryptable, add the key it was stored with to FIELD_KEYS, or enter "
                "the secret anew."
            )
        self.stdout.write("Every secret is encrypted with the first key. You can remove the others from FIELD_KEYS.")

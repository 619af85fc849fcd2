"""Encrypt all stored secrets with the first of FIELD_KEYS. Afterwards the other keys can be removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tenants import audit_log, key_canary
from tenants.db.key_rotation import rotate_all
from tenants.management.recorded import COMMAND_LINE, RecordedCommand


class Command(RecordedCommand):
    help = (
        "Encrypt all stored secrets with the first of FIELD_KEYS. Restart all processes with the new key first. "
        "An interrupted run is resumed by running the command again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lost",
            action="store_true",
            help="The former keys are lost, and all that needs them was entered again: do not miss them any longer.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        missed = options["lost"] and not key_canary.fitting()
        counts: dict[str, int] = {}
        complete = nothing_to_miss = True
        for column in rotate_all():
            self.stdout.write(
                f"{column.column}: {column.encrypted_anew} encrypted anew, {column.current} already current, "
                f"{column.changed_meanwhile} changed meanwhile, {column.undecryptable} undecryptable"
            )
            counts[column.column] = column.encrypted_anew
            complete = complete and column.done
            nothing_to_miss = nothing_to_miss and column.nothing_to_miss
        lost = missed and nothing_to_miss
        if lost:
            key_canary.renew()
        audit_log.record(
            None,
            actor=COMMAND_LINE,
            action="field_keys.rotate",
            subject="FIELD_KEYS",
            detail={"anew": counts} | ({"lost": True} if lost else {}),
        )
        if lost:
            self.stdout.write("Every secret that is needed is encrypted with the first key. The others are not missed.")
            return
        if not complete:
            raise CommandError(
                "Not every secret is encrypted with the first key. Keep the old keys. For what changed meanwhile, run "
                "the command again. For what is undecryptable, add the key it was stored with to FIELD_KEYS, or enter "
                "the secret anew. If that key is lost for ever, enter all secrets anew, rebuild the do-not-call list "
                "(manage.py rebuild_do_not_call), and then run the command with --lost."
            )
        self.stdout.write("Every secret is encrypted with the first key. You can remove the others from FIELD_KEYS.")

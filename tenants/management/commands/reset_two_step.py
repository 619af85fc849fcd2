"""Remove a user's second factor, such as that of a superuser who has lost the phone and the recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from tenants import audit_log
from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.sign_in import second_factor
from tenants.sign_in.sessions import end_sessions


class Command(RecordedCommand):
    help = "Remove a user's authenticator app and recovery codes, and end the user's sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="with which the user signs in")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["email"]).first()
        if user is None:
            raise CommandError(f"There is no user '{options['email']}'.")
        with transaction.atomic():
            if not second_factor.remove(user.pk):
                raise CommandError(f"Two-step sign-in of {options['email']} is not on.")
            end_sessions(user.pk)
            audit_log.record(None, actor=COMMAND_LINE, action="user.two_step_reset", subject=user.get_username())
        self.stdout.write(f"Two-step sign-in of {options['email']} is reset. The password alone signs in.")

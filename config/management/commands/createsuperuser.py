"""Django's `createsuperuser`, recorded, which also holds passwords of the environment to the rules (`--noinput`)."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCommand
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from tenants.management.recorded import RecordedCommand, recording_users


class Command(RecordedCommand, DjangoCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        given = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if given is not None and not options["interactive"]:
            name = options["username"] or os.environ.get("DJANGO_SUPERUSER_USERNAME", "")
            email = options["email"] or os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
            try:
                password_validation.validate_password(given, get_user_model()(username=name, email=email))
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error
        with recording_users("user.added"):
            super().handle(*args, **options)

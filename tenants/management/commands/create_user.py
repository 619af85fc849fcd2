"""Create a team member. The last line of the output is the one-time password alone."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from tenants import audit_log
from tenants.management.commands.create_api_key import get_one
from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.models import Membership, Organization


class Command(RecordedCommand):
    help = "Create a team member who signs in with an e-mail address, and print a one-time password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--organization", metavar="ID", required=True)
        parser.add_argument("--role", choices=Membership.Role.values, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip().lower()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"'{options['email']}' is not an e-mail address.") from error
        organization = get_one(Organization.objects.all(), options["organization"], "organization")
        users: Any = get_user_model()
        if users.objects.filter(username__iexact=email).exists():
            raise CommandError(f"The user {email} exists already.")
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            user = users.objects.create_user(username=email, email=email, password=password, is_staff=True)
            Membership.objects.create(user=user, organization=organization, role=options["role"])
            audit_log.record(
                organization,
                actor=COMMAND_LINE,
                action="user.create",
                subject=email,
                detail={"role": options["role"]},
            )
        self.stdout.write(password)

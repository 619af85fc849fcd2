"""Link a user to an account at the sign-in provider, or remove the links."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.sign_in.id_tokens import is_subject
from tenants.sign_in.provider_users import HasAnother, LinkedAlready, link, unlink
from tenants.sign_in.sessions import end_sessions

BY_EMAIL = (
    "OIDC_LINK_BY_EMAIL is on: an account whose verified address is the user's is linked again when it signs in, "
    "unless the user is a superuser. To keep it out, close it at the provider, or switch the user off."
)


class Command(RecordedCommand):
    help = "Let an account at the sign-in provider (OIDC_ISSUER) sign a user in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="with which the user signs in")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--subject", help="the account's `sub` at the provider")
        which.add_argument("--remove", action="store_true", help="remove the user's links instead")
        parser.add_argument("--also", action="store_true", help="besides an account that is linked to the user already")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.SIGN_IN_PROVIDER is None:
            raise CommandError("There is no sign-in provider. Set OIDC_ISSUER first.")
        issuer, email = settings.SIGN_IN_PROVIDER.issuer, options["email"]
        user = get_user_model().objects.filter(username=email).first()
        if user is None:
            raise CommandError(f"There is no user '{email}'.")
        with transaction.atomic():
            if options["remove"]:
                if not unlink(user, issuer, actor=COMMAND_LINE):
                    raise CommandError(f"{email} is not linked.")
                end_sessions(user.pk)
                self.stdout.write(f"{email} is not linked any more.")
                if settings.SIGN_IN_PROVIDER.link_by_email:
                    self.stdout.write(BY_EMAIL)
                return
            self._link(user, issuer, options["subject"], also=options["also"])
        self.stdout.write(f"{email} is linked.")

    def _link(self, user: Any, issuer: str, subject: str, *, also: bool) -> None:
        name = user.get_username()
        if not is_subject(subject):
            raise CommandError("This is not the `sub` of an account: up to 255 printable ASCII characters.")
        if not (user.is_active and user.is_staff):
            raise CommandError(f"{name} may not sign in: only active team members may.")
        try:
            link(user, issuer, subject, actor=COMMAND_LINE, also=also)
        except HasAnother as error:
            raise CommandError(f"Another account is linked to {name}. Remove it first, or give --also.") from error
        except LinkedAlready as error:
            raise CommandError("This account is linked already.") from error

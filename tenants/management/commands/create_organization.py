"""Create an organization. The last line of the output is its id alone."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from tenants import audit_log
from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.models import Organization, Tenant
from tenants.models.validators import check_countries


class Command(RecordedCommand):
    help = "Create an organization and print its id. Without --tenant it gets a tenant of the same name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--tenant", default="", help="name of the tenant; created if there is none")
        parser.add_argument("--timezone", default="UTC", help="such as Europe/Paris")
        parser.add_argument("--region", default="", help="default country, such as FR")
        parser.add_argument("--countries", default="", help="countries that may be called, such as FR,BE")

    def handle(self, *args: Any, **options: Any) -> None:
        codes = [code.strip().upper() for code in options["countries"].split(",") if code.strip()]
        region = options["region"].upper() or (codes[0] if codes else "US")
        with transaction.atomic():
            organization = Organization(
                tenant=_tenant(options["tenant"] or options["name"]),
                name=options["name"],
                timezone=options["timezone"],
                default_region=region,
                allowed_countries=codes,
            )
            try:
                organization.full_clean()
                check_countries([region, *codes])
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error
            organization.save()
            audit_log.record(
                organization,
                actor=COMMAND_LINE,
                action="organization.added",
                subject=str(organization.uuid),
                detail={"object": organization.name},
            )
        self.stdout.write(str(organization.uuid))


def _tenant(name: str) -> Tenant:
    found = list(Tenant.objects.filter(name=name)[:2])
    if len(found) > 1:
        raise CommandError(f"More than one tenant is named '{name}'.")
    return found[0] if found else Tenant.objects.create(name=name)

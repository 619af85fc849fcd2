"""Create an API key. The last line of the output is the key alone; it is never shown again."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from tenants import audit_log
from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.models import ApiKey, Organization, Tenant


class Command(RecordedCommand):
    help = "Create an API key for one organization or for all organizations of a tenant, and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        owner = parser.add_mutually_exclusive_group(required=True)
        owner.add_argument("--organization", metavar="ID", help="an organization-level key")
        owner.add_argument("--tenant", metavar="ID", help="a tenant-level key; the tenant's id or name")
        parser.add_argument("--scopes", required=True, help="read, call or manage; separate several with commas")
        parser.add_argument("--name", required=True, help="name of the key, for example the program that uses it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["organization"]:
            organization = get_one(
                Organization.objects.select_related("tenant"), options["organization"], "organization"
            )
            tenant = organization.tenant
        else:
            organization, tenant = None, get_one(Tenant.objects.all(), options["tenant"], "tenant")
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            with transaction.atomic():
                row, key = ApiKey.issue(tenant=tenant, organization=organization, name=options["name"], scopes=scopes)
                audit_log.record(
                    organization,
                    actor=COMMAND_LINE,
                    action="api_key.create",
                    subject=str(row.uuid),
                    detail={"prefix": row.prefix, "scopes": scopes, "tenant": str(tenant.uuid)},
                )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(key)


def get_one(queryset: QuerySet[Any, Any], text: str, kind: str) -> Any:
    """Return the one object with this id or name. Raises CommandError when there is none or more than one."""
    named = Q(name=text)
    with suppress(ValueError):
        named |= Q(uuid=uuid.UUID(text))
    found: list[Model] = list(queryset.filter(named)[:2])
    if len(found) != 1:
        raise CommandError(
            f"There is no {kind} '{text}'." if not found else f"More than one {kind} is named '{text}'. Give the id."
        )
    return found[0]

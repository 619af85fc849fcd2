"""Verify the audit log: print the last seal of each chain, and the first entry that is not what it was."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import audit_chain
from tenants.management.commands.create_api_key import get_one
from tenants.models import AuditSeal, Organization


class Command(BaseCommand):
    help = (
        "Verify the chains of the audit log. Prints the last seal of each chain. Keep these lines elsewhere: with "
        "--seal they show later whether the whole log was replaced. The exit code is 1 if anything was changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="ID", help="only this organization's chain; its id or name")
        parser.add_argument(
            "--seal", metavar="PLACE:DIGEST", action="append", default=[], help="a seal that was printed before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = options["organization"]
        chains = [get_one(Organization.objects.all(), chosen, "organization").pk] if chosen else audit_chain.chains()
        names = dict(Organization.objects.filter(pk__in=chains).values_list("pk", "name"))
        faults = [self._verify(chain, names.get(chain, "The installation")) for chain in chains]
        missing = [text for text in options["seal"] if not _is_there(text, chains)]
        for text in missing:
            self.stderr.write(f"The seal {text} is not in the audit log any more.")
        if any(faults) or missing:
            raise CommandError("The audit log is not what it was.")

    def _verify(self, chain: int, name: str) -> bool:
        """Print the state of one chain. Return whether it has a fault."""
        fault, last = audit_chain.verify(chain), audit_chain.last_seal(chain)
        self.stdout.write(f"{name}: last seal {last}" if last else f"{name}: nothing is sealed yet")
        if fault is not None:
            self.stderr.write(f"{name}: {fault}")
        return fault is not None


def _is_there(text: str, chains: list[int]) -> bool:
    place, _, digest = text.partition(":")
    return place.isdecimal() and AuditSeal.objects.filter(chain__in=chains, sequence=place, digest=digest).exists()

"""Check the stored time zones of all contacts, after an upgrade."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from campaigns import zone_check
from tenants.models import Organization


class Command(BaseCommand):
    help = (
        "Find contacts whose stored time zone is no place or contradicts their number, and raise an alert in their "
        "organization. Run it after each upgrade. It may be repeated, and changes no time zone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        changed = zone_check.judge_all()
        told = 0
        for organization in Organization.objects.order_by("pk"):
            if found := zone_check.report(organization):
                told += 1
                self.stdout.write(f"{organization.name}: {zone_check.message_of(found)}")
        self.stdout.write(f"{told} organizations have such contacts; {changed} contacts were judged anew.")

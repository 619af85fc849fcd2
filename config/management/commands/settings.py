"""Print the settings: their values, or the table of docs/settings.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.environment import TABLE, shown
from config.findings import doubtful_settings


class Command(BaseCommand):
    help = "Print every setting as it was understood, with secrets masked, and what is doubtful about them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="Print the table of docs/settings.md instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["markdown"]:
            self.stdout.write("\n".join(markdown()))
            return
        width = max(map(len, TABLE))
        for name, value in shown(settings.ENVIRONMENT):
            self.stdout.write(f"{name.ljust(width)}  {value or '-'}")
        for sentence in doubtful_settings():
            self.stdout.write(self.style.WARNING(sentence))


def markdown() -> Iterator[str]:
    """Yield the lines of the table in docs/settings.md."""
    yield "| variable | takes | what it is | without it |"
    yield "|---|---|---|---|"
    for name, row in TABLE.items():
        yield f"| `{name}`{' (secret)' if row.secret else ''} | {row.type.words} | {row.help} | {row.without} |"

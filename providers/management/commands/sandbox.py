"""`manage.py sandbox`: fake providers over real HTTP, for the demo, for tests and for developers."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.sandbox.server import Sandbox, serve
from providers.sandbox.settings import Settings


class Command(BaseCommand):
    help = "Run four fake providers in memory, with scripted phone numbers and a journal of every dial."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
        parser.add_argument("--port", type=int, default=8700, help="0 picks a free port (default: 8700)")
        parser.add_argument("--speed", type=float, default=1.0, help="how many times faster calls run (default: 1)")
        parser.add_argument("--seed", type=int, default=1, help="chooses the outcomes of unscripted phone numbers")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            settings = Settings().changed({"speed": options["speed"], "seed": options["seed"]})
            asyncio.run(serve(Sandbox(settings), options["host"], options["port"], self._announce))
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error

    def _announce(self, url: str) -> None:
        self.stdout.write(f"Sandbox listening on {url}")
        self.stdout.flush()

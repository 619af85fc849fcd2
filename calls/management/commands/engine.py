import gc
import logging
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from calls.engine import lifeline
from calls.engine.service import Engine
from tenants.egress.event_loop import new_event_loop


class Command(BaseCommand):
    requires_system_checks = ()  # the worker command has checked; a check loads all pages
    help = (
        "Runs one engine process. The worker command starts it; it ends when its watcher ends. Do not start it by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("worker")
        parser.add_argument("slot", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        lifeline.hold()
        gc.collect()
        gc.freeze()  # as in the web process: each pass over all of Django's code takes a tenth of a second
        # A batch makes ten thousand objects that are in no cycle. With the defaults the collector looks at all of them
        # every few hundred, which took a tenth of the processor time.
        gc.set_threshold(20_000, 20, 20)
        code = 0
        try:
            Engine(options["worker"], options["slot"]).run(new_event_loop, until_signal=True)
        except Exception:
            logging.getLogger(__name__).exception("The engine process ends")
            code = 1
        logging.shutdown()
        os._exit(code)  # a thread that hangs in a broken connection does not keep the process

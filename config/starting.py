"""The start of web, worker and commands: settings and tables are checked, and a refusal is one sentence."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from typing import NoReturn

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, get_commands
from django.db import DatabaseError, InterfaceError, connection
from django.utils.module_loading import import_string

from tenants.db.waiting import wait_until_fine
from tenants.management.tables import DATABASE_SILENT, demand_tables

logger = logging.getLogger(__name__)

SETTINGS_REFUSED = 2  # exit status
OURS = frozenset({"tenants", "providers", "campaigns", "calls", "config"})
# Of our commands: those that use no tables, that make them, or that ask by themselves. The worker has asked for its
# children, which are also replaced while a newer version is being installed.
WITHOUT_TABLES = frozenset({"demo", "qcluster", "sandbox", "settings", "worker"})
# Of Django's and of libraries.
WITH_TABLES = frozenset({"clearsessions", "dumpdata", "loaddata", "runserver"})
HELP = frozenset({"-h", "--help", "--version"})


def read_settings() -> None:
    """Read the settings, or end this process with one sentence about the first one that is wrong."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as wrong:
        _end(str(wrong), SETTINGS_REFUSED)


def check_command(arguments: list[str]) -> None:
    """End this process with one sentence if a command needs tables that are not there, or not those of this version."""
    name = arguments[1] if len(arguments) > 1 else ""
    if not name or HELP & set(arguments):
        return
    django.setup()
    if not needs_tables(name):
        return
    try:
        demand_tables(settings.WAIT_FOR_MIGRATIONS if name == "runserver" else 0, _say)
    except CommandError as wrong:
        _end(str(wrong), wrong.returncode)


def needs_tables(name: str) -> bool:
    return name in WITH_TABLES or (name not in WITHOUT_TABLES and get_commands().get(name) in OURS)


def begin_web() -> bool:
    """Check the tables, and log what else is wrong. While the database does not answer, pages say so: web starts.

    Return whether the dial journal was compared. If not, `compare_journal_later` is to be called.
    """
    django.setup()
    compared = False
    try:
        demand_tables(settings.WAIT_FOR_MIGRATIONS, logger.warning)
        _compare_journal()
        compared = True
    except CommandError as wrong:
        if wrong.returncode != DATABASE_SILENT:
            _end(str(wrong), wrong.returncode)
    except (DatabaseError, InterfaceError):  # as when it does not answer
        logger.exception("The dial journal could not be compared")
    import_string("config.findings.log_at_start")()  # its models can be imported only now
    return compared


def compare_journal_later() -> None:
    """Compare the dial journal as soon as the database answers and has its tables. Pages are served meanwhile.

    Until every host has shown its journal after a restore, no worker places calls.
    """
    threading.Thread(target=_compare_when_back, name="dial journal", daemon=True).start()


def _compare_when_back() -> None:
    try:
        demand_tables(math.inf, logger.warning)
        wait_until_fine(_compare_journal, logger.warning)
    except (CommandError, DatabaseError, InterfaceError):
        logger.exception("The dial journal could not be compared")
    finally:
        connection.close()


def _compare_journal() -> str:
    import_string("calls.journal.standing.begin_web")()
    return ""


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _end(sentence: str, status: int) -> NoReturn:
    _say(sentence)
    sys.exit(status)

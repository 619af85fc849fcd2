"""Back the test's database up while it is used, and restore it, with the programs that people use for it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

from django.db import connection, connections

from campaigns.models.number_hash import forget_hash_key
from tenants.journal import writer
from tests.postgresql import programs
from tests.waiting import eventually


def take(path: Path) -> None:
    """Store a consistent copy of the database, whatever is at work."""
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"])) as source:
            _copy(source, path)
        return
    subprocess.run([programs() / "pg_dump", "-Fc", *_server(), "-f", path, _name()], check=True)


def restore(path: Path) -> None:
    """Put the copy in the place of the database, as if the process that used the old one had ended.

    The web server of the tests goes on. A status callback that comes now may hold what pg_restore waits for, and
    PostgreSQL ends one of the two.
    """
    writer.forget()
    forget_hash_key()
    connections.close_all()
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(path)) as source:
            _copy(source, Path(connection.settings_dict["NAME"]))
    else:
        eventually(lambda: _restored(path), "pg_restore meets one callback after another")
    connections.close_all()


def _restored(path: Path) -> bool:
    options = ["--clean", "--if-exists", "--single-transaction", *_server(), "-d", _name()]
    ended = subprocess.run([programs() / "pg_restore", *options, path], capture_output=True, text=True)
    assert ended.returncode == 0 or "deadlock detected" in ended.stderr, ended.stderr
    return ended.returncode == 0


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(os.fspath(path), timeout=60)) as target:
        source.backup(target)


def _server() -> list[str]:
    found = connection.settings_dict
    return ["-h", str(found["HOST"]), "-p", str(found["PORT"]), "-U", str(found["USER"])]


def _name() -> str:
    return str(connection.settings_dict["NAME"])

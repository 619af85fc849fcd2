"""Databases for the figures: one PostgreSQL server for a run, one migrated template, one copy for each figure."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from cryptography.fernet import Fernet

from tests.postgresql import throwaway_server

ROOT = Path(__file__).resolve().parents[2]
SERVER = "BENCHMARK_SERVER"  # environment variable: the address of a run's server
TEMPLATE = "trunkline_template"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server with a migrated template database."""

    url: str

    def address(self, name: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def create(self, name: str, *, empty: bool = False) -> str:
        """Create a database anew and return its address. It is a copy of the template unless `empty`."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {name} {'' if empty else f'TEMPLATE {TEMPLATE}'}".encode())
        shutil.rmtree(journal_of(self.address(name)), ignore_errors=True)  # that of the database before
        return self.address(name)

    def drop_all(self, name: str) -> None:
        """Drop the database of this name, and those whose names go on after it with an underscore."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [f"^{name}(_|$)"])
            for (found,) in names.fetchall():
                connection.execute(f"DROP DATABASE {found} WITH (FORCE)".encode())

    @property
    def pid(self) -> int:
        """The process id of the server, the parent of all its processes."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        return int(found[0].split()[0]) if found else 0


@contextmanager
def server() -> Iterator[Server]:
    """Yield the server of this run: the one that BENCHMARK_SERVER names, else a new one that ends with the block.

    From now on SIGTERM ends this process as an error does, so that what it started ends as well.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if SERVER in os.environ:
        yield Server(os.environ[SERVER])
        return
    with throwaway_server() as url:
        found = Server(url)
        os.environ[SERVER] = url
        found.create(TEMPLATE, empty=True)
        migrate(found.address(TEMPLATE))
        yield found
        del os.environ[SERVER]
        shutil.rmtree(journal_of(url).parent, ignore_errors=True)


def journal_of(url: str) -> Path:
    """Return the folder of the dial journal of a database."""
    parts = urlsplit(url)
    return Path(tempfile.gettempdir()) / f"trunkline-journals-{parts.port}" / parts.path.strip("/")


def migrate(url: str, settings: str = "config.settings") -> None:
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=os.environ | environment(url) | {"DJANGO_SETTINGS_MODULE": settings},
        check=True,
    )


def environment(url: str, **more: str) -> dict[str, str]:
    """Return the environment of a production process that may call this machine."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": str(ROOT),
        "DEBUG": "false",
        "SECRET_KEY": "only-for-benchmarks-" * 3,
        "FIELD_KEYS": os.environ.setdefault("FIELD_KEYS", Fernet.generate_key().decode()),
        "ALLOW_LOOPBACK_URLS": "true",
        "ALLOWED_HOSTS": "127.0.0.1",
        "API_RATE": "1000000",
        "API_BURST": "1000000",
        "PUBLIC_BASE_URL": "",
        "DATABASE_URL": url,
        "DIAL_JOURNAL": str(journal_of(url)),
        **more,
    }

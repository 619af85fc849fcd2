"""A PostgreSQL server for one run, in its own directory and on its own port of 127.0.0.1. It is removed afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg


class Unavailable(Exception):
    """PostgreSQL's programs, or a user to run them as, are missing. The message is a sentence."""


@contextmanager
def throwaway_server(settings: str = "") -> Iterator[str]:
    """Yield the server's URL. `settings` are further options of its command line. Raises Unavailable."""
    found = programs()
    user = unprivileged_user()
    home = Path(tempfile.mkdtemp(prefix="trunkline-postgresql-"))
    data, log = home / "data", home / "log"
    if user:
        shutil.chown(home, user)
    run_as: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    options = "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    options += f" -c max_connections=200 -c full_page_writes=off {settings}"

    def call(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home, env=_environment(home), **run_as)

    try:
        call(f"{found}/initdb", "-D", str(data), "-U", "trunkline", "-A", "trust", "-E", "UTF8", "--no-sync")
        port = free_port()
        try:
            call(f"{found}/pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", options.format(port=port), "start")
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text('utf-8')}") from error
        try:
            yield f"postgresql://trunkline@127.0.0.1:{port}/postgres"
        finally:
            call(f"{found}/pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def copy_of_the_template(name: str) -> Iterator[str]:
    """Yield the URL of a migrated database of this name on the suite's server, for processes of their own.

    Starting a server and migrating it takes ten seconds, copying the suite's template 0.1. Raises Unavailable outside
    of a run of the suite on PostgreSQL.
    """
    server, template = urlsplit(os.environ.get("DATABASE_URL", "")), os.environ.get("TEST_TEMPLATE")
    if not template or server.scheme != "postgresql":
        raise Unavailable("it is not started by tests.suite.")
    found = server._replace(path=f"/{name}").geturl()
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        try:
            yield found
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path and shutil.which("pg_ctl"):
        return Path(on_path).parent
    raise Unavailable("its programs (initdb, pg_ctl) are not installed. On Debian: apt-get install postgresql")


def unprivileged_user() -> str | None:
    """Return the user to run the server as, because initdb refuses root; None for the present user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise Unavailable("it does not run as root, and there is no other user.")


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

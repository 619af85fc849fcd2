"""PgBouncer in transaction mode before a PostgreSQL server, on its own port of 127.0.0.1, as Debian packages it."""

from __future__ import annotations

import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.postgresql import Unavailable, free_port, unprivileged_user
from tests.waiting import PATIENCE

CONFIGURATION = """\
[databases]
* = host={host} port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
ignore_startup_parameters = {ignored}
logfile = {home}/log
pidfile = {home}/pid
"""


@contextmanager
def throwaway_pooler(url: str, *, size: int = 20, ignored: str = "extra_float_digits") -> Iterator[str]:
    """Yield the URL of a pooler for the server at `url`. `size`: its connections to each database.

    Raises Unavailable.
    """
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise Unavailable("pgbouncer is not installed. On Debian: apt-get install pgbouncer")
    server, port, user = urlsplit(url), free_port(), unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="trunkline-pgbouncer-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        values = {"host": server.hostname, "server": server.port, "user": server.username, "home": home}
        settings = home / "pgbouncer.ini"
        settings.write_text(CONFIGURATION.format(**values, port=port, size=size, ignored=ignored), "utf-8")
        if user:
            shutil.chown(home, user)
        group = pwd.getpwnam(user).pw_gid if user else None
        running = subprocess.Popen(
            [program, "-q", str(settings)], cwd=home, user=user, group=group, extra_groups=[] if user else None
        )
        try:
            _wait_for(port, running)
            yield urlunsplit(server._replace(netloc=f"{server.username}@127.0.0.1:{port}"))
        finally:
            running.kill()
            running.wait()


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and running.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("PgBouncer did not start.")

"""Environment variables of the demo, set before Django reads its settings. Standard library only."""

from __future__ import annotations

import os
import socket
from pathlib import Path

DATABASE = Path(__file__).resolve().parent.parent.parent / "var" / "demo.sqlite3"
JOURNAL = DATABASE.with_name("demo-journal")


def prepare(arguments: list[str]) -> None:
    """Set development mode, a separate database, and the address for the sandbox's callbacks."""
    port = _wanted_port(arguments)
    os.environ["DEBUG"] = "true"
    os.environ["ALLOW_LOOPBACK_URLS"] = "true"
    os.environ["PUBLIC_BASE_URL"] = f"http://127.0.0.1:{port}"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{DATABASE}")
    os.environ.setdefault("DIAL_JOURNAL", str(JOURNAL))


def _wanted_port(arguments: list[str]) -> int:
    if "--port" in arguments[:-1]:
        given = arguments[arguments.index("--port") + 1]
        if given.isdigit():
            return int(given)
    for candidate in (8000, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("There is no free port on 127.0.0.1.")

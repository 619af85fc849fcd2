"""Environment variables of the demo, set before Django reads its settings. Standard library only."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import IO

DATABASE = Path(__file__).resolve().parent.parent.parent / "var" / "demo.sqlite3"
JOURNAL = DATABASE.with_name("demo-journal")

_claim: IO[str] | None = None  # open, and so locked, while this process lives


def prepare(arguments: list[str]) -> None:
    """Set development mode, a separate database, and the address for the sandbox's callbacks."""
    port = _wanted_port(arguments)
    os.environ["DEBUG"] = "true"
    os.environ["ALLOW_LOOPBACK_URLS"] = "true"
    os.environ["PUBLIC_BASE_URL"] = f"http://127.0.0.1:{port}"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{DATABASE}")
    os.environ.setdefault("DIAL_JOURNAL", str(JOURNAL))


def alone() -> bool:
    """Claim the demo's own database until this process ends. Return whether no other demo has it."""
    global _claim
    DATABASE.parent.mkdir(exist_ok=True)
    claim = DATABASE.with_suffix(".lock").open("w")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.close()
        return False
    _claim = claim
    return True


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

"""The demo as a new user starts it: its own processes, its own database, the sign-in that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.postgresql import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
READY = "The admin stays open."


@dataclass(frozen=True)
class Demo:
    url: str
    user: str
    password: str
    database: str  # as DATABASE_URL


@contextmanager
def running(directory: Path, contacts: int = 4, timeout: float = 240) -> Iterator[Demo]:
    """Run `manage.py demo` until its campaigns are finished and the admin stays open. Raises RuntimeError."""
    database = f"sqlite:///{directory}/demo.sqlite3"
    command = [sys.executable, "-u", "manage.py", "demo", "--contacts", str(contacts), "--port", str(free_port())]
    log = directory / "demo.log"
    with log.open("wb") as out:
        environment = os.environ | {"DATABASE_URL": database, "DIAL_JOURNAL": str(directory / "journal")}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            yield _signed(_until_ready(process, log, timeout), database)
        finally:
            process.terminate()
            process.wait(120)


def _until_ready(process: subprocess.Popen[bytes], log: Path, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        said = log.read_text(errors="replace")
        if READY in said:
            return said
        time.sleep(0.3)
    raise RuntimeError(f"The demo did not come up: {log.read_text(errors='replace')[-2000:]}")


def _signed(said: str, database: str) -> Demo:
    url = re.search(r"Admin +(\S+)/admin/", said)
    sign_in = re.search(r"Sign in +(\S+) +(\S+)", said)
    assert url and sign_in
    return Demo(url[1], sign_in[1], sign_in[2], database)

"""Failpoints: places, at every commit and around every request, where a test can kill, freeze or disturb a process.

Only TRUNKLINE_FAILPOINT=name:action[:nth] with DEBUG arms one. The system check calls.E004 refuses it without DEBUG.
A failpoint that is not armed costs one comparison of strings.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable

from django.conf import settings
from django.db import connection

WANTED = os.environ.get("TRUNKLINE_FAILPOINT", "")


def reach(name: str) -> None:
    """Run the armed action if this is the nth visit to the armed failpoint. Otherwise do nothing."""
    if name == _NAME and next(_VISITS) == _NTH:
        os.write(2, f"failpoint {WANTED}\n".encode())  # unbuffered: the process may end here
        ACTIONS[_ACTION]()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise() -> None:
    raise RuntimeError(f"failpoint {WANTED}")


def _exit() -> None:
    sys.exit(3)


def _close() -> None:
    """Close all database connections of the process, as a server would. On SQLite, close only this thread's."""
    if connection.vendor == "sqlite":
        connection.close()
        return
    for number in map(int, os.listdir("/dev/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if found.getpeername()[1:2] == (int(connection.settings_dict["PORT"]),):
                        found.shutdown(socket.SHUT_RDWR)
        except OSError:  # not connected, or closed since the listing
            continue


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": _kill,
    "freeze": _freeze,
    "raise": _raise,
    "exit": _exit,
    "close": _close,
}


def _read(wanted: str) -> tuple[str, str, int]:
    name, _, rest = wanted.partition(":")
    action, _, nth = rest.partition(":")
    if action not in ACTIONS or not (nth or "1").isdecimal():
        raise ValueError("TRUNKLINE_FAILPOINT is name:action[:nth], where action is one of " + ", ".join(ACTIONS))
    return name, action, int(nth or 1)


_NAME, _ACTION, _NTH = _read(WANTED) if WANTED and settings.DEBUG else ("", "", 0)
_VISITS = itertools.count(1)  # `next` on it is atomic over threads

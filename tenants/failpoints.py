"""Places where a test can make a process die, freeze or stumble: at every commit and around every request.

Armed by TRUNKLINE_FAILPOINT=name:action[:nth] while DEBUG is on, and by nothing else; the system check calls.E004
refuses it anywhere else. Each place is one call, which costs a comparison.
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
    """The process is at `name`. Nothing happens, unless this is the place and the time that a test asked for."""
    if name == _NAME and next(_VISITS) == _NTH:
        os.write(2, f"failpoint {WANTED}\n".encode())  # unbuffered: it may be this process's last word
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
    """The database hangs up on the whole process. SQLite has nobody to hang up: there it is this thread's own doing."""
    if connection.vendor == "sqlite":
        connection.close()
        return
    for number in map(int, os.listdir("/dev/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if found.getpeername()[1:2] == (int(connection.settings_dict["PORT"]),):
                        found.shutdown(socket.SHUT_RDWR)
        except OSError:  # not connected, or gone since it was listed
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
_VISITS = itertools.count(1)  # its `next` is one step, whichever thread asks

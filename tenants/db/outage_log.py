"""Outages of the database and of the disk in the log: one line when it begins, one a minute, one when it is over.

Every step of every process fails again and again while the database is away. Their tracebacks say one thing.
"""

from __future__ import annotations

import logging
import re
import time
from copy import copy
from typing import Any

from tenants.db.outages import outage_in

logger = logging.getLogger(__name__)
MINUTE = 60.0
QUIET = 15.0  # seconds without a failure, and then a success, end an outage: no step waits longer for its next turn
_NAMED = re.compile(r"\b(Call|Webhook|Status callback) %s")


class _Outage:
    """The outage that this process notices now, if any."""

    def __init__(self) -> None:
        self.name = ""
        self.began = self.told_at = self.failed_at = 0.0
        self.left_out = 0


_now = _Outage()


def told(record: logging.LogRecord) -> logging.LogRecord | None:
    """Return the record to write for this one: the same, one line about an outage, or None to leave it out."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(record.msg, BaseException):  # as the task queue logs errors
        error = record.msg
    outage = outage_in(error)
    if outage is None:
        return record
    name = outage.log
    now = _now.failed_at = time.monotonic()
    if not _now.name:
        _now.name, _now.began, _now.left_out = name, now, 0
        text = f"{name}: {_line(error)}. Further messages about it are counted, one line a minute."
    elif now - _now.told_at >= MINUTE:
        minutes = round((now - _now.began) / MINUTE)
        text = f"{name}, for {minutes} min: {_line(error)}. {_now.left_out + 1} messages in the last minute."
        _now.left_out = 0
    elif _NAMED.search(str(record.msg)):  # what befell one call is told of each call
        text = name
    else:
        _now.left_out += 1
        return None
    if text != name:
        _now.told_at = now
    found = copy(record)
    found.msg = f"{record.msg}. {text.replace('%', '%%') if record.args else text}"
    found.exc_info = found.exc_text = None
    return found


def note_success(**_: Any) -> None:
    """Note that the database did its work. Also a receiver of Django's `connection_created`."""
    now = time.monotonic()
    if _now.name and now - _now.failed_at > QUIET:
        name, _now.name = _now.name, ""
        logger.warning("Over after %.0f s: %s", now - _now.began, name)


def _line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


class Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Write to the standard error stream, and fold what outages repeat."""

    def emit(self, record: logging.LogRecord) -> None:
        if (found := told(record)) is not None:
            super().emit(found)

"""Outages of the database and of the disk in the log: one line when it begins, one a minute, one when it is over.

Every step of every process fails again and again while the database is away. Such messages say one thing, so whoever
writes them marks them with REPEATS, and they are counted. Every other message stays: it may tell of a loss of its own.
"""

from __future__ import annotations

import logging
import time
from copy import copy
from dataclasses import dataclass
from typing import Any

from tenants.db.outages import Outage, outage_in, words_of

logger = logging.getLogger(__name__)
REPEATS = {"repeats": True}  # the `extra` of a message about a step that is done again
_TASK_QUEUE = "django-q"  # its loops log every try
MINUTE = 60.0
QUIET = 15.0  # seconds without a failure, and then a success, end an outage: no step waits longer for its next turn
# Seconds without a failure that end any other outage: a success shows that the database answers, not that it can write.
LONG_QUIET = 120.0


@dataclass
class _State:
    """An outage that this process notices."""

    began: float
    told_at: float
    failed_at: float
    left_out: int = 0


_now: dict[Outage, _State] = {}


def told(record: logging.LogRecord) -> logging.LogRecord | None:
    """Return the record to write for this one: the same, one without its traceback, or None to leave it out."""
    error = record.exc_info[1] if record.exc_info else None
    is_error = isinstance(record.msg, BaseException)  # as the task queue logs errors
    if is_error:
        error = record.msg  # type: ignore[assignment]
    outage = outage_in(error)
    if error is None or outage is None:
        return record
    repeats = getattr(record, "repeats", False) or record.name.startswith(_TASK_QUEUE)
    text = _noticed(outage, f"{outage.log} ({words_of(error)})", repeats=repeats)
    if text is None:
        return None
    found = copy(record)
    text = text.replace("%", "%%") if record.args else text
    found.msg = text if is_error else f"{str(record.msg).rstrip('.')}. {text}"
    found.exc_info = found.exc_text = None
    return found


def _noticed(outage: Outage, what: str, *, repeats: bool) -> str | None:
    """Note a failure, and return what its message says of the outage. None: the message is left out."""
    now = time.monotonic()
    state = _now.get(outage)
    if state is None or now - state.failed_at > LONG_QUIET:
        _now[outage] = _State(now, now, now)
        return f"{what}. Steps that fail again are counted, one line a minute."
    state.failed_at = now
    if not repeats:
        return f"{what}."
    if now - state.told_at < MINUTE:
        state.left_out += 1
        return None
    count, minutes = state.left_out + 1, round((now - state.began) / MINUTE)
    state.told_at, state.left_out = now, 0
    return f"{what}, for {minutes} min. {count} messages since the last line."


def note_success(**_: Any) -> None:
    """Note that the database did its work. Also a receiver of Django's `connection_created`."""
    now = time.monotonic()
    for outage, state in _now.copy().items():
        quiet = QUIET if outage is Outage.GONE else LONG_QUIET
        if now - state.failed_at > quiet and _now.pop(outage, False):  # another thread may have told of it
            logger.warning("Over after %.0f s: %s", state.failed_at - state.began, outage.log)


class Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Write to the standard error stream, and fold what outages repeat."""

    def emit(self, record: logging.LogRecord) -> None:
        if (found := told(record)) is not None:
            super().emit(found)

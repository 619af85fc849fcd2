"""Log lines: one JSON object each, with the request id. Phone numbers, secrets and quoted rows are masked."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog

from tenants.db.outages import outage_in, words_of
from tenants.masking import masked
from tenants.middleware import current_request_id

_OWN_ID = re.compile(r"[0-9a-f]{32}")  # a request id of ours. A caller may send a number or a key as its own id.

_NAMES = re.compile(r"(?:\b(Call|Campaign|Account|Organization|Status callback)s? )?%[^%\s]*[srdf]")


class Formatter(logging.Formatter):
    """Format a record as one line of JSON."""

    _render = structlog.processors.JSONRenderer(default=str)

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": masked(record.getMessage()),
        }
        if request_id := _request_id(record):
            event["request_id"] = request_id if _OWN_ID.fullmatch(request_id) else masked(request_id)
        event |= keys_of(record)
        if record.exc_info:
            event["exception"] = masked(self.formatException(record.exc_info))
        return str(self._render(None, record.levelname, event))


def own_request_id(record: logging.LogRecord) -> str:
    """Return the ID of the record's request if it is one of ours, else ""."""
    found = _request_id(record)
    return found if _OWN_ID.fullmatch(found) else ""


def _request_id(record: logging.LogRecord) -> str:
    return current_request_id() or getattr(getattr(record, "request", None), "request_id", "")


def keys_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the keys of the rows that a message names, as "Call %s" does, and a campaign given as `extra`."""
    named = {
        word.lower().replace(" ", "_"): place for place, word in enumerate(_NAMES.findall(str(record.msg))) if word
    }
    args = record.args if isinstance(record.args, tuple) else ()
    found = {name: args[place] for name, place in named.items() if place < len(args)}
    if campaign := getattr(record, "campaign", None):
        found["campaign"] = campaign
    return {name: key for name, key in found.items() if isinstance(key, int)}


def mask_uncaught() -> None:
    """Mask the traceback of an exception that ends this process or one of its threads."""
    sys.excepthook = _print_masked
    threading.excepthook = _of_thread


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:  # a thread may end itself so
        _print_masked(args.exc_type, args.exc_value, args.exc_traceback)


def _print_masked(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    outage = outage_in(error)
    if error is not None and outage:
        text = f"{outage.log} ({words_of(error)})."
    else:
        text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
    sys.stderr.write(masked(text) + "\n")

"""Log lines: one JSON object each, with the request's id, and no person's number in the clear."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

from tenants.middleware import current_request_id

_NUMBER = re.compile(r"\+(\d{2,4})\d{3,}(\d{4})")
_HOOK_TOKEN = re.compile(r"(/hooks/[a-z]+/(?:account/)?)[\w-]+")


class Formatter(logging.Formatter):
    """One JSON object a line, on stderr."""

    _render = structlog.processors.JSONRenderer(default=str)

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": masked(record.getMessage()),
        }
        if request_id := current_request_id() or getattr(getattr(record, "request", None), "request_id", ""):
            event["request_id"] = request_id
        if record.exc_info:
            event["exception"] = masked(self.formatException(record.exc_info))
        return str(self._render(None, record.levelname, event))


def masked(text: str) -> str:
    """The text with telephone numbers and callback tokens made unreadable: `+1514•••1234`."""
    return _HOOK_TOKEN.sub(r"\1•••", _NUMBER.sub(r"+\1•••\2", text))

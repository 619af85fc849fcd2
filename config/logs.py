"""Log lines: one JSON object each, with the request id. Phone numbers are masked."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

from tenants.middleware import current_request_id

_NUMBER = re.compile(r"\+(\d{2,4})\d{3,}(\d{4})")
_HOOK_TOKEN = re.compile(r"(/hooks/[a-z]+/(?:account/)?)[\w-]+")


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
        if request_id := current_request_id() or getattr(getattr(record, "request", None), "request_id", ""):
            event["request_id"] = request_id
        if record.exc_info:
            event["exception"] = masked(self.formatException(record.exc_info))
        return str(self._render(None, record.levelname, event))


def masked(text: str) -> str:
    """Return the text with masked phone numbers (`+1514•••1234`) and callback tokens."""
    return _HOOK_TOKEN.sub(r"\1•••", _NUMBER.sub(r"+\1•••\2", text))

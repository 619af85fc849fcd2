"""Log lines: one JSON object each, with the request id. Phone numbers, secrets and quoted rows are masked."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from tenants.masking import masked
from tenants.middleware import current_request_id


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

"""Error reports for Sentry: each line of the log that is an error, without the values in it.

Sentry is on somebody else's machine, so a report is made of what this code has written, and nothing is taken out of a
fuller one: the message without its arguments, classes of errors, places in the code, keys of rows and the request ID.
The text of an error is left out, because it may quote a name or a number; the log has it, under the same request ID.

The client opens these connections, and not `tenants/egress/`: it leads to the one server that the operator has named.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import sentry_sdk
from sentry_sdk.types import Event

from config import authorities
from config.logs import keys_of, own_request_id
from tenants import telemetry
from tenants.db.outages import words_of
from tenants.masking import masked

ROOT = Path(__file__).resolve().parent.parent
WITHIN = 2.0  # seconds that the end of a process waits for what is left
OURS = frozenset({"tenants", "providers", "campaigns", "calls", "config"})
# Errors of the senders would be reported by themselves. What Django refuses as suspicious is no error of ours: any
# stranger can cause it as often as they like, and its message, which no argument is kept apart from, quotes them.
LEFT_OUT = ("sentry_sdk", "opentelemetry", "urllib3", "django.security")


class Handler(logging.Handler):
    """Sends errors of the log, from a thread of its own. What is repeated while the database is away is left out."""

    def __init__(self, dsn: str) -> None:
        super().__init__(logging.ERROR)
        self._dsn = dsn

    @cached_property
    def _client(self) -> sentry_sdk.Client:
        """Made with the first error. It watches nothing by itself, and takes no proxy from the environment."""
        return sentry_sdk.Client(
            dsn=self._dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            send_client_reports=False,
            auto_session_tracking=False,
            ca_certs=authorities.bundle(),
            http_proxy="",
            https_proxy="",
            shutdown_timeout=WITHIN,
        )

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(LEFT_OUT) or getattr(record, "repeats", False) or not telemetry.may_have_threads():
            return
        try:
            self._client.capture_event(cast(Event, report_of(record)))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        if "_client" in self.__dict__:
            self._client.flush(WITHIN)


def report_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what Sentry gets of a record."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(record.msg, BaseException):  # as the task queue logs errors
        error = record.msg
    template = type(record.msg).__name__ if isinstance(record.msg, BaseException) else str(record.msg)
    match = getattr(getattr(record, "request", None), "resolver_match", None)
    return {
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "logentry": {"message": masked(template)},
        "transaction": match.route if match else "",
        "tags": {**keys_of(record), "request_id": own_request_id(record), "process": record.processName or ""},
        "exception": {"values": [_exception(each) for each in reversed(list(_chain(error)))]},
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, at most ten."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _exception(error: BaseException) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "module": type(error).__module__,
        "value": words_of(error),
        "stacktrace": {"frames": list(_frames(error.__traceback__))},
    }


def _frames(trace: TracebackType | None) -> Iterator[dict[str, Any]]:
    for frame, line in traceback.walk_tb(trace):
        module = frame.f_globals.get("__name__", "")
        yield {
            "filename": frame.f_code.co_filename.removeprefix(f"{ROOT}/"),
            "function": frame.f_code.co_name,
            "module": module,
            "lineno": line,
            "in_app": module.partition(".")[0] in OURS,
        }

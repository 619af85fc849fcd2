"""A pytest plugin: the live server answers late, half of the time before it reads or writes, and half after.

A test that reads a page or the database at once after a click fails under it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

QUESTION = "/admin/session/"  # which every form asks before it is sent
QUESTION_TAKES = 1.0  # seconds
SHORTEST, LONGEST = 0.3, 1.0
STATIC_LONGEST = 0.3  # a page waits for many of them

Answer = Callable[[WSGIHandler, dict[str, Any], Any], Any]


def pytest_configure() -> None:
    WSGIHandler.__call__ = late(WSGIHandler.__call__)  # type: ignore[assignment, method-assign]


def late(answer: Answer) -> Answer:
    def call(handler: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:
        delay = delay_of(environ.get("PATH_INFO", ""))
        time.sleep(delay / 2)
        answered = answer(handler, environ, start_response)
        time.sleep(delay / 2)
        return answered

    return call


def delay_of(path: str) -> float:
    """Return a number of seconds for a request."""
    if path == QUESTION:
        return QUESTION_TAKES
    if path.startswith("/static/"):
        return random.uniform(0, STATIC_LONGEST)
    return random.uniform(SHORTEST, LONGEST)

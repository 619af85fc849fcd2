"""A small application for the tests of slow clients: it answers, reads a body, or returns a large answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

LARGE = 8 * 1024 * 1024  # more than the buffers of a socket hold


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        return (b"x" * 65536 for _ in range(LARGE // 65536))
    if environ["PATH_INFO"] == "/environ":
        return [repr(sorted((key, value) for key, value in environ.items() if key.startswith("HTTP_"))).encode()]
    return [b"ok %d" % len(body)]

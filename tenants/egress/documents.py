"""Small JSON documents of another server, read within a time and a size."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from tenants.egress.sessions import plain_client

MOST = 512 * 1024  # bytes of an answer
WITHIN = 8.0  # seconds for a whole answer
SILENCE = 4.0  # seconds between two parts of it


class NoDocument(Exception):
    """The server gave no usable document. The text names no secret and nothing that the server said."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused  # the server answered that the request is wrong


def read_json(url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON at an address; with a `form`, of the answer to it. Raises NoDocument."""
    sent = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
    method = "GET" if form is None else "POST"
    until = time.monotonic() + WITHIN
    try:
        with (
            plain_client(timeout=SILENCE) as client,
            client.stream(method, url, data=form, headers=sent) as answer,
        ):
            if answer.status_code != 200:
                raise NoDocument(f"It answered {answer.status_code}.", refused=answer.status_code in (400, 401, 403))
            body = _body(answer, until)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoDocument(f"It gave no answer: {type(error).__name__}.") from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoDocument("Its answer is not JSON.") from error


def _body(answer: httpx.Response, until: float) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NoDocument("Its answer is compressed.")
    found = b""
    for part in answer.iter_raw():
        found += part
        if len(found) > MOST:
            raise NoDocument("Its answer is too long.")
        if time.monotonic() > until:
            raise NoDocument("Its answer takes too long.")
    return found

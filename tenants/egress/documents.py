"""Small JSON documents of another server, read within a time and a size."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from tenants.egress import USER_AGENT, authorities
from tenants.egress.guard import Guard, refusal
from tenants.egress.policy import PORTS
from tenants.egress.sessions import session

MOST = 512 * 1024  # bytes of an answer
WITHIN = 8.0  # seconds for everything: the addresses, the connection, TLS and the whole answer


class NoDocument(Exception):
    """The server gave no usable document. The text names no secret and nothing that the server said."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused  # the server answered that the request is wrong


def read_json(url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON at an address; with a `form`, of the answer to it. Raises NoDocument.

    It has an event loop of its own, because only there one time limit covers whatever a server may draw out.
    """
    sent = {"accept": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT, **(headers or {})}
    try:
        body = asyncio.run(_exchange(url, form, sent))
    except TimeoutError as error:
        raise NoDocument("Its answer takes too long.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no address of the web
        raise NoDocument(f"It gave no answer: {type(refusal(error) or error).__name__}.") from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoDocument("Its answer is not JSON.") from error


async def _exchange(url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> bytes:
    address, guard = URL(url), Guard()
    method = "GET" if form is None else "POST"
    try:
        async with asyncio.timeout(WITHIN):
            guard.check(address.scheme, address.host or "", address.port or PORTS.get(address.scheme, 0))
            async with (
                session(guard, aiohttp.ClientTimeout(total=None), authorities.tls_context()) as client,
                client.request(method, address, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                return await _body(answer)
    finally:
        await guard.close()


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status != 200:
        raise NoDocument(f"It answered {answer.status}.", refused=answer.status in (400, 401, 403))
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NoDocument("Its answer is compressed.")
    found = b""
    async for part in answer.content.iter_any():
        found += part
        if len(found) > MOST:
            raise NoDocument("Its answer is too long.")
    return found

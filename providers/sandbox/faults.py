"""The faults of the fake providers: how they respond to placing requests, and how they spoil responses to reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from providers.sandbox import draws

Way = Literal[
    "usual", "error", "drop", "no_id", "cut", "proxy", "too_many", "refusal", "account", "unplaceable"
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """How the fake provider responds to a placing request, whether it dials, and after how many seconds."""

    name: str  # as the journal shows it
    way: Way
    dials: bool
    delay: float = 0.0  # divided by the speed


USUAL = Fault("as documented", "usual", dials=True)
ERROR_BEFORE = Fault("500 before dialling", "error", dials=False)
ERROR_AFTER = Fault("500 after dialling", "error", dials=True)
DROPPED_BEFORE = Fault("dropped before dialling", "drop", dials=False)
DROPPED_AFTER = Fault("dropped after dialling", "drop", dials=True)
WITHOUT_ID = Fault("2xx without id", "no_id", dials=True)
TRUNCATED = Fault("truncated JSON after dialling", "cut", dials=True)
PROXY_PAGE = Fault("HTML 502 after dialling", "proxy", dials=True)
TOO_MANY = Fault("429", "too_many", dials=False)
SLOW = Fault("slow answer", "usual", dials=True, delay=2.0)
VERY_SLOW = Fault("slow answer", "usual", dials=True, delay=4.0)
REFUSED = Fault("refused", "refusal", dials=False)
ACCOUNT = Fault("refused for the account", "account", dials=False)
UNPLACEABLE = Fault("502 in the provider's own words", "unplaceable", dials=False)

PLACING_FAULTS = (
    ERROR_BEFORE, ERROR_AFTER, DROPPED_BEFORE, DROPPED_AFTER, WITHOUT_ID, TRUNCATED, PROXY_PAGE, TOO_MANY, SLOW,
)  # fmt: skip

Trouble = Literal["500", "502 HTML", "dropped", "truncated JSON", "empty 200", "429", "slow", "HTML 200", "404"]
READING_FAULTS: tuple[Trouble, ...] = ("500", "502 HTML", "dropped", "truncated JSON", "empty 200", "429", "slow")
FLAPPING: tuple[Trouble, ...] = ("500", "HTML 200", "truncated JSON", "empty 200", "502 HTML")

PROXY_HTML = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)


def placing_fault(rate: float, *key: object) -> Fault | None:
    """Draw the fault of this placing request. Return None for no fault."""
    return draws.pick(PLACING_FAULTS, *key, "kind") if draws.fraction(*key) < rate else None


def reading_fault(rate: float, *key: object) -> Trouble | None:
    """Draw the fault of this read. Return None for no fault."""
    return draws.pick(READING_FAULTS, *key, "kind") if draws.fraction(*key) < rate else None


def proxy_page(status: int = 502) -> web.Response:
    """Return the page of a proxy that cannot reach the provider."""
    return web.Response(status=status, text=PROXY_HTML, content_type="text/html")


def truncated(whole: web.Response) -> web.Response:
    """Return the response with half of its body: complete HTTP, but broken JSON."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    return web.Response(status=whole.status, body=body[: len(body) // 2], content_type=whole.content_type)


def drop(request: web.Request) -> web.Response:
    """Close the connection without a response. The returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def spoil(request: web.Request, trouble: Trouble, good: web.Response, error: web.Response) -> web.Response:
    """Apply a fault to a read: `good` is the correct response, `error` the provider's own 404, 429 or 500."""
    if trouble == "dropped":
        return drop(request)
    if trouble == "truncated JSON":
        return truncated(good)
    if trouble == "empty 200":
        return web.Response(status=200)
    if trouble in ("502 HTML", "HTML 200"):
        return proxy_page(502 if trouble == "502 HTML" else 200)
    return good if trouble == "slow" else error


async def pause(seconds: float) -> None:
    """Sleep for `seconds`, if positive."""
    if seconds > 0:
        await asyncio.sleep(seconds)

"""From where an action comes: a page, the API, the command line, or Trunkline itself. The audit log records it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.db import models
from django.http import HttpRequest, HttpResponse

from tenants.client_address import client_address


class Channel(models.TextChoices):
    """The way on which an action reached Trunkline."""

    PAGE = "page", "Back office"
    API = "api", "API"
    COMMAND = "command", "Command line"
    SYSTEM = "system", "Trunkline"


@dataclass(frozen=True)
class Origin:
    channel: str = Channel.SYSTEM.value
    address: str = ""  # of the client that sent the request


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=_NOWHERE)


def current_origin() -> Origin:
    """Return from where the running code was asked to act."""
    return _origin.get()


@contextmanager
def acting(origin: Origin) -> Iterator[None]:
    """Let the actions of the block come from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


class AuditOriginMiddleware:
    """Tell the audit log from where a request comes. Status callbacks are Trunkline's own work."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting(_origin_of(request)):
            return self.get_response(request)


def _origin_of(request: HttpRequest) -> Origin:
    if request.path.startswith("/hooks/"):
        return _NOWHERE
    channel = Channel.API if request.path.startswith("/api/") else Channel.PAGE
    return Origin(channel.value, client_address(request))

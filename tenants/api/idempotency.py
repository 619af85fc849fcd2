"""`Idempotency-Key`: a POST that is sent again has its effect once, and gets the same response again.

A marker commits first, so that a repeat during the first run is refused. Then the effect and the stored response
commit in one transaction. If the process dies in between, nothing was done, and the request may be repeated once the
marker is a minute old. A slow first run whose marker a repeat has taken over cannot store its response, so its
transaction rolls back.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError, transaction
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.access import Access
from tenants.api.authentication import caller_of
from tenants.api.errors import Conflict, Invalid, RefusedByRule, detail
from tenants.api.rendering import FastJSONRenderer
from tenants.models import StoredAnswer

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
MARKER = timedelta(seconds=60)  # how long a first run keeps its turn
RUNNING = f"The first request with this {HEADER} is still running. Try again in a moment."

Handler = Callable[..., Response]


class IdempotentPosts:
    """A view mixin, placed before DRF's classes: a POST with an `Idempotency-Key` takes effect once.

    `outside_transaction` names the actions that must not run inside a transaction: they send a request to a provider,
    or wait until other processes see what they wrote. Each is harmless to repeat. Its response is stored right after
    its effect.
    """

    outside_transaction: ClassVar[frozenset[str]] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        handler: Handler | None = getattr(self, "post", None)
        if request.method == "POST" and handler and HEADER in request.headers:
            vars(self)["post"] = partial(self._once, handler)

    def _once(self, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        marker = begin(request)
        if marker.answer:
            return _replayed(marker.answer)
        atomic = getattr(self, "action", None) not in self.outside_transaction
        block: Callable[[], AbstractContextManager[None]] = transaction.atomic if atomic else nullcontext
        try:
            with block():
                response = self._respond(block, partial(handler, request, *args, **kwargs))
                if not _is_stored(response):
                    raise _NotStored(response)
                store(marker, response)
        except _NotStored as found:
            forget(marker)
            return found.response
        except Exception:
            with suppress(DatabaseError):  # then the marker expires after a minute
                forget(marker)
            raise
        return response

    def _respond(self, block: Callable[[], AbstractContextManager[None]], handler: Callable[[], Response]) -> Response:
        """Return the response, also for an error. An error rolls back the changes made before it."""
        try:
            with block():
                return handler()
        except Exception as error:
            found: Response = self.handle_exception(error)  # type: ignore[attr-defined]
            return found


class _NotStored(Exception):
    """Leave the transaction with a response that is not stored, because a repeat may get another one."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _is_stored(response: Response) -> bool:
    return response.status_code < 500 and response.status_code != 429


def _replayed(answer: Any) -> HttpResponse:
    response = HttpResponse(answer["body"], status=answer["status"], content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def begin(request: Request) -> StoredAnswer:
    """Return the marker of this request. Its `answer` holds the stored response of an earlier run, if there is one.

    Raises Invalid for a malformed key, RefusedByRule when the key came with another request before, and Conflict
    while the first run lasts.
    """
    now = timezone.now()
    marker: dict[str, Any] = {"fingerprint": _fingerprint(request), "run": uuid.uuid4().hex, "started_at": now}
    found, created = StoredAnswer.objects.get_or_create(slot=_slot(request), defaults=marker)
    if created:
        return found
    age = now - found.started_at
    if age >= KEPT or (found.answer is None and age >= MARKER):
        same = StoredAnswer.objects.filter(pk=found.pk, run=found.run)
        if same.update(**marker, answer=None) == 1:
            return StoredAnswer(pk=found.pk, slot=found.slot, **marker)
        raise Conflict(RUNNING)
    if found.fingerprint != marker["fingerprint"]:
        raise RefusedByRule(f"This {HEADER} was used for another request. Send a new key with a new request.")
    if found.answer is None:
        raise Conflict(RUNNING)
    return found


def store(marker: StoredAnswer, response: Response) -> None:
    """Store the response. Raises Conflict when a repeat has taken over the marker meanwhile."""
    body = FastJSONRenderer().render(response.data).decode() if response.data is not None else ""
    own = StoredAnswer.objects.filter(pk=marker.pk, run=marker.run)
    if own.update(answer={"status": response.status_code, "body": body}) != 1:
        raise Conflict("This request took longer than a minute, and a repeat of it has taken its place.")


def forget(marker: StoredAnswer) -> None:
    """Delete the marker, so that the request can be sent again."""
    StoredAnswer.objects.filter(pk=marker.pk, run=marker.run, answer=None).delete()


def purge(limit: int = 1000) -> int:
    """Delete up to `limit` expired rows. Return how many."""
    expired = StoredAnswer.objects.filter(started_at__lt=timezone.now() - KEPT).order_by("started_at")
    return StoredAnswer.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:limit])).delete()[0]


def _slot(request: Request) -> str:
    reach: Access = request.auth  # type: ignore[assignment]
    home = str(reach.home.pk) if reach.home else ""
    return _digest(caller_of(request), home, _key(request))


def _key(request: Request) -> str:
    key = request.headers[HEADER]
    with suppress(UnicodeError):
        key = key.encode("latin-1").decode()  # WSGI decodes headers as latin-1
    if not (1 <= len(key) <= 255 and key.isprintable()):
        raise Invalid(
            f"{HEADER} must be 1 to 255 printable characters.",
            [detail(HEADER, "Give 1 to 255 printable characters, like a UUID.", "invalid")],
        )
    return key


def _fingerprint(request: Request) -> str:
    """Return a digest of address and body. Of a form it covers the contents: its boundaries differ in each request."""
    data: Any = request.data
    if not isinstance(data, QueryDict):
        return _digest(request.get_full_path(), json.dumps(data, sort_keys=True))
    fields = {name: [_content(value) for value in data.getlist(name)] for name in data}
    return _digest(request.get_full_path(), json.dumps(fields, sort_keys=True))


def _content(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    found = hashlib.sha256()
    for chunk in value.chunks():
        found.update(chunk)
    value.seek(0)
    return [value.name, found.hexdigest()]


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

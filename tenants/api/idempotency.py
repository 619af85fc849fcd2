"""`Idempotency-Key`: a POST that is sent again has its effect once, and is answered as it was the first time.

A marker is committed first, so that a repeat which comes meanwhile is refused. Then the effect and the stored answer
commit together, in one transaction: whoever dies in between has done nothing, and may be repeated once the marker is a
minute old. A slow first run whose marker was taken over meanwhile may not store its answer, and so takes its effect
back.
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
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.access import Access
from tenants.api.authentication import caller_of
from tenants.api.errors import Conflict, Invalid, RefusedByRule, detail
from tenants.models import StoredAnswer

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
MARKER = timedelta(seconds=60)
RUNNING = f"The first request with this {HEADER} is still running. Try again in a moment."

Handler = Callable[..., Response]


class IdempotentPosts:
    """Mixed into views before DRF's own: every POST with an `Idempotency-Key` is answered once.

    `outside_transaction` names the actions that no transaction may hold: they ask a provider, or wait until others have
    seen what they wrote. Each is harmless to repeat; its answer is stored right after its effect.
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
        held = getattr(self, "action", None) not in self.outside_transaction
        block: Callable[[], AbstractContextManager[None]] = transaction.atomic if held else nullcontext
        try:
            with block():
                response = self._answered(block, partial(handler, request, *args, **kwargs))
                if not _is_kept(response):
                    raise _NotKept(response)
                store(marker, response)
        except _NotKept as found:
            forget(marker)
            return found.response
        except Exception:
            with suppress(DatabaseError):  # else it goes with the minute
                forget(marker)
            raise
        return response

    def _answered(self, block: Callable[[], AbstractContextManager[None]], handler: Callable[[], Response]) -> Response:
        """The answer, errors included. What an error leaves half done is taken back."""
        try:
            with block():
                return handler()
        except Exception as error:
            found: Response = self.handle_exception(error)  # type: ignore[attr-defined]
            return found


class _NotKept(Exception):
    """Leaves the transaction: this answer may be another one next time."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _is_kept(response: Response) -> bool:
    return response.status_code < 500 and response.status_code != 429


def _replayed(answer: Any) -> HttpResponse:
    response = HttpResponse(answer["body"], status=answer["status"], content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def begin(request: Request) -> StoredAnswer:
    """The marker of this request, or with `answer` what was answered before.

    Raises Invalid for a wrong key, RefusedByRule when it came with another request, Conflict while that is running.
    """
    now = timezone.now()
    ours: dict[str, Any] = {"fingerprint": _fingerprint(request), "run": uuid.uuid4().hex, "started_at": now}
    found, created = StoredAnswer.objects.get_or_create(slot=_slot(request), defaults=ours)
    if created:
        return found
    age = now - found.started_at
    if age >= KEPT or (found.answer is None and age >= MARKER):
        same = StoredAnswer.objects.filter(pk=found.pk, run=found.run)
        if same.update(**ours, answer=None) == 1:
            return StoredAnswer(pk=found.pk, slot=found.slot, **ours)
        raise Conflict(RUNNING)
    if found.fingerprint != ours["fingerprint"]:
        raise RefusedByRule(f"This {HEADER} was used for another request. Send a new key with a new request.")
    if found.answer is None:
        raise Conflict(RUNNING)
    return found


def store(marker: StoredAnswer, response: Response) -> None:
    """Keep the answer. Raises Conflict when the request took so long that a repeat has taken its place."""
    body = JSONRenderer().render(response.data).decode() if response.data is not None else ""
    mine = StoredAnswer.objects.filter(pk=marker.pk, run=marker.run)
    if mine.update(answer={"status": response.status_code, "body": body}) != 1:
        raise Conflict("This request took too long, and a repeat of it has taken its place.")


def forget(marker: StoredAnswer) -> None:
    """The request may be sent again."""
    StoredAnswer.objects.filter(pk=marker.pk, run=marker.run, answer=None).delete()


def purge(limit: int = 1000) -> int:
    """Remove answers that are no longer kept; how many went."""
    over = StoredAnswer.objects.filter(started_at__lt=timezone.now() - KEPT).order_by("started_at")
    return StoredAnswer.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]


def _slot(request: Request) -> str:
    reach: Access = request.auth  # type: ignore[assignment]
    home = str(reach.home.pk) if reach.home else ""
    return _digest(caller_of(request), home, _key(request))


def _key(request: Request) -> str:
    key = request.headers[HEADER]
    with suppress(UnicodeError):
        key = key.encode("latin-1").decode()  # headers arrive byte by byte
    if not (1 <= len(key) <= 255 and key.isprintable()):
        raise Invalid(
            f"{HEADER} must be 1 to 255 printable characters.",
            [detail(HEADER, "Give 1 to 255 printable characters, like a UUID.", "invalid")],
        )
    return key


def _fingerprint(request: Request) -> str:
    """What makes two requests the same. Of a form it is the contents: its boundaries change with every sending."""
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

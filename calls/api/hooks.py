"""The addresses for status callbacks. The token in the path authenticates; the body is stored and processed later."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from calls.following import status_callbacks
from tenants.api.errors import TooLarge, shape
from tenants.api.views import AnyAccept

REFUSALS = {401: "Invalid signature", 404: "Not found", 503: "The secret that checks the signature cannot be read"}
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def raw_body(request: Request, limit: int) -> bytes:
    """Return the body as it was sent, because signatures are over these bytes.

    A chunked body has no length, and Django takes it for an empty one. So it is read from the server's stream.
    """
    environ = request.META
    if environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        stream: Any = environ["wsgi.input"]
    else:
        stream = request.stream
    return bytes(stream.read(limit)) if stream else b""


class HookView(APIView):
    """The address of one call, or of a whole account with `account_wide`."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AnyAccept
    account_wide: ClassVar[bool] = False

    def get(self, request: Request, **kwargs: str) -> HttpResponse:
        """Answer a provider's check that the address exists, without revealing whether the token is known."""
        return HttpResponse(status=200)

    def post(self, request: Request, token: str, provider: str = "callingbox") -> Response:
        body = raw_body(request, status_callbacks.MAX_BODY + 1)
        if len(body) > status_callbacks.MAX_BODY:
            if TOKEN.fullmatch(token) and not self.account_wide:
                status_callbacks.note_too_long(provider, token)
            raise TooLarge(f"The body is longer than {status_callbacks.MAX_BODY // 1024} KiB, so it was not stored.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        status = 404
        if TOKEN.fullmatch(token):
            status = status_callbacks.receive(provider, token, headers, body, account_wide=self.account_wide)
        if status == 200:
            return Response({})
        if status == 429:
            raise Throttled(wait=status_callbacks.RATE_WINDOW.total_seconds())
        return Response(shape(REFUSALS[status]), status=status)

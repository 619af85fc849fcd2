"""Where providers report to. The token in the path is the way in; what it lets in is stored and read later."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from calls.following import status_callbacks
from tenants.api.errors import TooLarge, shape
from tenants.api.views import AnyAccept

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def raw_body(request: Request, limit: int) -> bytes:
    """The bytes as they came: a signature is over these.

    A chunked body has no length, and Django takes it for an empty one. The server in front ends it for us.
    """
    environ = request.META
    if environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        stream: Any = environ["wsgi.input"]
    else:
        stream = request.stream
    return bytes(stream.read(limit)) if stream else b""


class HookView(APIView):
    """One call's own address, or with `account_wide` a whole account's."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AnyAccept
    account_wide: ClassVar[bool] = False

    def get(self, request: Request, **kwargs: str) -> HttpResponse:
        """Providers look whether the address exists; it tells them nothing."""
        return HttpResponse(status=200)

    def post(self, request: Request, token: str, provider: str = "callingbox") -> Response:
        body = raw_body(request, status_callbacks.MAX_BODY + 1)
        if len(body) > status_callbacks.MAX_BODY:
            raise TooLarge()
        headers = {name.lower(): value for name, value in request.headers.items()}
        status = 404
        if TOKEN.fullmatch(token):
            status = status_callbacks.receive(provider, token, headers, body, account_wide=self.account_wide)
        if status == 200:
            return Response({})
        return Response(shape("Invalid signature" if status == 401 else "Not found"), status=status)

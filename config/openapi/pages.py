"""The document and a page to read and try it. Open to everybody: they say how the API works, and hold no data."""

from __future__ import annotations

from functools import cache
from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tenants.api.views import AnyAccept

POLICY = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "connect-src": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
}


@cache
def document() -> bytes:
    """The same for everybody, so it is made once in each process."""
    made: bytes = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    return made


class Public(APIView):
    """No key, no session, any `Accept`."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AnyAccept
    schema: Any = None  # told of in `document`, once for all


class SchemaView(Public):
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


class DocsView(Public):
    @method_decorator(csp(POLICY))
    def get(self, request: Request) -> HttpResponse:
        return render(request, "trunkline/api_docs.html", {"title": settings.SPECTACULAR_SETTINGS["TITLE"]})

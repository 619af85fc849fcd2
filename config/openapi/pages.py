"""The document, and a page to read and try it. Both are public: they describe the API and contain no data."""

from __future__ import annotations

from functools import cache
from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
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
    """Return the document as JSON. It is the same for all callers, so each process builds it once."""
    from drf_spectacular.generators import SchemaGenerator  # not above: it loads a test runner, for this page alone
    from drf_spectacular.renderers import OpenApiJsonRenderer

    made: bytes = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    return made


class Public(APIView):
    """A view without authentication, for any `Accept` header."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AnyAccept
    schema: Any = None  # `document.OPERATIONS` describes these views


class SchemaView(Public):
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


class DocsView(Public):
    @method_decorator(csp(POLICY))
    def get(self, request: Request) -> HttpResponse:
        return render(request, "trunkline/api_docs.html", {"title": settings.SPECTACULAR_SETTINGS["TITLE"]})

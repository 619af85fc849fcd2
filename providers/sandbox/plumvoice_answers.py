"""Response formats of the fake Plum Voice Fuse: JSON or XML for requests, four encodings for callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from aiohttp import web

from providers.sandbox.callbacks import Parcel
from providers.sandbox.telling import Telling
from providers.sandbox.voice import answer_json

ENCODINGS = ("json", "wrapped", "xml", "form")


def answer(
    request: web.Request, body: dict[str, Any], status: int = 200, *, xml: bool = False, telling: Telling | None = None
) -> web.Response:
    """Return JSON in the manners of `telling`, or XML if the client asks for it or `xml` is true."""
    if xml or "application/xml" in request.headers.get("Accept", ""):
        return web.Response(status=status, body=_document(body), content_type="application/xml")
    return answer_json(body, status, telling)


def _document(body: Mapping[str, Any]) -> bytes:
    return f'<?xml version="1.0"?><result>{_xml(body)}</result>'.encode()


def _xml(value: Any) -> str:
    """Return XML in which a list is repeated `<item>` elements and every leaf is text."""
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_xml(inner)}</item>" for inner in value)
    return "" if value is None else escape(str(value))


def encoded(form: str, details: dict[str, Any], telling: Telling | None = None) -> Parcel:
    if form == "xml":
        return {"Content-Type": "application/xml"}, _document({"call_details": details})
    if form == "form":
        flat = {name: _flat(value) for name, value in details.items()}
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(flat).encode()
    body = {"call_details": details} if form == "wrapped" else details
    if telling is not None:
        return telling.encode(body)
    return {"Content-Type": "application/json"}, json.dumps(body).encode()


def _flat(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)

"""Encode a provider's request for the wire: its address, its headers and its body, all in memory.

Nothing is sent yet, so every failure is Misconfigured (our address or key) or Rejected (this call's data).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from providers.adapters.base import Request
from providers.adapters.errors import Misconfigured, Rejected

USER_AGENT = "Trunkline"

_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_HOST = re.compile(rb"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|([A-Za-z0-9_-]{1,63}(\.|$))+")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request that can be sent. Its headers include those of its body, but neither Host nor Content-Length."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def encode(request: Request) -> Encoded:
    """Encode a request. Raise Misconfigured or Rejected if it cannot be sent."""
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **request.headers}
    if not all(_HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise Misconfigured("The account's key is empty or contains characters that cannot be sent; enter it again.")
    try:
        url = _address(request.url)
        url = url.copy_merge_params(request.query) if request.query else url
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host) or (url.port or 0) > 65535:
        raise Misconfigured("The account's address is not a web address; enter it again.")
    try:
        kind, body = _body(request)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise Rejected("The call's data cannot be encoded for the provider.") from None
    if kind:
        headers["content-type"] = kind
    return Encoded(request.method, url, headers, body)


@lru_cache(256)  # an account's placings have one address; reads have one each, and push each other out
def _address(url: str) -> httpx.URL:
    return httpx.URL(url)


def _body(request: Request) -> tuple[str, bytes]:
    """Return the body and its content type, both empty if the request has none."""
    if request.form is not None:
        fields = {name: (None, value) for name, value in request.form.items()}
        form = httpx.Request(request.method, "http://localhost", files=fields)  # of which only the body is used
        return form.headers["content-type"], form.read()
    if request.json is not None:
        return "application/json", _JSON.encode(request.json).encode()
    return "", b""

"""Encode a provider's request for the wire: its address, its headers and its body, all in memory.

Nothing is sent yet, so every failure is Misconfigured (our address or key) or Rejected (this call's data).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import httpx

from providers.adapters.base import Request
from providers.adapters.errors import Misconfigured, Rejected
from tenants.egress import USER_AGENT

_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_HOST = re.compile(rb"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|([A-Za-z0-9_-]{1,63}(\.|$))+")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# An origin, and a path that httpx would leave as it is: nothing to quote, no "." to resolve, no empty segment.
_PLAIN = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]{1,300})((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,300}){1,20})")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes, as it is sent. `netloc`: the host, and the port if it is not the scheme's own."""

    text: str
    scheme: str
    host: str
    port: int | None
    netloc: str
    target: bytes  # path and query


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request that can be sent. Its headers include those of its body, but neither Host nor Content-Length."""

    method: str
    address: Address
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def encode(request: Request) -> Encoded:
    """Encode a request. Raise Misconfigured or Rejected if it cannot be sent."""
    if request.json is None and request.form is None:  # a read: all of an account have the same headers
        known = _headers(tuple(request.headers.items()))
        return Encoded(request.method, _address(request), known, b"")
    headers = _checked(request.headers)
    address = _address(request)
    try:
        kind, body = _body(request)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise Rejected("The call's data cannot be encoded for the provider.") from None
    headers["content-type"] = kind
    return Encoded(request.method, address, headers, body)


@lru_cache(256)
def _headers(given: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return MappingProxyType(_checked(dict(given)))


def _checked(given: Mapping[str, str]) -> dict[str, str]:
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **given}
    if not all(_HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise Misconfigured("The account's key is empty or contains characters that cannot be sent; enter it again.")
    return headers


def _address(request: Request) -> Address:
    """Return the address of a request. Each read has one of its own, so only its origin is parsed, and that once."""
    plain = None if request.query else _PLAIN.fullmatch(request.url)
    if plain is None:
        return _parsed(request.url, request.query)
    origin, path = _origin(plain[1]), plain[2]
    text = f"{origin.scheme}://{origin.netloc}{path}"
    return Address(text, origin.scheme, origin.host, origin.port, origin.netloc, path.encode())


@lru_cache(256)
def _origin(url: str) -> Address:
    return _parsed(url)


def _parsed(address: str, query: Mapping[str, str] | None = None) -> Address:
    try:
        url = httpx.URL(address)
        url = url.copy_merge_params(query) if query else url
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    odd = url.userinfo or not _HOST.fullmatch(url.raw_host) or (url.port or 0) > 65535
    if url.scheme not in ("http", "https") or odd:
        raise Misconfigured("The account's address is not a web address; enter it again.")
    host, netloc = url.raw_host.decode("ascii"), url.netloc.decode("ascii")
    return Address(str(url), url.scheme, host, url.port, netloc, url.raw_path)


def _body(request: Request) -> tuple[str, bytes]:
    """Return the body of a request that has one, and its content type."""
    if request.form is not None:
        fields = {name: (None, value) for name, value in request.form.items()}
        form = httpx.Request(request.method, "http://localhost", files=fields)  # of which only the body is used
        return form.headers["content-type"], form.read()
    return "application/json", _JSON.encode(request.json).encode()

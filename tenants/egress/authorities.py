"""Whose certificates are believed: the public authorities that certifi lists, and those of a file of the operator's."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process's only context: creating one takes 20 ms."""
    context = httpx.create_ssl_context(trust_env=False)
    believe_extra(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


def believe_extra(context: ssl.SSLContext) -> None:
    """Let a context believe the operator's own authorities too."""
    if file := _source():
        context.load_verify_locations(cadata=pem_of(file))


def pem_of(file: str) -> str:
    """Return the certificates of a file without what editors and people write around them, also not in ASCII."""
    return Path(file).read_bytes().decode("ascii", "ignore")


def read_from(source: Callable[[], str]) -> None:
    """Take the path of the operator's file from `source` from now on; an empty one: there is none."""
    global _source
    _source = source


_source: Callable[[], str] = str

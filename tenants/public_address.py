"""Whole addresses of this installation, for answers that lead back to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port


def absolute(request: Any, path: str) -> str:
    """Return the address of a path at the host that was asked.

    For the host of PUBLIC_BASE_URL it begins with that: a proxy may leave out the port of the public address.
    """
    public: str = settings.PUBLIC_BASE_URL
    host, _ = split_domain_port(request.get_host())
    known = bool(public) and host == split_domain_port(urlsplit(public).netloc)[0]
    return public + path if known else str(request.build_absolute_uri(path))

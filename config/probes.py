"""Requests of probes: they name the address of a pod or machine as `Host`, which is none of ALLOWED_HOSTS."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class CheckHost(CommonMiddleware):
    """Refuse other hosts, except for the answers in which the host plays no part.

    They name nobody, and what strangers must not read in them is decided by the address of the connection.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in PROBES else super().process_request(request)

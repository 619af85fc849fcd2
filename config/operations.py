"""Endpoints for operators: liveness, readiness, metrics."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from calls.reports import metrics as figures
from config.readiness import latest
from tenants.api.errors import shape
from tenants.client_address import address_in, forwarded
from tenants.db.outages import words_of
from tenants.findings import Finding, Severity

logger = logging.getLogger(__name__)

ANSWERS = Counter("trunkline_http_responses", "Responses of this web server, by class of status.", ["status"])


class CountAnswers:
    """Middleware that counts the responses of each class (2xx, 4xx, …)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        ANSWERS.labels(f"{response.status_code // 100}xx").inc()
        return response


def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 while the process is alive. It does not use the database."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Return 200 when calls can be placed and polled and pages be shown, else 503.

    Each part says what is wrong, to operators alone: the sentences name folders, hosts and settings.
    """
    found = latest.found()
    ready = all(finding.severity is not Severity.FAULT for finding in found.values())
    part = _told if _is_operators(request) else _judged
    parts = {name: part(finding) for name, finding in found.items()}
    return JsonResponse({"ok": ready, **parts}, status=200 if ready else 503)


def _judged(finding: Finding) -> dict[str, Any]:
    return {"ok": finding.severity is not Severity.FAULT}


def _told(finding: Finding) -> dict[str, Any]:
    """Return a part with its sentence. A warning has one although the part is all right."""
    return {**_judged(finding), "message": "" if finding.severity is Severity.FINE else finding.message}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return metrics as Prometheus text, computed on request. They name no organization and no phone number.

    Without the database they are those of this process.
    """
    if not _is_operators(request):
        return JsonResponse(shape("This address may not read metrics. See METRICS_ALLOW."), status=403)
    registry = CollectorRegistry()
    registry.register(_Found(_of_database()))
    ProcessCollector(registry=registry)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # the directory where several web processes add up their counts
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(ANSWERS)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _of_database() -> Sequence[Metric]:
    """Return the figures that the database has, or only that it does not answer."""
    try:
        found = list(figures.Figures().collect())
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Metrics without the database: it failed (%s)", words_of(error))
        found = []
    return [GaugeMetricFamily("trunkline_database_up", "1 while the database answers.", value=bool(found)), *found]


class _Found(Collector):
    """Metrics that were read before."""

    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._found


def _is_operators(request: HttpRequest) -> bool:
    """Return whether the connection comes from METRICS_ALLOW. Through a proxy, everyone may come from there."""
    address = address_in(request.META.get("REMOTE_ADDR", ""))
    if address is None or forwarded(request):
        return False
    return any(address in network for network in settings.METRICS_ALLOW)

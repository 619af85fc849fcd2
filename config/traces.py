"""Traces for an OpenTelemetry collector, by OTLP over HTTP: requests, and the way of each call.

The exporter opens these connections, and not `tenants/egress/`: it leads to the one server that the operator has named.
The trace of a call has the call's Trunkline ID, and that of a request its request ID, as log lines have it.
"""

from __future__ import annotations

import atexit
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from secrets import randbits

import requests
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from config import authorities
from tenants import telemetry
from tenants.middleware import current_request_id

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
WITHIN = 5.0  # seconds for one request to the collector


class Collector:
    """Sends spans from a thread of its own, in batches. What the collector does not take is dropped."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        self._endpoint, self._headers = f"{endpoint.rstrip('/')}/v1/traces", headers

    @cached_property
    def _processor(self) -> BatchSpanProcessor:
        """Made with the first span: a process that forks has none, and may have no thread."""
        session = requests.Session()
        session.trust_env = False  # no proxies of the environment: as for every connection of ours
        exporter = OTLPSpanExporter(
            self._endpoint, authorities.bundle(), headers=dict(self._headers), timeout=WITHIN, session=session
        )
        return BatchSpanProcessor(exporter)

    @cached_property
    def _resource(self) -> Resource:
        return Resource({"service.name": "trunkline"})

    def take(self, span: telemetry.Span) -> None:
        self._processor.on_end(
            ReadableSpan(
                span.name,
                SpanContext(span.trace.int, randbits(64) or 1, is_remote=False, trace_flags=SAMPLED),
                resource=self._resource,
                attributes={f"trunkline.{name}": value for name, value in span.attributes.items()},
                kind=SpanKind.SERVER if "route" in span.attributes else SpanKind.INTERNAL,
                status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
                start_time=span.began,
                end_time=span.ended,
            )
        )

    def flush(self) -> None:
        if "_processor" in self.__dict__:
            self._processor.force_flush(int(WITHIN * 1000))

    def close(self) -> None:
        if "_processor" in self.__dict__:
            self._processor.shutdown()  # type: ignore[no-untyped-call]


def begin() -> None:
    """Send spans to the collector of the settings, from this process and those that are forked from it."""
    collector = Collector(settings.TRACES_TO, settings.TRACES_HEADERS)
    telemetry.send_to(collector.take, collector.flush)
    atexit.register(collector.close)


class TraceRequests:
    """Middleware that reports each request by its route. An address may have a name or a number in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = telemetry.now()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.route if match else "none"
        method = request.method if request.method in METHODS else "OTHER"
        telemetry.ended(
            f"{method} {route}",
            _trace_of_request(),
            began,
            failed=response.status_code >= 500,
            route=route,
            status=response.status_code,
        )
        return response


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _trace_of_request() -> uuid.UUID:
    try:
        return uuid.UUID(hex=current_request_id())
    except ValueError:  # a caller may send an ID of another form
        return uuid.uuid4()

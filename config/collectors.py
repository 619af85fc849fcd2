"""The settings of who collects errors and traces: a part of the table in `config/environment.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from config import setting_types as types
from config.named_servers import unfit
from config.setting_types import Type, Wrong, setting
from tenants.egress.addresses import names_loopback
from tenants.egress.policy import PORTS, Policy

DSN_SHAPE = "must be the address that Sentry names, such as https://key@sentry.example.org/7."
COLLECTOR_SHAPE = "must be the address of a collector, such as https://otel.example.org:4318, without user and query."


def _dsn(text: str) -> str:
    try:
        parts, _ = types.split(text)
    except ValueError as error:
        raise Wrong(DSN_SHAPE) from error
    project = parts.path.rpartition("/")[2]
    fits = parts.scheme in PORTS and parts.hostname and parts.username and project.isdigit()
    if not fits or parts.password or parts.query or parts.fragment:
        raise Wrong(DSN_SHAPE)
    return text


def _collector(text: str) -> str:
    try:
        parts, _ = types.split(text)
    except ValueError as error:
        raise Wrong(COLLECTOR_SHAPE) from error
    if parts.scheme not in PORTS or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise Wrong(COLLECTOR_SHAPE)
    if parts.path.rstrip("/").endswith("/v1/traces"):
        raise Wrong("must be the address before /v1/traces.")
    return text.rstrip("/")


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in types.listed(text)]
    found = {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
    if not all(name and value for name, value in found.items()) or len(found) != len(pairs):
        raise Wrong("must be names of headers with their values, such as api-key=secret, with commas between them.")
    if any(not name.replace("-", "").isalnum() or not name.isascii() for name in found):
        raise Wrong("must have names of headers of letters, digits and -.")
    return tuple(found.items())


DSN = Type("an https address", _dsn)
COLLECTOR = Type("an https address", _collector)
HEADERS = Type("headers with values, comma-separated", _headers, empty=())


@dataclass(frozen=True, repr=False)
class Collectors:
    """Who learns of errors and of the time that work takes. What is sent to them: docs/deploying.md."""

    sentry_dsn: str = setting(
        DSN,
        "",
        "where Sentry takes errors ([what it gets](deploying.md#errors-and-traces))",
        secret=True,
        otherwise="none: errors are in the log alone",
    )
    otel_exporter_otlp_endpoint: str = setting(
        COLLECTOR,
        "",
        "the OpenTelemetry collector that takes traces by OTLP over HTTP, like `http://127.0.0.1:4318` "
        "([what it gets](deploying.md#errors-and-traces))",
        otherwise="none: nothing is traced",
    )
    otel_exporter_otlp_headers: tuple[tuple[str, str], ...] = setting(
        HEADERS, "", "headers for the collector, such as `api-key=…`", secret=True
    )


def contradictions(found: Collectors, policy: Policy) -> Iterator[str]:
    """Yield what is wrong with settings that are each well written."""
    if found.sentry_dsn:
        yield from unfit("SENTRY_DSN", *_place(found.sentry_dsn), policy)
    if found.otel_exporter_otlp_endpoint:
        place = _place(found.otel_exporter_otlp_endpoint)
        if not names_loopback(place[1]):  # a collector on this machine passes traces on
            yield from unfit("OTEL_EXPORTER_OTLP_ENDPOINT", *place, policy)
    elif found.otel_exporter_otlp_headers:
        yield "OTEL_EXPORTER_OTLP_HEADERS needs OTEL_EXPORTER_OTLP_ENDPOINT: the collector that takes them."


def _place(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme]

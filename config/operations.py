"""Endpoints for operators: liveness, readiness, metrics."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from calls.deadlines import CLUSTER_TIMING
from calls.journal import standing
from calls.reports import metrics as figures
from tenants.api.errors import shape
from tenants.client_address import address_in, forwarded
from tenants.db.outages import words_of
from tenants.db.postgresql.refusal import PoolerFound

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
    """Return 200 when calls can be placed and polled, else 503. Each part says what is wrong."""
    database = _part(_database)
    # A database that does not answer is asked once: each further question would wait as long as the first.
    parts = {"database": database} | {name: _part(ask) if database["ok"] else database for name, ask in ASKED.items()}
    parts["storage"] = _part(_storage)
    parts["dial_journal"] = _part(standing.wrong) if database["ok"] else database
    ready = all(part["ok"] for part in parts.values())
    return JsonResponse({"ok": ready, **parts}, status=200 if ready else 503)


def _part(check: Callable[[], str]) -> dict[str, Any]:
    """Run a check, which returns what is wrong in a sentence, or an empty string."""
    try:
        wrong = check()
    except PoolerFound as error:
        wrong = str(error)
    except (DatabaseError, InterfaceError):
        wrong = "The database does not answer."
    return {"ok": not wrong, "message": wrong}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return f"{missing} migrations are not applied. Run manage.py migrate." if missing else ""


def _worker() -> str:
    age = figures.newest_beat_age()
    if age is None:
        return "No worker has started. Run manage.py worker."
    if age > CLUSTER_TIMING.watcher:
        return f"The last heartbeat of a worker was {age:.0f} seconds ago. Check that manage.py worker runs."
    return ""


def _storage() -> str:
    """Write a small file where uploads go. Storage on other machines is not asked: a probe must be cheap."""
    if not isinstance(default_storage, FileSystemStorage):
        return ""
    folder = Path(default_storage.location)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".ready-") as file:
            file.write(b" " * 4096)
            file.flush()
    except OSError as error:
        return f"Files cannot be stored in {folder}: {error.strerror}. Free or mount the disk."
    return ""


ASKED = {"migrations": _migrations, "worker": _worker}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return metrics as Prometheus text, computed on request. They name no organization and no phone number.

    Without the database they are those of this process.
    """
    if not _may_read_metrics(request):
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


def _may_read_metrics(request: HttpRequest) -> bool:
    address = address_in(request.META.get("REMOTE_ADDR", ""))
    if address is None or forwarded(request):
        return False
    return any(address in network for network in settings.METRICS_ALLOW)

"""Measure what requests of the API cost, beside a request that does nothing, on PostgreSQL.

python -m benchmarks.api [--requests 40] [--rounds 5]

One request at a time over HTTP, to one process of the web server. The routes take turns; only the ratios to /healthz
mean something. To compare two revisions, run it in each of their trees.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.shared import database
from tests.postgresql import free_port, throwaway_server

ROOT = Path(__file__).resolve().parents[1]
CALLS = 2000


@dataclass(frozen=True)
class Route:
    name: str
    goal: int  # the most times of /healthz
    method: str
    path: str
    body: Callable[[int], dict[str, Any]] | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", allow_abbrev=False)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with throwaway_server() as url:
        os.environ |= database.environment(url)  # without DEBUG, which would store and log each query
        os.environ |= {"API_RATE": "100000", "API_BURST": "1000000"}
        key, routes = _world()
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--workers", "1", "--threads", "2"]
        command += ["--worker-class", "gthread", "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
        server = subprocess.Popen(command, cwd=ROOT)  # noqa: S603
        try:
            _measure(port, key, routes, options)
        finally:
            server.terminate()
            server.wait()
    return 0


def _world() -> tuple[str, list[Route]]:
    """Fill the database. Return a key and what is asked with it."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections
    from django.utils import timezone

    from calls.models import Call
    from campaigns.models import Contact
    from providers.models import Assistant, PhoneNumber, ProviderAccount
    from tenants.models import ApiKey, Organization, Tenant

    call_command("migrate", verbosity=0)
    tenant = Tenant.objects.create(name="B")
    home = Organization.objects.create(tenant=tenant, name="B", allowed_countries=["US"])
    account = ProviderAccount.objects.create(
        organization=home, provider="allomia", name="A", base_url="https://example.org"
    )
    assistant = Assistant.objects.create(organization=home, account=account, name="A", external_id="a")
    number = PhoneNumber.objects.create(organization=home, account=account, e164="+12125550100", external_id="n")
    _, key = ApiKey.issue(tenant=tenant, organization=home, name="B", scopes=["manage"])
    now = timezone.now()
    people = [Contact(organization=home, phone=f"+1212{2_000_000 + place}", name="Ada") for place in range(CALLS)]
    Call.objects.bulk_create(
        Call(
            organization=home, contact=contact, account=account, assistant=assistant, phone_number=number,
            to_number=contact.phone, from_number=number.e164, status="completed", dialed_at=now, placed_at=now,
            started_at=now, ended_at=now, terminal_at=now, duration_seconds=4, provider_call_id=f"c{contact.pk}",
        )
        for contact in Contact.objects.bulk_create(people)
    )  # fmt: skip
    with connections["default"].cursor() as cursor:
        cursor.execute("ANALYZE")
    connections.close_all()
    ids = {"assistantId": str(assistant.uuid), "phoneNumberId": str(number.uuid)}
    return key, [
        Route("healthz", 1, "GET", "/healthz"),
        Route("an assistant", 3, "GET", f"/api/v1/assistants/{assistant.uuid}/"),
        Route("a new contact", 5, "POST", "/api/v1/contacts/", lambda n: {"phone": f"+1415{3_000_000 + n}"}),
        Route("an order", 8, "POST", "/api/outbound", lambda n: {"phoneNumber": f"+1415{2_000_000 + n}", **ids}),
        Route("50 calls", 10, "GET", "/api/v1/calls/?limit=50"),
    ]


def _measure(port: int, key: str, routes: list[Route], options: argparse.Namespace) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(600):
        try:
            connection.connect()
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    numbers = itertools.count()
    taken: dict[str, list[float]] = {route.name: [] for route in routes}
    for round_ in range(options.rounds + 1):
        for route in routes:
            began = time.perf_counter()
            for _ in range(options.requests):
                _ask(connection, key, route, next(numbers))
            if round_:  # the first one only warms the server
                taken[route.name].append((time.perf_counter() - began) / options.requests)
    bare = statistics.median(taken["healthz"])
    for route in routes:
        middle = statistics.median(taken[route.name])
        sys.stdout.write(f"{route.name:14} {middle * 1000:7.2f} ms  {middle / bare:5.1f} x  (goal {route.goal} x)\n")


def _ask(connection: http.client.HTTPConnection, key: str, route: Route, number: int) -> None:
    body = json.dumps(route.body(number)) if route.body else None
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(route.method, route.path, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status not in (200, 201):
        raise SystemExit(f"{route.name}: {answer.status} {said[:200]!r}")


if __name__ == "__main__":
    sys.exit(main())

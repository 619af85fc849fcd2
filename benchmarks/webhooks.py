"""Measure how much one dead receiver delays the other 49, with a full outbox and the engine itself.

python -m benchmarks.webhooks [--deliveries 100000] [--endpoints 50] [--rounds 1]

Each endpoint has its own loopback address. Another process serves all of them over real sockets. The dead endpoint
accepts connections but never responds. Each round runs twice, without and with the dead endpoint, in alternating order,
so that the machine's noise affects both. Delivery times count from the start of the engine.

The benchmark runs on its own PostgreSQL server, or in a test database beside the one of DATABASE_URL, and drops it at
the end.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import django

from tests.postgresql import throwaway_server

DEAD = "127.0.0.1"
AT_ONCE = 5_000


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    os.environ |= {"DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with ExitStack() as stack:
        port = stack.enter_context(receivers(given.endpoints))
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = stack.enter_context(throwaway_server())
        django.setup()
        from django.db import connection

        old = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            found = compare(given, port)
        finally:
            connection.creation.destroy_test_db(old, verbosity=0)
    say(f"median of the ratios       {statistics.median(found):8.3f} (good: at most 1.2)")
    return 0


def compare(given: argparse.Namespace, port: int) -> list[float]:
    each = given.deliveries // given.endpoints
    say(f"{given.deliveries:,} deliveries, {given.endpoints} endpoints, {each:,} for each")
    ratios: list[float] = []
    best = {False: math.inf, True: math.inf}
    for number in range(given.rounds):
        p95 = {}
        for dead in (False, True) if number % 2 == 0 else (True, False):
            p95[dead], seconds = one_run(given.endpoints, each, port, dead=dead)
            rate = each * (given.endpoints - 1) / seconds
            words = "one dead" if dead else "none dead"
            say(f"round {number + 1}, {words:9}         p95 {p95[dead]:8.2f} s, {rate:6.0f} deliveries/s")
        best = {dead: min(best[dead], p95[dead]) for dead in p95}
        ratios.append(p95[True] / p95[False])
        say(f"round {number + 1}, ratio             {ratios[-1]:8.3f}")
    say(f"ratio of the best runs     {best[True] / best[False]:8.3f}")
    return ratios


def one_run(endpoints: int, each: int, port: int, *, dead: bool) -> tuple[float, float]:
    """Return the seconds until 95 % and 100 % of the live endpoints' deliveries had arrived."""
    from calls.engine.service import Engine
    from calls.models import Heartbeat, WebhookDelivery
    from calls.webhooks import outbox
    from tenants.models import Organization, Tenant, WebhookEndpoint

    home = Organization.objects.create(tenant=Tenant.objects.create(name="B"), name="B")
    body = outbox.body_of("call.ended", {"id": "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e", "status": "completed"})
    made = [
        WebhookEndpoint.objects.create(organization=home, url=f"http://{address(number)}:{port}/hook")
        for number in range(endpoints)
        if dead or address(number) != DEAD
    ]
    # Alternate between the endpoints, as real deliveries do.
    rows = [outbox.delivery_to(endpoint, "call.ended", body) for _ in range(each) for endpoint in made]
    WebhookDelivery.objects.bulk_create(rows, batch_size=AT_ONCE)
    analyse()
    living = each * (endpoints - 1)
    Heartbeat.objects.create(worker="bench", slot=0, run="starting")
    engine = Engine("bench", 0)
    thread = threading.Thread(target=engine.run)
    began = now()
    thread.start()
    delivered = WebhookDelivery.objects.filter(status="delivered")
    while delivered.count() < living:
        time.sleep(0.5)
    engine.stop()
    thread.join(60)
    Heartbeat.objects.filter(worker="bench").delete()
    moments = sorted((at - began).total_seconds() for at in delivered.values_list("delivered_at", flat=True))
    home.webhook_deliveries.all().delete()
    WebhookEndpoint.objects.all().delete()
    return moments[int(len(moments) * 0.95) - 1], moments[-1]


def address(number: int) -> str:
    return f"127.0.0.{number + 1}"


def now() -> Any:
    from django.utils import timezone

    return timezone.now()


def analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def receivers(endpoints: int) -> Iterator[int]:
    """Run all receivers in another process. Yield their port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(endpoints, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(10)


def _serve(endpoints: int, pipe: Any) -> None:
    asyncio.run(_listen(endpoints, pipe))


async def _listen(endpoints: int, pipe: Any) -> None:
    servers = []
    port = 0
    for number in range(endpoints):
        host = address(number)
        servers.append(await asyncio.start_server(_silent if host == DEAD else _take, host, port))
        port = servers[0].sockets[0].getsockname()[1]
    pipe.send(port)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

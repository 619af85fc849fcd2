"""B14: seconds until a call ordered over the API is on the wire while 5,000 calls are read (p95), against 1 second."""

from __future__ import annotations

import json
import math
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.figures.b11 import web
from benchmarks.shared import counts, database, provider, worker
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark(
    "B14", "an API call is on the wire while 5,000 calls are read, p95", "one second", 1, 0.5, "seconds", less=True
)
READ = 5_000
ORDERS = 100
EVERY = 0.1  # seconds between two orders
PATIENCE = 30.0


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World, analyse

    url = setting.database()
    from tenants.models import ApiKey

    found = Found()
    orders, read = setting.count or min(ORDERS, setting.size(1_000)), min(READ, setting.size(50_000))
    with provider.running() as server, web(os.environ | database.environment(url), "config.wsgi") as (port, _):
        world = World(server.address(provider.WATCHED))
        _, key = ApiKey.issue(tenant=world.home.tenant, organization=world.home, name="b", scopes=["call", "read"])
        turns = iter(range(setting.rounds))
        campaign = world.campaigns[0]
        who_calls = {
            "assistantId": str(campaign.assistant.uuid),
            "phoneNumberId": str(campaign.phone_numbers.get().uuid),
        }

        def order(phone: str) -> None:
            post(port, key, "/api/outbound", {"phoneNumber": phone} | who_calls)

        def ours() -> float:
            before = world.open_calls(read, provider.CALLING, age="1 second")
            analyse()
            with worker.running(url):
                progress = counts.read(before)
                while progress() == 0:
                    time.sleep(worker.LOOK)
                p95 = on_the_wire(order, server, orders, next(turns))
            found.notes["reads while ordering"] = progress()
            world.clear()
            return p95

        return alternate(setting.rounds, ours, lambda: 1.0, found)


def on_the_wire(
    send: Callable[[str], None], server: provider.Provider, count: int, turn: int, every: float = EVERY
) -> float:
    """Send orders, each for another number. Return the seconds within which 95 % of them were on the wire."""
    sent: dict[str, float] = {}
    for number in range(count):
        phone = f"+1646{3_000_000 + turn * 10_000 + number}"
        send(phone)
        sent[phone] = time.time()
        time.sleep(every)
    deadline = time.monotonic() + PATIENCE
    arrived: dict[str, float] = {}
    while len(arrived) < count and time.monotonic() < deadline:
        time.sleep(worker.LOOK)
        with urllib.request.urlopen(f"{server.url}/arrivals") as answer:  # noqa: S310
            arrived = {phone: at for phone, at in json.load(answer).items() if phone in sent}
    waits = sorted(arrived.get(phone, math.inf) - at for phone, at in sent.items())
    return min(waits[math.ceil(0.95 * count) - 1], PATIENCE)


def post(port: int, key: str, path: str, body: Mapping[str, Any]) -> None:
    """Send a body to the API. An answer that is no success is an error."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status in (200, 201, 202), answer.status  # noqa: S101


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

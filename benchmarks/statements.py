"""Show the statements of the hot paths and how PostgreSQL runs them.

python -m benchmarks.statements [--scale 0.1] [--calls 50]

Each path handles the same calls: enqueue, claim, record the answers to the placing, claim and parse reads, store what
they tell (a change, then nothing new, then the end). First the processor time of this process for each path, then its
statements, and for each different one its plan (EXPLAIN): which index it uses, or which table it reads whole.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks import growth
from benchmarks.shared import database, provider
from benchmarks.shared.figure import Setting, say

NODE = re.compile(r"(Index Only Scan|Index Scan|Bitmap Index Scan|Seq Scan)(?: using (\S+))? on (\S+)")

WARM = 1  # rounds before the one that is timed, which load what the process keeps
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statements")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--calls", type=int, default=50)
    given = parser.parse_args()
    with database.server() as server:
        setting = Setting(given.scale, 1, 0, server, "statements")
        setting.database()
        growth.filled(provider.Provider("https://example.org", 0), setting.size(1_000_000))
        for number in range(WARM + 1):
            for name, work in paths(given.calls).items():
                spent = processor_time(work)
                if number == WARM:
                    say(f"{name:36} {spent * 1_000_000 / given.calls:7.0f} µs of processor a call")
        for name, work in paths(given.calls).items():
            show(name, work, given.calls)
    return 0


def paths(calls: int) -> dict[str, Callable[[], object]]:
    """Return the hot paths in their order. Each works on the calls that the one before it left."""
    from django.utils import timezone

    from calls.dialing import enqueueing, placing
    from calls.following import polling
    from calls.models import Polling
    from campaigns.models import Campaign
    from providers.models import ProviderAccount

    campaign: Any = Campaign.objects.select_related("assistant").order_by("pk")[:1].get()
    account = campaign.assistant.account_id
    claims: list[Any] = []
    reads: list[Any] = []
    answers: list[Any] = []

    def make_due() -> None:
        Polling.objects.filter(account=account).update(next_read_at=timezone.now())

    def placed() -> None:
        placing.record_all([(claim, claim.adapter.read_placing(answer(placing_body(claim.call)))) for claim in claims])
        make_due()

    def claim_reads() -> None:
        reads[:] = polling.claim(calls)

    def parse(kind: str) -> None:
        answers[:] = [(due, *reading(due, kind)) for due in reads]

    def store() -> None:
        polling.record_all(answers)
        make_due()

    ProviderAccount.objects.filter(pk=account).update(place_tokens=9_999)
    return {
        "enqueue": lambda: enqueueing.feed(campaign.pk, calls),
        "claim": lambda: claims.extend(placing.claim(account, calls)),
        "record the answers to the placing": placed,
        "claim first reads": claim_reads,
        "parse first reads": lambda: parse(provider.CALLING),
        "store first reads": store,
        "claim second reads": claim_reads,
        "parse second reads": lambda: parse(provider.CALLING),
        "store second reads, unchanged": store,
        "claim last reads": claim_reads,
        "parse ends": lambda: parse(provider.ENDS),
        "store ends": store,
    }


def answer(body: bytes) -> Any:
    from providers.adapters.base import Answer

    return Answer(200, {"content-type": "application/json"}, body)


def placing_body(call: Any) -> bytes:
    return provider.padded({"outboundCallId": f"{provider.CALLING}-{call.pk}"})


def reading(due: Any, kind: str) -> tuple[Any, bytes]:
    from django.utils import timezone

    handle = due.call.as_handle()
    body = provider.status(handle.provider_call_id, ends=kind == provider.ENDS)
    return due.adapter.read_status(answer(body), handle, timezone.now()), body


def processor_time(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def show(name: str, work: Callable[[], object], calls: int) -> None:
    """Run a path, then print its statements and their plans."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        work()
    texts = [each["sql"] for each in captured if each["sql"].lstrip().startswith(VERBS)]
    say(f"\n{name}: {len(texts)} statements for {calls} calls")
    seen: Counter[tuple[str, str]] = Counter((shape(text), plan(text)) for text in texts)
    for (words, found), times in seen.items():
        say(f"{times:5} x {words}\n        {found}")


def shape(text: str) -> str:
    """Return a statement's verb and table."""
    table = re.search(r'(?:FROM|INTO|UPDATE) "?(\w+)"?', text)
    locked = " … FOR UPDATE" if " FOR " in text else ""
    return f"{text.split()[0]} {table.group(1) if table else '?'}{locked}"


def plan(text: str) -> str:
    """Return how PostgreSQL reads the tables of a statement on a connection of the engine."""
    from django.db import Error, connection, transaction

    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {text}", None)
            lines = "\n".join(row[0] for row in cursor.fetchall())
    except Error as error:
        return f"no plan: {str(error).splitlines()[0]}"
    return ", ".join(f"{kind} {index or table}" for kind, index, table in NODE.findall(lines)) or "no table is read"


if __name__ == "__main__":
    sys.exit(main())

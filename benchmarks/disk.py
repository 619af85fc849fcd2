"""Measure the disk that finished calls, their events, recipients and contacts take, with all their indexes.

python -m benchmarks.disk [--count 50000]

Rows are copies of one row that its model made, as in the other figures.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.growth import ENDED
from benchmarks.shared import database
from benchmarks.shared.figure import Setting, say

TABLES = ("campaigns_contact", "campaigns_recipient", "calls_call", "calls_callevent")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk")
    parser.add_argument("--count", type=int, default=50_000)
    count = parser.parse_args().count
    with database.server() as server:
        Setting(1.0, 1, 0.0, server, "disk").database("")
        for table, size in measured(count):
            say(f"{table:22} {size:8,.0f} bytes a row")
    return 0


def measured(count: int) -> list[tuple[str, float]]:
    from benchmarks.shared.rows import World, copy
    from calls.models import Call, CallEvent

    empty = [size_of(table) for table in TABLES]
    World("http://127.0.0.1:9").calls(count, **ENDED)
    call = Call.objects.order_by("pk")[0]
    evidence = bytes(range(256)) + bytes(154)  # as large as the fast provider's answer, and hardly compressed
    event = CallEvent.objects.create(
        call=call,
        source="read",
        type="status",
        from_status="ringing",
        to_status="completed",
        raw=evidence,
        raw_size=410,
    )
    copy(event, count, {"call_id": f"{call.pk} + g - 1"})
    return [(table, (size_of(table) - before) / count) for table, before in zip(TABLES, empty, strict=True)]


def size_of(table: str) -> int:
    from benchmarks.shared.counts import rows

    return rows("SELECT pg_total_relation_size(%s::regclass)", table)()


if __name__ == "__main__":
    sys.exit(main())

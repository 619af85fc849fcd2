"""Compare the import of a file of contacts in two revisions, alternately within one run.

python -m benchmarks.imports BEFORE [AFTER] [--rows 20000] [--rounds 5]

Each revision is exported to a directory of its own and runs in a process of its own, with a database of its own on one
PostgreSQL server. Both import the same files in turns: new contacts, the same file again, and the same contacts with
another name. Only the ratio of the times means something. AFTER is the working tree unless it is named.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import revisions
from tests.postgresql import throwaway_server

KINDS = {"new": "new contacts", "again": "the same file again", "changed": "every name is another one"}


def main() -> int:
    options = revisions.arguments("benchmarks.imports", "--rows", 20_000, rounds=5)
    with throwaway_server() as url:
        with psycopg.connect(url, autocommit=True) as server:
            for which in ("before", "after"):
                server.execute(f"CREATE DATABASE {which}")

        def database(which: str, directory: Path) -> str:
            return f"{url.rpartition('/')[0]}/{which}"

        with revisions.workers(options.before, options.after, __file__, options.size, database) as workers:
            compare(workers, options.rounds)
    return 0


def compare(workers: list[revisions.Worker], rounds: int) -> None:
    ratios: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for kind in KINDS:
            order = workers if number % 2 else workers[::-1]
            costs = {worker: worker.ask(kind) for worker in order}
            for clock in ("wall", "processor"):
                ratio = costs[workers[1]][clock] / costs[workers[0]][clock]
                ratios.setdefault((kind, clock), []).append(ratio)
    for (kind, clock), found in ratios.items():
        said = f"ratio {statistics.median(found):.3f} (from {min(found):.2f} to {max(found):.2f}, {rounds} rounds)"
        say(f"{KINDS[kind]:26} {clock:10} {said}")


# In the process of one revision.


def serve(rows: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory(prefix="trunkline-uploads-") as uploads:
        settings.MEDIA_ROOT = uploads
        into = _a_list()
        round_number = 0
        for line in sys.stdin:
            kind = line.strip()
            round_number += kind == "new"
            say(json.dumps(_run(into, _file(rows, round_number, "Other" if kind == "changed" else "Name"))))


def _a_list() -> Any:
    from campaigns.models import ContactList
    from tenants.models import Organization, Tenant

    tenant = Tenant.objects.create(name="B")
    home = Organization.objects.create(tenant=tenant, name="B", default_region="FR", allowed_countries=["FR"])
    return ContactList.objects.create(organization=home, name="B")


def _file(rows: int, round_number: int, name: str) -> bytes:
    lines = ["phone,name,id,city,appointment"]
    first = round_number * rows
    for number in range(first, first + rows):
        lines.append(f"06 {number // 1000:05d}{number % 1000:03d},{name} {number},c-{number},City {number % 99},9:30")
    return "\n".join(lines).encode()


def _run(into: Any, file: bytes) -> dict[str, Any]:
    from campaigns.imports import job, upload

    imp = upload.start_import(into, io.BytesIO(file), "b.csv")
    began, busy = time.perf_counter(), time.process_time()
    while not job.run_step(imp.pk, 600):
        pass
    costs = {"wall": time.perf_counter() - began, "processor": time.process_time() - busy}
    imp.refresh_from_db()
    assert imp.status == "completed" and not imp.rejected, (imp.error, imp.rejected)  # noqa: S101
    return costs


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""B4: import of a file of people (2 % of the numbers wrong), against COPY of the clean rows into the same table."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.shared import apart, people_file, product_import
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B4", "import of a file", "COPY of the clean rows into the same table", 5, 2.5, "seconds", less=True)
MOST_MEMORY = 150  # MB
VARIABLES = (
    "jsonb_build_object('city', 'City ' || g %% 99, 'appointment', 'Monday ' || g %% 12 || ':30',"
    " 'product', 'P-' || g %% 7, 'agent', 'Agent ' || g %% 31)"
)


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    url = setting.database()
    found = Found()
    world = World("https://example.org")
    rows = setting.size(1_000_000)
    peaks: list[float] = []
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as directory:
        file, clean = Path(directory) / "people.csv", Path(directory) / "clean.copy"
        valid = people_file.write(file, rows)
        columns = export(world, valid, clean)

        def ours() -> float:
            done = apart.run(url, product_import.run, file, world.home.pk, valid)
            peaks.append(done.peak)
            world.clear()
            return done.seconds

        def bare() -> float:
            seconds = copy_in(clean, columns)
            world.clear()
            return seconds

        alternate(setting.rounds, ours, bare, found)
    found.notes |= {"rows": rows, "rows/s": rows / min(found.ours)}
    found.notes[f"peak memory in MB (at most {MOST_MEMORY})"] = max(peaks)
    return found


def export(world: Any, count: int, path: Path) -> str:
    """Write that many contacts as COPY reads them. Return their columns."""
    from django.db import connection

    world.clear()
    world.contacts(count, variables=VARIABLES)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(column_name, ', ') FROM information_schema.columns"
            " WHERE table_name = 'campaigns_contact' AND is_generated = 'NEVER'"
        )
        columns = str(cursor.fetchone()[0])
        with path.open("wb") as file, cursor.copy(f"COPY campaigns_contact ({columns}) TO STDOUT") as rows:
            for data in rows:
                file.write(data)
    world.clear()
    return columns


def copy_in(path: Path, columns: str) -> float:
    """Return the seconds of COPY from the file."""
    from django.db import connection

    began = time.perf_counter()
    into = f"COPY campaigns_contact ({columns}) FROM STDIN"
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(into) as rows:
        while data := file.read(1 << 20):
            rows.write(data)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

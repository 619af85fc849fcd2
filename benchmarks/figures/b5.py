"""B5: the rows of a file that are imported in a second, against django-import-export on 20,000 rows."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.naive import running as naive
from benchmarks.shared import apart, people_file, product_import
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B5", "import of a file", "django-import-export with its defaults", 80, 170, "rows/s")


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    url = setting.database()
    world = World("https://example.org")
    library = naive.Project(setting.server, "bench_b5_naive")
    rows = setting.size(400_000)
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as directory:
        big, small = Path(directory) / "big.csv", Path(directory) / "small.csv"
        valid = people_file.write(big, rows)
        people_file.write(small, setting.size(20_000), clean=True)  # one wrong row would undo all of its work

        def ours() -> float:
            done = apart.run(url, product_import.run, big, world.home.pk, valid)
            world.clear()
            return rows / done.seconds

        return alternate(setting.rounds, ours, lambda: library.import_file(small))


if __name__ == "__main__":
    sys.exit(main(MARK, measure))

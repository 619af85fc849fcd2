"""No file makes a process of ours grow, or fail: it becomes rows, or is refused in a sentence."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.hostile_files import Reader, files

MOST_GROWTH = 100  # MB of a web process
MOST_OF_CHILD = 1_024


def check(directory: Path, count: int, seed: int) -> dict[str, Any]:
    """Let a process read that many files. Return what became of them."""
    ends: Counter[str] = Counter()
    with Reader() as reader:
        for name, data in files(5, seed=0):  # what is loaded at the first file of a kind is not the file's
            (directory / name).write_bytes(data)
            before = reader.read(directory / name)["peak"]
        for name, data in files(count, seed):
            path = directory / name
            path.write_bytes(data)
            found = reader.read(path)
            kind = path.suffix[1:]
            assert found["ended"] in ("rows", "refused"), (name, seed, found["ended"])
            assert found["peak"] - before <= MOST_GROWTH, (name, seed, found, before)
            assert found["child"] <= MOST_OF_CHILD, (name, seed, found)
            ends[f"{kind} {found['ended']}"] += 1
            path.unlink()
    return dict(sorted(ends.items())) | {"growth": found["peak"] - before, "child": found["child"]}


def test_hostile_files_become_rows_or_are_refused(tmp_path: Path) -> None:
    found = check(tmp_path, 25, seed=3)
    assert {f"{kind} rows" for kind in ("csv", "xlsx", "xls", "ods", "json")} & found.keys()
    assert {f"{kind} refused" for kind in ("csv", "xlsx", "xls", "ods", "json")} & found.keys()


@pytest.mark.proof
def test_ten_thousand_hostile_files_become_rows_or_are_refused(tmp_path: Path) -> None:
    """FILES and SEED choose others. `pytest -s` prints how many were read, and the memory in MB."""
    found = check(tmp_path, int(os.environ.get("FILES", "10000")), int(os.environ.get("SEED", "1")))
    sys.stdout.write(f"{found}\n")

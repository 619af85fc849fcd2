"""Two revisions of the product in processes of their own, which work in turns: what benchmarks compare.

The benchmarks themselves are those of the working tree: a revision has no say in how it is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def arguments(program: str, size: str, default: int, rounds: int) -> argparse.Namespace:
    """Return the command line's revisions, size and rounds. `size`: the name of its option, like "--people"."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", allow_abbrev=False)
    parser.add_argument("before", help="a revision of Git")
    parser.add_argument("after", nargs="?", help="a revision of Git; the working tree if it is not given")
    parser.add_argument(size, dest="size", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser.parse_args()


def sqlite(which: str, directory: Path) -> str:
    """Return the URL of a database for one of the two revisions."""
    return f"sqlite:///{directory / which}.sqlite3"


class Worker:
    """A process of one revision, which runs `serve` of a benchmark's file and answers what it is asked."""

    def __init__(self, tree: Path, database_url: str, script: str, size: int) -> None:
        environment = os.environ | {"PYTHONPATH": str(tree), "DJANGO_SETTINGS_MODULE": "config.settings"}
        environment |= {"DEBUG": "true", "DATABASE_URL": database_url}
        command = [sys.executable, "-c", "import runpy, sys; runpy.run_path(sys.argv[1])['serve'](int(sys.argv[2]))"]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, script, str(size)],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, kind: str) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout  # noqa: S101
        self._process.stdin.write(kind + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


@contextmanager
def workers(
    before: str, after: str | None, script: str, size: int, database_url: Callable[[str, Path], str]
) -> Iterator[list[Worker]]:
    """Start a worker for each revision; `after` is the working tree if it is None. They end with the block.

    `database_url` gets "before" or "after" and a directory that is deleted afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="trunkline-revisions-") as name:
        directory = Path(name)
        trees = [_export(before, directory / "before"), _export(after, directory / "after") if after else ROOT]
        started: list[Worker] = []
        try:
            for tree, which in zip(trees, ("before", "after"), strict=True):
                started.append(Worker(tree, database_url(which, directory), script, size))
            yield started
        finally:
            for worker in started:
                worker.end()


def _export(revision: str, to: Path) -> Path:
    to.mkdir()
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603, S607
    subprocess.run(["tar", "-x"], cwd=to, check=True, input=archive)  # noqa: S607
    shutil.copytree(ROOT / "benchmarks", to / "benchmarks", dirs_exist_ok=True)
    return to

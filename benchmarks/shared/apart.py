"""Work in a process of its own, so that its memory can be measured."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.shared import database


@dataclass(frozen=True)
class Done:
    """What the work returned, its seconds, and the most memory that its process held, in MB."""

    result: Any
    seconds: float
    peak: float


def use(url: str) -> None:
    """Let Django in this process use a database, instead of another if it used one before."""
    import django

    os.environ |= database.environment(url)
    django.setup()
    from django.conf import settings
    from django.db import connection

    assert not settings.DEBUG  # noqa: S101 - with DEBUG, the connection keeps every statement
    logging.disable(logging.WARNING)
    connection.close()
    connection.settings_dict["NAME"] = url.rpartition("/")[2]


def run(url: str, work: Callable[..., Any], *arguments: Any) -> Done:
    """Run `work`, a function of a module, in a new process that uses a database."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(url, work, arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        done = ours.recv()
        assert isinstance(done, Done)  # noqa: S101
        return done
    finally:
        process.join(10)
        process.kill()


def _serve(url: str, work: Callable[..., Any], arguments: tuple[Any, ...], pipe: Any) -> None:
    use(url)
    began = time.perf_counter()
    result = work(*arguments)
    pipe.send(Done(result, time.perf_counter() - began, peak()))


def peak() -> float:
    """Return the most memory that this process has held, in MB. `getrusage` would count the parent's as well."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024

"""Spans of work for a collector of traces. Nothing is measured until `send_to` names one. Knows no collector.

A span has keys, counts and words of this code alone: no names, no numbers, no addresses.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID

logger = logging.getLogger(__name__)
Attributes = dict[str, str | int]


@dataclass(frozen=True)
class Span:
    """Work that is done. Spans of one trace have its `trace`; moments are nanoseconds since 1970."""

    name: str
    trace: UUID
    began: int
    ended: int
    attributes: Attributes
    failed: bool = False


@dataclass
class _Collector:
    take: Callable[[Span], object] | None = None
    flush: Callable[[], object] = field(default=lambda: None)


_collector = _Collector()
_OFF: AbstractContextManager[Attributes] = nullcontext({})
_forking = 0  # the process that must have one thread


def send_to(take: Callable[[Span], object] | None, flush: Callable[[], object] = lambda: None) -> None:
    """Give every span to `take` from now on; None: to nobody. `flush` sends what is left before a process ends."""
    _collector.take, _collector.flush = take, flush


def now() -> int:
    """Return the nanoseconds since 1970, as `ended` takes them."""
    return time.time_ns()


def is_on() -> bool:
    return _collector.take is not None


def ended(name: str, trace: UUID, began: int, *, failed: bool = False, **attributes: str | int) -> None:
    """Report work that ends now. Never raises: a fault of a collector must not cost the answer of a provider."""
    if _collector.take is None:
        return
    try:
        _collector.take(Span(name, trace, began, now(), attributes, failed))
    except Exception:
        logger.exception("A span was not reported", extra={"repeats": True})


def span(name: str, trace: UUID, **attributes: str | int) -> AbstractContextManager[Attributes]:
    """Report the block as a span. What the block adds to the attributes that it gets is reported too."""
    return _measured(name, trace, attributes) if _collector.take is not None else _OFF


@contextmanager
def _measured(name: str, trace: UUID, attributes: Attributes) -> Iterator[Attributes]:
    began, failed = now(), True
    try:
        yield attributes
        failed = False
    finally:
        ended(name, trace, began, failed=failed, **attributes)


def flush() -> None:
    """Send what is left. A process that ends without Python's own end calls this."""
    _collector.flush()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep senders from starting threads in this process while the block runs. Those that it forks may."""
    global _forking
    _forking = os.getpid()
    try:
        yield
    finally:
        _forking = 0


def may_have_threads() -> bool:
    return os.getpid() != _forking

"""A pytest plugin: the clock moves one microsecond at each reading. Tests that need real time are deselected."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
import time_machine

REAL_TIME = {"sandbox", "hooks", "live_server", "inbox", "scene", "nursery", "page"}  # fixtures that need real time
CALLS = {"engine", "eventually", "worker", "server", "Popen"}  # names in a test that need real time
MICROSECOND = 1000  # in nanoseconds


class Stepping(time_machine.Traveller):
    def time_ns(self) -> int:
        return self._destination_timestamp_ns + MICROSECOND * next(self._reads)

    _reads = itertools.count()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if _needs_real_time(item)])
    items[:] = [item for item in items if not _needs_real_time(item)]


def _needs_real_time(item: pytest.Item) -> bool:
    code = getattr(getattr(item, "function", None), "__code__", None)
    return bool(REAL_TIME.intersection(getattr(item, "fixturenames", ()))) or bool(
        code and CALLS.intersection(code.co_names)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    usual = time_machine.Traveller
    time_machine.Traveller = Stepping  # type: ignore[misc]
    journey = time_machine.travel(time.time(), tick=False)
    journey.start()
    time_machine.Traveller = usual  # type: ignore[misc]
    try:
        return (yield)
    finally:
        journey.stop()

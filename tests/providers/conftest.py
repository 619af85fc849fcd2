from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.sandbox import server
from providers.sandbox.server import Running


@pytest.fixture(scope="module")
def live() -> Iterator[Running]:
    """A sandbox for the tests of a module."""
    with server.running(speed=50, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(live: Running) -> Iterator[Running]:
    """The module's sandbox as it was at its start."""
    live.reset()
    yield live
    live.reset()

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from providers.sandbox import server
from providers.sandbox.server import Running
from tests import certificates


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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server context with a certificate for `hooks.example.org`, and a client context that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    return certificates.serving(folder, "hooks.example.org"), certificates.trusting(folder)

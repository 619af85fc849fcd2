"""A browser, and a manager of the organization who has signed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tenants.models import Organization
from tests.browser.support import a_member, chromium, sign_in


@pytest.fixture
def browser(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A browser context at the test's own server; its complaints fail the test, see `chromium`."""
    # The browser's driver leaves an event loop running in this thread, which Django takes for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with chromium(live_server.url) as context:
        yield context
        # Under the driver's loop this thread had a database connection of its own, which nobody else can close.
        connections.close_all()


@pytest.fixture
def signed_in(browser: Any, organization: Organization) -> Any:
    a_member(organization)
    return sign_in(browser.new_page())

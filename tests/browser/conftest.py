"""A browser, and a manager of the organization who has signed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tenants.models import Organization
from tests.browser.support import CHROMIUM, a_member, sign_in


@pytest.fixture
def browser(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A browser context whose complaints fail the test: console, page errors, refused and outside requests."""
    sync_api = pytest.importorskip("playwright.sync_api")
    # The browser's driver leaves an event loop running in this thread, which Django takes for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    complaints: list[str] = []
    with sync_api.sync_playwright() as driver:
        program = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        context = program.new_context(base_url=live_server.url)
        context.on(
            "console",
            lambda said: (
                complaints.append(f"{said.text} {said.location['url']}") if said.type in {"error", "warning"} else None
            ),
        )
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((live_server.url, "data:")) else complaints.append(f"outside: {asked.url}")
            ),
        )
        yield context
        program.close()
        # Under the driver's loop this thread had a database connection of its own, which nobody else can close.
        connections.close_all()
    assert complaints == []


@pytest.fixture
def signed_in(browser: Any, organization: Organization) -> Any:
    a_member(organization)
    return sign_in(browser.new_page())

"""Browsers, and members of staff of the organization who have signed in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.db import connections

from calls.models import Call, Status
from campaigns.imports import upload
from campaigns.models import Contact, ContactList
from tenants.backoffice.roles import ROLE_LEVEL, Level
from tenants.models import Organization
from tests.browser import work
from tests.browser.support import a_member, chromiums, desk, sign_in
from tests.calls import support


@pytest.fixture
def browsers(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Opens browser contexts at the test's own server; their complaints fail the test, see `chromiums`."""
    # The browser's driver leaves an event loop running in this thread, which Django takes for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with chromiums(live_server.url) as another:
        yield another
        # Under the driver's loop this thread had a database connection of its own, which nobody else can close.
        connections.close_all()


@pytest.fixture
def browser(browsers: Callable[[], Any]) -> Any:
    return browsers()


@pytest.fixture
def signed_in(browser: Any, organization: Organization) -> Any:
    a_member(organization)
    return sign_in(browser.new_page())


@pytest.fixture
def clinic(organization: Organization) -> Organization:
    """At work, with some trouble, a second doubt, a file that waits and somebody nobody ever called."""
    work.done(organization)
    work.trouble(organization)
    doubt = Call.objects.get(status=Status.UNCONFIRMED)
    fields = {"dialed_at": doubt.dialed_at, "next_read_at": doubt.next_read_at}
    support.single(doubt.phone_number, "+13035550109", status=Status.UNCONFIRMED, **fields)
    Contact.objects.create(organization=organization, name="Forget Me", phone="+12125550142")
    upload.start_import(ContactList.objects.earliest("pk"), BytesIO(b"phone\n+12125550143\n"), "waits.csv")
    return organization


@pytest.fixture
def staff(browsers: Callable[[], Any], clinic: Organization) -> dict[Level, Any]:
    """Pages of one person of each role, all signed in at the same time."""
    return {level: desk(browsers, clinic, str(role)) for role, level in ROLE_LEVEL.items()}

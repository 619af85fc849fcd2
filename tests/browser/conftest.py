"""Browsers, and team members of the organization who are signed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import pytest

from calls.models import Call, Status
from campaigns.imports import upload
from campaigns.models import Contact, ContactList
from tenants.models import Membership, Organization
from tenants.policy import Level, level_of
from tests.browser import work
from tests.browser.support import Chromium, Contexts, a_member, enter
from tests.calls import support

NAMES = {level_of(role): str(role) for role in Membership.Role.values}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    found = Chromium()
    yield found
    found.close()


@pytest.fixture
def browsers(live_server: Any, chromium: Chromium) -> Iterator[Contexts]:
    """Open browser contexts at the test server. Their complaints fail the test."""
    with chromium.contexts(live_server.url) as found:
        yield found


@pytest.fixture
def browser(browsers: Contexts) -> Any:
    return browsers()


@pytest.fixture
def signed_in(browsers: Contexts, browser: Any, organization: Organization) -> Any:
    a_member(organization)
    return enter(browser, browsers.url)


@pytest.fixture
def clinic(organization: Organization) -> Organization:
    """An organization with calls, some trouble, a second doubt, a waiting file and a contact without calls."""
    work.done(organization)
    work.trouble(organization)
    doubt = Call.objects.get(status=Status.UNCONFIRMED)
    fields = {"dialed_at": doubt.dialed_at, "next_read_at": doubt.next_read_at}
    support.single(doubt.phone_number, "+13035550109", status=Status.UNCONFIRMED, **fields)
    Contact.objects.create(organization=organization, name="Forget Me", phone="+12125550142")
    upload.start_import(ContactList.objects.earliest("pk"), BytesIO(b"phone\n+12125550143\n"), "waits.csv")
    return organization


class Staff(Mapping[Level, Any]):
    """The page of one team member of each role, opened on first use."""

    def __init__(self, contexts: Contexts, organization: Organization) -> None:
        self._contexts, self._pages = contexts, dict[Level, Any]()
        for name in NAMES.values():
            a_member(organization, name, name)

    def __getitem__(self, level: Level) -> Any:
        if level not in self._pages:
            self._pages[level] = enter(self._contexts(), self._contexts.url, NAMES[level])
        return self._pages[level]

    def __iter__(self) -> Iterator[Level]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


@pytest.fixture
def staff(browsers: Contexts, clinic: Organization) -> Mapping[Level, Any]:
    return Staff(browsers, clinic)

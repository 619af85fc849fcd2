"""The words on pages: one term for each thing, times as people say them, and menus that name their pages.

The table is the product's list of words; no page may say the left-hand side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from calls.admin.campaigns.tabs import LOADED, Tab
from tenants.models import Membership, Organization
from tests.browser.pages import pages_of
from tests.calls.test_campaign_page import words_of
from tests.test_admin import world

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.django_db
SAYINGS = {
    "Whom": "Contacts",
    "With what": "Assistant",
    "Save and go on": "Save and continue",
    "These need a person": "Needs attention",
    "by now last": "at this time last",
    "dealt with": "done",
    "Where they stand": "Status detail",
    "Its settings": "Settings",
    "What was changed": "History",
    "Take in": "Add new contacts",
    "Takes new contacts": "Adds new contacts",
    "What comes of it": "Forecast",
    "From the lists to a conversation": "Funnel",
    "How many calls it takes": "Answers by attempt",
    "Placing takes": "Time to place (median / p95)",
    "Change what is known": "Edit contact",
    "Is not called": "Will not be called",
    "Provider's word": "Provider status",
    "As it came": "Raw payload",
    "Read what was said": "Transcript",
    "Claimed for placing": "Sending to provider",
    "hear what the rules say": "see whether calling is allowed",
    "Two capitals": "a selection of countries",
    "Handed in": "Uploaded",
    "Begun": "Started",
    "Mend": "Fix",
    "Kept with your name": "Recorded in the audit log",
    "rings these numbers": "These numbers are never called",
    "said once": "",
    "Username": "E-mail",
    "Log in": "Sign in",
    "Log out": "Sign out",
    "call-back": "scheduled callback",
    "do not call": "do-not-call list",
    "kill switch": "Stop all calls",
    "tenant": "",
    "our id": "Trunkline ID",
    "your id": "external ID",
    "staff": "team member",
    "provider callback": "provider event",
    "call failed: other": "Failed: the provider gave no reason",
}
A_LAW = "Do Not Call General Order"
OLD = re.compile("|".join(rf"\b{re.escape(saying)}\b" for saying in SAYINGS), re.IGNORECASE)
ISO = re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d")


@pytest.fixture
def admin(organization: Organization) -> Client:
    user = User.objects.create(username="ada", is_staff=True, is_superuser=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    client = Client()
    client.force_login(user)
    return client


def every_page(world: dict[str, Any], organization: Organization) -> Iterator[tuple[str, str]]:
    yield from pages_of(organization).items()
    yield "sign-in", reverse("admin:login")
    for part in LOADED:
        yield part, reverse(f"admin:campaigns_campaign_{part}", args=[world["campaign"].pk])
    for tab in Tab:
        yield f"{tab} tab", f"{reverse('admin:campaigns_campaign_change', args=[world['campaign'].pk])}?tab={tab}"
    yield "explanation", reverse("admin:campaigns_recipient_explain", args=[world["recipient"].pk])
    yield "today", reverse("admin:calls_call_today")
    yield "settings", reverse("my-settings")


def test_no_page_says_an_old_word_or_a_time_for_machines(
    admin: Client, world: dict[str, Any], organization: Organization
) -> None:
    found, read = [], 0
    for name, url in every_page(world, organization):
        answer = (Client() if name == "sign-in" else admin).get(url)
        if answer.status_code != 200:
            continue
        read += 1
        text = words_of(answer.content.decode()).replace(A_LAW, "")
        found += [(name, text[max(0, hit.start() - 40) : hit.end() + 20]) for hit in OLD.finditer(text)]
        found += [(name, text[max(0, hit.start() - 60) : hit.end() + 10]) for hit in ISO.finditer(text)]
    assert read > 60
    assert not found, "\n".join(map(str, found))


def test_the_table_catches_each_old_word() -> None:
    for saying, instead in SAYINGS.items():
        assert OLD.search(f"x {saying}, y"), saying
        assert not instead or not OLD.search(instead), (saying, instead)

"""Lists that are read through the index of each owner show the rows that a plain list shows, on each page."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, Contact, Recipient
from tenants.backoffice.scoped_lists import ScopedLists
from tenants.db.owners import OfEach, reads_each
from tenants.models import Membership, Organization
from tests.calls.support import people

pytestmark = pytest.mark.django_db
STATUSES, OUTCOMES = ("pending", "done", "skipped"), ("", "busy", "failed")


def listed(client: Any, page: str, **query: Any) -> tuple[int, list[int]]:
    """Return the count and the keys that a page of a list shows."""
    found = client.get(page, query).context_data["cl"]
    return found.result_count, [row.pk for row in found.result_list]


@pytest.fixture
def mixed(organization: Organization, sister: Organization, stranger: Organization) -> list[Recipient]:
    """Recipients whose campaigns take turns at random, in three organizations."""
    turns = random.Random(7)
    campaigns = [
        Campaign.objects.create(organization=home, name=f"{home.pk}/{number}")
        for home in (organization, sister, stranger)
        for number in range(4)
    ]
    numbers = [f"+1212555{number:04d}" for number in range(1200, 1212)]
    for home in (organization, sister, stranger):
        people(home, numbers)
    pairs = [(campaign, contact) for campaign in campaigns for contact in campaign.organization.contacts.all()]
    turns.shuffle(pairs)
    return [
        Recipient.objects.create(
            campaign=campaign, contact=contact, status=turns.choice(STATUSES), outcome=turns.choice(OUTCOMES)
        )
        for campaign, contact in pairs[:90]
    ]


def test_pages_of_many_owners_show_the_rows_of_a_plain_list(
    mixed: list[Recipient], organization: Organization, sister: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle sorts the rows in Python."""
    user = User.objects.create(username="mona", is_staff=True)
    for home in (organization, sister):
        Membership.objects.create(user=user, organization=home, role="manager")
    client = Client()
    client.force_login(user)
    monkeypatch.setattr(type(admin.site._registry[Recipient]), "list_per_page", 7)
    monkeypatch.setattr(type(admin.site._registry[Contact]), "list_per_page", 7)
    mine = [row for row in reversed(mixed) if row.campaign.organization in (organization, sister)]
    one = mine[3].campaign_id
    page, tried = reverse("admin:campaigns_recipient_changelist"), 0
    queries: tuple[dict[str, Any], ...] = (
        {},
        *({"status__exact": status} for status in STATUSES),
        {"outcome__exact": "busy"},
        {"outcome__exact": "busy", "status__exact": "done"},
        {"campaign__id__exact": one},
        {"campaign__id__exact": one, "status__exact": "pending"},
        {"campaign__id__exact": one, "outcome__exact": "failed"},
        {"campaign__id__exact": Campaign.objects.get(name__endswith="/0", organization__name="Stranger").pk},
    )
    for query in queries:
        asked = {name.split("__")[0]: value for name, value in query.items()}
        expected = [
            row.pk
            for row in mine
            if all((row.campaign_id if name == "campaign" else getattr(row, name)) == asked[name] for name in asked)
        ]
        for number in range(len(expected) // 7 + 1):
            wanted = expected[number * 7 : number * 7 + 7]
            if wanted or number == 0:
                assert listed(client, page, **query, p=number + 1) == (len(expected), wanted), (query, number)
                tried += 1
    assert tried > 20
    contacts = list(Contact.objects.filter(organization__in=(organization, sister)).order_by("-pk"))
    Contact.objects.filter(pk=contacts[1].pk).update(erased_at="2026-01-01T00:00:00Z")
    keys = [contact.pk for contact in contacts if contact != contacts[1]]
    page = reverse("admin:campaigns_contact_changelist")
    assert [listed(client, page, p=number) for number in (1, 2)] == [(23, keys[:7]), (23, keys[7:14])]


@pytest.mark.skipif(not reads_each(), reason="SQLite has no arrays")
def test_an_owner_without_rows_takes_no_place(mixed: list[Recipient], organization: Organization) -> None:
    """Only as many owners are read as rows are wanted: those with the newest rows."""
    for number in range(9):
        Campaign.objects.create(organization=organization, name=f"Empty {number}")
    mine = [row.pk for row in reversed(mixed) if row.campaign.organization == organization]
    found = OfEach(Recipient.objects.all(), "campaign", Campaign.objects.filter(organization=organization))
    for most in (1, 2, 5, len(mine), 200):
        assert list(found.newest(most)) == mine[:most]
        assert set(found.some(most)) <= set(mine)
        assert found.some(most).count() == min(most, len(mine))


def test_what_a_list_is_read_by_has_an_index(subtests: pytest.Subtests) -> None:
    lists = [each for each in admin.site._registry.values() if isinstance(each, ScopedLists) and each.read_by]
    assert len(lists) > 5
    for each in lists:
        indexes = [tuple(index.fields) for index in each.model._meta.indexes if index.condition is None]
        for columns in each.read_by:
            with subtests.test(each.model.__name__, columns=columns):
                assert (*columns, "-id") in indexes

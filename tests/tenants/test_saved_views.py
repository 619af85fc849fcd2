"""Saved views: the filters of a list under a name, of one user, without the search."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Organization, SavedView
from tests.tables import cases, rolled_back
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
CALLS = "admin:calls_call_changelist"
SAVE = "saved-views"
BUSY = {"page": "calls.call", "name": "Busy today", "query": "q=%2B33612345678&status__exact=busy&day=today&p=3"}


def views(client: Client) -> list[tuple[str, str]]:
    answer: Any = client.get(reverse(CALLS))
    return [(each["name"], each["query"]) for each in answer.context["cl"].saved_views]


def test_a_view_keeps_the_filters_and_no_number(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "viewer")
    answer = client.post(reverse(SAVE), BUSY)
    assert answer["Location"] == f"{reverse(CALLS)}?day=today&status__exact=busy"
    assert views(client) == [("Busy today", "day=today&status__exact=busy")]
    page: Any = client.get(answer["Location"])
    assert page.context["cl"].saved_views[0]["here"] and "Busy today" in page.content.decode()
    client.post(reverse(SAVE), BUSY | {"query": "day=yesterday"})  # the same name
    assert views(client) == [("Busy today", "day=yesterday")]


def test_a_view_is_of_one_user_and_one_list(organization: Organization, sign_in: SignIn) -> None:
    client, other = sign_in(organization, "viewer"), Client()
    user = User.objects.create(username="otto", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    other.force_login(user)
    client.post(reverse(SAVE), BUSY)
    assert views(other) == []
    kept = SavedView.objects.get()
    other.post(reverse(SAVE), {"page": "calls.call", "remove": kept.pk})
    client.post(reverse(SAVE), {"page": "campaigns.contact", "remove": kept.pk})
    assert SavedView.objects.count() == 1
    client.post(reverse(SAVE), {"page": "calls.call", "remove": kept.pk})
    assert not SavedView.objects.exists()


def test_a_view_belongs_to_the_chosen_organization(organization: Organization, sister: Organization) -> None:
    user = User.objects.create(username="mona", is_staff=True)
    for home in (organization, sister):
        Membership.objects.create(user=user, organization=home, role="viewer")
    client = Client()
    client.force_login(user)
    client.post(reverse("choose-organization"), {"organization": sister.pk})
    client.post(reverse(SAVE), BUSY)
    assert len(views(client)) == 1
    client.post(reverse("choose-organization"), {"organization": organization.pk})
    assert views(client) == []


@cases(
    "given",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"query": ""},
        {"query": "q=Ada"},
        {"query": f"day={'x' * 2000}"},
        {"page": "auth.nothing"},
        {"page": ""},
    ],
)
@rolled_back
def test_what_is_no_view_is_not_saved(organization: Organization, sign_in: SignIn, given: dict[str, str]) -> None:
    client = sign_in(organization, "viewer")
    assert client.post(reverse(SAVE), BUSY | given).status_code == 302
    assert not SavedView.objects.exists()


def test_a_list_has_a_limited_number_of_views(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "viewer")
    for number in range(SavedView.MAX + 2):
        client.post(reverse(SAVE), BUSY | {"name": f"View {number:02}"})
    assert SavedView.objects.count() == SavedView.MAX

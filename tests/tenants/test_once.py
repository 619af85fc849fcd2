"""A form sent twice has one effect, and the second submission leads to what the first did."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, ContactList
from tenants.backoffice import once
from tenants.models import Membership, Organization, StoredAnswer
from tests.test_admin import SignIn, sign_in
from tests.test_saved_unchanged import submitted

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_contactlist_add"


def form_of(client: Client, url: str) -> dict[str, Any]:
    page = client.get(url).content.decode()
    tokens = set(re.findall(rf'name="{once.FIELD}" value="([0-9a-f]{{32}})"', page))
    assert len(tokens) == page.count(f'name="{once.FIELD}"') > 1, "each form of the page has a token of its own"
    return submitted(page, "name")


def test_a_form_sent_twice_has_one_effect(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    first, second = client.post(url, form), client.post(url, form)
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert ContactList.objects.filter(name="Patients").count() == 1
    assert once.DONE in client.get(second["Location"], follow=True).content.decode()


def test_other_contents_and_a_form_opened_again_are_other_forms(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse("admin:campaigns_campaign_add")
    home = ContactList.objects.create(organization=organization, name="Patients")
    form = form_of(client, url) | {"name": "Spring", "contact_lists": [home.pk]}
    client.post(url, form)
    client.post(url, form | {"name": "Autumn"})
    page = client.post(url, form_of(client, url) | {"name": "Spring", "contact_lists": [home.pk]}, follow=True)
    assert sorted(Campaign.objects.values_list("name", flat=True)) == ["Autumn", "Spring", "Spring"]
    assert "There is another campaign named “Spring”." in page.content.decode()


def test_a_refused_form_can_be_sent_again(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url)
    assert client.post(url, form | {"name": ""}).status_code == 200
    assert not StoredAnswer.objects.exists()
    assert client.post(url, form | {"name": "Patients"}).status_code == 302


def test_the_token_of_another_user_is_none(organization: Organization, sign_in: SignIn) -> None:
    client, other, url = sign_in(organization, "manager"), Client(), reverse(ADD)
    user = User.objects.create(username="otto", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="manager")
    other.force_login(user)
    form = form_of(client, url) | {"name": "Patients"}
    for each in (client, other):
        each.post(url, form)
    assert StoredAnswer.objects.count() == ContactList.objects.count() == 2


def test_what_a_dead_process_left_is_not_repeated(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "WAIT", 0.0)
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    client.post(url, form)
    StoredAnswer.objects.update(answer=None)
    answer = client.post(url, form, follow=True)
    assert "it is not known whether that took effect" in answer.content.decode()
    assert ContactList.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("sqlite" in connection.settings_dict["ENGINE"], reason="SQLite has one writer at a time")
def test_a_double_click_waits_for_the_first(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    answers: list[Any] = []

    def click() -> None:
        own = Client()
        own.cookies = client.cookies
        answers.append(own.post(url, form))
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert ContactList.objects.count() == 1
    assert {(each.status_code, each["Location"]) for each in answers} == {(302, answers[0]["Location"])}

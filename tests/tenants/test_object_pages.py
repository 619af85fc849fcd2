"""What the pages of all objects have alike: a way out of each form, and IDs that are out of the way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Organization
from tests.browser.pages import pages_of
from tests.test_admin import world

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.django_db
SAVES = re.compile(r'<button[^>]*\bname="(?:_save|_next)"')
CANCEL = re.compile(r'<a class="[^"]*\btl-cancel\b[^"]*" href="([^"]*)">Cancel</a>')
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")
FOLDED = re.compile(r'<details class="tl-card tl-technical">.*?</details>', re.DOTALL)
NAMED_BY_IDS = ("webhook delivery",)  # their headings name them so
# Where people look for an ID: what a program was given or sent, word for word.
RAW = re.compile(r"<pre.*?</pre>|<script.*?</script>|<[^>]*>", re.DOTALL)


def member(organization: Organization, role: str) -> Client:
    user = User.objects.create(username=role, is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_each_form_that_can_be_saved_has_one_way_out(
    world: dict[str, Any], organization: Organization, role: str
) -> None:
    client, forms = member(organization, role), []
    for name, url in pages_of(organization).items():
        answer = client.get(url)
        if answer.status_code != 200:
            continue
        page = answer.content.decode()
        links = CANCEL.findall(page)
        assert len(links) == bool(SAVES.search(page)), name
        for link in links:
            forms.append(name)
            assert client.get(link).status_code == 200, (name, link)
    assert len(forms) > 15 if role == "admin" else not forms


def test_canceling_leads_to_the_list_or_to_the_page_that_the_form_is_a_part_of(
    world: dict[str, Any], organization: Organization
) -> None:
    client = member(organization, "admin")
    of_campaign = reverse("admin:campaigns_campaign_change", args=[world["campaign"].pk])
    of_contact = reverse("admin:campaigns_contact_change", args=[world["contact"].pk])
    tags, campaigns = reverse("admin:campaigns_tag_changelist"), reverse("admin:campaigns_campaign_changelist")
    for page, expected in (
        (reverse("admin:campaigns_tag_add"), tags),
        (f"{reverse('admin:campaigns_tag_add')}?_changelist_filters=q%3DVIP", f"{tags}?q=VIP"),
        (reverse("admin:campaigns_campaign_add"), campaigns),
        (f"{of_campaign}?tab=settings", of_campaign),
        (of_contact, of_contact),
    ):
        assert CANCEL.findall(client.get(page).content.decode()) == [expected], page


def test_an_id_stands_under_technical_details_alone(world: dict[str, Any], organization: Organization) -> None:
    client, folded = member(organization, "admin"), 0
    for name, url in pages_of(organization).items():
        page = client.get(url).content.decode()
        folded += len(UUID.findall(" ".join(FOLDED.findall(page))))
        seen = RAW.sub(" ", FOLDED.sub(" ", page))
        assert not UUID.search(seen) or name.startswith(NAMED_BY_IDS), (name, UUID.findall(seen))
    assert folded >= 5

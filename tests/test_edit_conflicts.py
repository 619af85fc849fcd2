"""Edit conflicts: a form does not silently overwrite what another team member saved after it was opened."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.utils import timezone

from campaigns.models import CallingWindow, Campaign, Contact
from tenants.models import Membership, Organization
from tests.test_admin import SignIn, sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db
World = dict[str, models.Model]
REFUSED = "Changed since you opened this page: "


@pytest.fixture
def manager(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization, "manager")


def fields(page: str) -> dict[str, Any]:
    """Return the data that the form of a page submits unchanged."""
    form = page[page.rindex("<form", 0, page.index('name="_seen"')) :].partition("</form>")[0]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if given.get("type") in {"checkbox", "radio"} and " checked" not in tag:
            continue
        if "name" in given and given.get("type") != "submit" and "__prefix__" not in given["name"]:
            found.setdefault(given["name"], []).append(unescape(given.get("value", "")))
    for name, options in re.findall(r'<select\b[^>]*name="([\w-]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.findall(r'<option value="([^"]*)" selected', options)
        if "__prefix__" not in name:
            found[name] = chosen
    return found


def opened(client: Client, path: str) -> dict[str, Any]:
    return fields(client.get(path).content.decode())


def sent(client: Client, path: str, data: dict[str, Any]) -> str:
    return unescape(client.post(path, data, follow=True).content.decode())


@pytest.mark.parametrize("name", ["contact", "contactlist", "campaign", "provideraccount", "assistant", "phonenumber"])
def test_a_form_that_nobody_overtook_is_saved(manager: Client, world: World, name: str) -> None:
    row = world[name]
    path = f"/admin/{row._meta.app_label}/{name}/{row.pk}/change/?tab=settings"  # the tab of a campaign
    mine = opened(manager, path)
    assert "_seen" in mine
    assert REFUSED not in sent(manager, path, mine)
    assert REFUSED not in sent(manager, path, opened(manager, path)), "the page shows the saved values"


def test_a_change_of_another_user_is_overwritten_only_by_a_second_save(manager: Client, world: World) -> None:
    path = f"/admin/campaigns/contact/{world['contact'].pk}/change/"
    mine = opened(manager, path)
    ada = Contact.objects.filter(pk=world["contact"].pk)
    ada.update(name="Grace", language="fr")
    mine["language"] = ["fr"]
    answer = sent(manager, path, mine)
    assert f"{REFUSED}“Name”." in answer, "equal changes are no conflict"
    assert ada.get().name == "Grace"
    again = fields(answer)
    assert again["name"] == ["Ada"], "typed text stays"
    assert REFUSED not in sent(manager, path, again)
    assert ada.get().name == "Ada"


@pytest.mark.parametrize("page", ["change/?tab=settings", "steps/when/"])
def test_the_rows_below_a_campaign_are_watched_too(manager: Client, world: World, page: str) -> None:
    path = f"/admin/campaigns/campaign/{world['campaign'].pk}/{page}"
    mine = opened(manager, path)
    Campaign.objects.update(drafted_through=3)  # a field that is in no form cannot conflict
    CallingWindow.objects.update(opens=600)
    assert f"{REFUSED}“Calling windows”." in sent(manager, path, mine)
    assert CallingWindow.objects.get().opens == 600


def test_another_step_of_a_draft_is_another_form(manager: Client, world: World) -> None:
    path = f"/admin/campaigns/campaign/{world['campaign'].pk}/steps/whom/"
    mine = opened(manager, path)
    CallingWindow.objects.update(opens=600)
    assert REFUSED not in sent(manager, path, mine)


def test_nonsense_in_the_hidden_field_stands_for_nothing(manager: Client, world: World) -> None:
    path = f"/admin/campaigns/contact/{world['contact'].pk}/change/"
    mine = opened(manager, path)
    for nonsense in ("x", "7", '["name"]', '{"name": "x"}', '{"nothing": 1}', "[[[]]]", '{"__class__": 1}'):
        assert "</html>" in sent(manager, path, mine | {"_seen": nonsense, "name": "Ada"})


def test_the_open_page_of_an_erased_contact_sends_the_browser_to_the_list(manager: Client, world: World) -> None:
    path = f"/admin/campaigns/contact/{world['contact'].pk}/panel/"
    assert manager.get(path, headers={"HX-Request": "true"}).status_code == 200
    Contact.objects.update(erased_at=timezone.now())
    answer = manager.get(path, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/admin/campaigns/contact/" and not answer.content
    assert "was deleted or erased meanwhile." in manager.get(answer["HX-Redirect"]).content.decode()
    assert manager.get(path).status_code == 404


def test_the_parts_of_a_page_leave_that_to_its_panel(manager: Client, world: World) -> None:
    path = f"/admin/campaigns/campaign/{world['campaign'].pk}/people/"
    assert manager.get(path, headers={"HX-Request": "true"}).status_code == 200
    Membership.objects.all().delete()
    assert manager.get(path, headers={"HX-Request": "true"}).status_code == 204
    assert manager.get(path).status_code == 404

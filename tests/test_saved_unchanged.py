"""A form that is opened and saved without a change changes nothing, whatever texts it shows."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.utils import timezone

from calls.admin.campaigns.wizard_steps import REVIEW, STEPS, WizardStep
from campaigns.models import Campaign, Contact, ImportMapping
from tenants.models import Organization
from tests.config.test_sent_back import HOSTILE, change, everything, fill_texts, whole_world
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db


class Form(HTMLParser):
    """Collect what a browser submits from each form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[dict[str, list[str]]] = []
        self.area = self.select = ""
        self.text = ""
        self.feed(page.replace("\r\n", "\n").replace("\r", "\n"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        flags = {name for name, _ in attrs}
        if tag == "form":
            self.forms.append({})
        name = given.get("name", "")
        if not self.forms or "__prefix__" in name or "__row__" in name:
            return
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind in {"submit", "button", "file"} or (kind in {"checkbox", "radio"} and "checked" not in flags):
                return
            value = given.get("value", "on" if kind == "checkbox" else "")
            self._add(name, value if kind == "hidden" else value.replace("\n", "").replace("\r", ""))
        elif tag == "textarea":
            self.area, self.text = name, ""
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and "selected" in flags:
            self._add(self.select, given.get("value", ""))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            self._add(self.area, self.text.removeprefix("\n").replace("\n", "\r\n"))
            self.area = ""
        elif tag == "select":
            self.select = ""

    def _add(self, name: str, value: str) -> None:
        self.forms[-1].setdefault(name, []).append(value)


def submitted(page: str, field: str = "_seen") -> dict[str, list[str]]:
    """Return what a browser submits from the form with this field."""
    [found] = [each for each in Form(page).forms if field in each]
    return found


def rows_of(world: Any, home: Organization, text: str) -> dict[str, models.Model]:
    """Return a row of each kind that has a form, by the name of its model."""
    saved = ImportMapping.objects.create(
        organization=home, name="M", header_digest="d", columns=[[text, "phone"]], saved_by="x"
    )
    fill_texts(saved, text)
    found = [*vars(world).values(), saved]
    return {row._meta.model_name: row for row in found if isinstance(row, models.Model) and row._meta.model_name}


def with_a_form(client: Client, row: models.Model) -> dict[str, list[str]] | None:
    if not admin.site.is_registered(type(row)):
        return None
    answer = client.get(path_of(row))
    assert answer.status_code == 200
    page = answer.content.decode()
    return submitted(page) if 'name="_seen"' in page else None


def path_of(row: models.Model) -> str:
    tab = "?tab=settings" if isinstance(row, Campaign) else ""
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/{tab}"


FORMS = {
    "organization",
    "provideraccount",
    "assistant",
    "phonenumber",
    "contact",
    "contactlist",
    "importmapping",
    "campaign",
    "segment",
    "webhookendpoint",
}


# What inputs and areas of a page cannot show, and what programs take for something else. Each page takes a while.
SHOWN = ("two lines", "spaces around", "markup", "line ends of old systems", "control characters", "long", "nothing")


@pytest.mark.parametrize(
    "text",
    [pytest.param(HOSTILE[name], id=name, marks=[] if n < 3 else pytest.mark.long) for n, name in enumerate(SHOWN)],
)
def test_a_form_saved_as_it_was_shown_changes_nothing(
    text: str, sign_in: SignIn, organization: Organization, subtests: pytest.Subtests
) -> None:
    client = sign_in(organization, "admin")
    rows = rows_of(whole_world(organization, text, dropped=[None, 1.0, text]), organization, text)
    tried = set()
    for name, row in rows.items():
        mine = with_a_form(client, row)
        if mine is None:
            continue
        tried.add(name)
        with subtests.test(name):
            before = everything()
            answer = client.post(path_of(row), mine)
            assert answer.status_code == 302, errors(answer.content.decode())
            assert everything() == before
    assert tried == FORMS


def errors(page: str) -> list[str]:
    return [line.strip() for line in page.splitlines() if "errorlist" in line or "errornote" in line]


def test_the_form_of_a_campaign_that_has_started_changes_nothing(
    sign_in: SignIn, organization: Organization, subtests: pytest.Subtests
) -> None:
    client = sign_in(organization, "admin")
    campaign = whole_world(organization, HOSTILE["two lines"]).campaign
    for status in (Campaign.Status.SCHEDULED, *Campaign.STARTED):
        with subtests.test(status.value):
            change(campaign, status=status, launched_at=timezone.now())
            mine = with_a_form(client, campaign)
            assert mine is not None
            before = everything()
            answer = client.post(path_of(campaign), mine)
            assert answer.status_code == 302, errors(answer.content.decode())
            assert everything() == before


@pytest.mark.parametrize("step", [step for step in STEPS if step != REVIEW], ids=lambda step: step.name)
@pytest.mark.parametrize("name", ["two lines", "spaces around", "control characters"])
def test_a_step_of_the_wizard_saved_as_it_was_shown_changes_nothing(
    step: WizardStep, name: str, sign_in: SignIn, organization: Organization
) -> None:
    client = sign_in(organization, "admin")
    campaign = whole_world(organization, HOSTILE[name]).campaign
    change(campaign, drafted_through=REVIEW.number)
    path = f"/admin/campaigns/campaign/{campaign.pk}/steps/{step.name}/"
    mine = submitted(client.get(path).content.decode())
    before = everything()
    answer = client.post(path, mine)
    assert answer.status_code == 302, errors(answer.content.decode())
    assert everything() == before


def test_one_edited_field_changes_that_field_alone(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "admin")
    contact = whole_world(organization, HOSTILE["line ends of old systems"]).contact
    before: Any = Contact.objects.values().get(pk=contact.pk)
    mine = with_a_form(client, contact)
    assert mine is not None
    assert client.post(path_of(contact), mine | {"language": "fr"}).status_code == 302
    after: Any = Contact.objects.values().get(pk=contact.pk)
    assert {name for name in after if after[name] != before[name]} == {
        *("language", "updated_at"),
        "name_key",  # it follows the name, which the world above writes without it
    }

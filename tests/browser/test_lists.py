"""Lists in a browser: filters as chips, saved views, the organization's switcher, and a form sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.models import Contact, ContactList
from tenants.models import Membership, Organization, SavedView
from tests.browser.support import MARKS, THEMES, faults_of, spill_at

pytestmark = MARKS
CONTACTS = "/admin/campaigns/contact/"


@pytest.fixture
def page(signed_in: Any, organization: Organization) -> Any:
    Contact.objects.create(organization=organization, phone="+33612345678", name="Ada")
    signed_in.goto(CONTACTS)
    return signed_in


def test_a_chip_removes_its_filter_and_a_view_brings_it_back(page: Any) -> None:
    page.click(".tl-filters >> text=Today")
    page.wait_for_url("**day=today*")
    page.click("text=Save this view")
    page.fill(".tl-views input[name=name]", "New today")
    page.click("text=Save view")
    page.wait_for_selector("text=The view “New today” is saved.")
    page.click(".tl-chip.tl-on")
    page.wait_for_selector(".tl-chip.tl-on", state="detached")
    assert "day=" not in page.url
    page.click("text=New today")
    page.wait_for_url("**day=today*")
    page.go_back()
    assert "day=" not in page.url
    page.click("text=Change saved views")
    page.click("text=Remove “New today”")
    page.wait_for_selector(".tl-saved", state="detached")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("theme", THEMES)
def test_lists_and_the_sidebar_are_for_everybody(page: Any, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(f"{CONTACTS}?day=today&zone_fault=any")
    page.click("text=Save this view")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert faults_of(page) == []
    assert page.locator(".tl-place").inner_text().split("\n")[0].startswith("Acme")
    bottom = page.evaluate(
        "document.querySelector('details[data-group=Administration]').getBoundingClientRect().bottom"
    )
    assert bottom < page.evaluate("document.querySelector('.tl-place').getBoundingClientRect().top")
    assert spill_at(page, 400) <= 0


def test_groups_of_the_sidebar_stay_as_they_were_left(page: Any) -> None:
    setup = "details[data-group=Setup]"
    assert not page.evaluate(f"document.querySelector('{setup}').open")
    page.click(f"{setup} summary")
    page.click("details[data-group=Contacts] summary")
    page.goto("/admin/calls/call/")
    page.wait_for_selector(f"{setup}[open]")
    assert not page.evaluate("document.querySelector('details[data-group=Contacts]').open")


def test_the_switcher_shows_one_organization(page: Any, sister: Organization) -> None:
    home = Membership.objects.get(user__username="olga")
    Membership.objects.create(user=home.user, organization=sister, role="viewer")
    Contact.objects.create(organization=sister, phone="+33612345679", name="Grace")
    page.reload()
    assert page.locator("#result_list tbody tr").count() == 2
    page.select_option("#place", label=sister.name)
    page.wait_for_selector("#result_list >> text=Ada", state="detached")
    assert page.locator("#result_list >> text=Grace").count() == 1
    assert "Viewer" in page.locator(".tl-place").inner_text()
    page.select_option("#place", label="All organizations")
    page.wait_for_selector("#result_list >> text=Ada")


def test_a_double_click_makes_one_list(page: Any) -> None:
    page.goto("/admin/campaigns/contactlist/add/")
    page.fill("input[name=name]", "Patients")
    page.dblclick("button[name=_save]")
    page.wait_for_url("**/contactlist/**")
    page.wait_for_selector("#result_list, #panel, .tl-steps")
    assert ContactList.objects.filter(name="Patients").count() == 1

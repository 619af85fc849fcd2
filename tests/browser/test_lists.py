"""Lists in a browser: filters as chips, saved views, the organization's switcher, and a form sent twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from campaigns.models import Contact, ContactList
from tenants.models import Membership, Organization, SavedView
from tests.browser.support import MARKS, THEMES, expect, faults_of, spill_at, until

pytestmark = MARKS
CONTACTS = "/admin/campaigns/contact/"
ALL = re.compile(rf"{CONTACTS}\??$")


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
    expect(page).to_have_url(ALL)
    expect(page.locator(".tl-chip.tl-on")).to_have_count(0)
    page.click("text=New today")
    page.wait_for_url("**day=today*")
    page.go_back()
    expect(page).to_have_url(ALL)
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
    expect(page.locator(".tl-place")).to_have_text(re.compile("^Acme"), use_inner_text=True)
    until(
        page,
        "document.querySelector('details[data-group=Administration]').getBoundingClientRect().bottom"
        " < document.querySelector('.tl-place').getBoundingClientRect().top",
    )
    assert spill_at(page, 400) <= 0


def test_groups_of_the_sidebar_stay_as_they_were_left(page: Any) -> None:
    setup, contacts = "details[data-group=Setup]", "details[data-group=Contacts]"
    page.wait_for_selector(f"{setup}:not([open])")
    page.click(f"{setup} summary")
    page.wait_for_selector(f"{setup}[open]")
    page.click(f"{contacts} summary")
    page.wait_for_selector(f"{contacts}:not([open])")
    page.goto("/admin/calls/call/")
    page.wait_for_selector(f"{setup}[open]")
    page.wait_for_selector(f"{contacts}:not([open])")


def test_the_switcher_shows_one_organization(page: Any, sister: Organization) -> None:
    home = Membership.objects.get(user__username="olga")
    Membership.objects.create(user=home.user, organization=sister, role="viewer")
    Contact.objects.create(organization=sister, phone="+33612345679", name="Grace")
    page.reload()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    page.select_option("#place", label=sister.name)
    expect(page.locator(".tl-place")).to_contain_text("Viewer", use_inner_text=True)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Grace")
    page.select_option("#place", label="All organizations")
    page.wait_for_selector("#result_list >> text=Ada")


def test_a_double_click_makes_one_list(page: Any) -> None:
    page.goto("/admin/campaigns/contactlist/add/")
    page.fill("input[name=name]", "Patients")
    page.dblclick("button[name=_save]")
    page.wait_for_url(lambda address: "/add/" not in address)
    assert ContactList.objects.filter(name="Patients").count() == 1

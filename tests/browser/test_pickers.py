"""Values that are picked: boxes to tick for a select of several, and rows of conditions; also without scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from campaigns.models import ContactList, Segment, Tag
from tenants.models import Organization, StaffSettings
from tests.browser.support import (
    MARKS,
    THEMES,
    WIDTHS,
    desk,
    expect,
    faults_of,
    spill_at,
    until,
    visit,
    without_scripts,
)

pytestmark = MARKS
ADD = "/admin/campaigns/segment/add/"


@pytest.fixture
def tags(organization: Organization) -> list[Tag]:
    ContactList.objects.create(organization=organization, name="Patients")
    return [Tag.objects.create(organization=organization, name=f"Tag {n}") for n in range(9)]


@pytest.mark.parametrize("theme", THEMES)
def test_a_row_offers_what_fits_its_condition_and_the_picked_tags_are_saved(
    signed_in: Any, tags: list[Tag], theme: str
) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    visit(page, ADD)
    page.get_by_label("Name", exact=False).first.fill("Nine")
    page.get_by_role("button", name="Add a row").click()
    row = page.locator("[data-rows-body] tr").last
    expect(row.locator(".tl-part:visible")).to_have_count(0)
    row.get_by_label("The contact").select_option("last_call within_days")
    row.get_by_label("Value").fill("30")
    row.get_by_label("The contact").select_option("tags any")
    expect(row.locator(".tl-part:visible")).to_have_count(1)
    part = row.locator(".tl-part:visible")
    part.locator("summary").click()
    part.get_by_role("searchbox").fill("tag 7")
    expect(part.get_by_role("checkbox")).to_have_count(1)
    part.get_by_role("searchbox").press("Enter")
    part.get_by_role("searchbox").fill("tag 3")
    part.get_by_role("checkbox", name="Tag 3").check()
    expect(part.locator("summary")).to_have_text("Tag 3, Tag 7")
    assert faults_of(page) == []
    assert all(spill_at(page, width) <= 0 for width in WIDTHS)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/segment/")
    [condition] = Segment.objects.get().conditions
    assert condition == {"field": "tags", "is": "any", "value": [str(tags[3].uuid), str(tags[7].uuid)]}


def test_without_scripts_they_are_picked_from_plain_selects(signed_in: Any, tags: list[Tag]) -> None:
    page = without_scripts(signed_in)
    page.goto(ADD)
    page.fill("[name=name]", "Plain")
    page.select_option("[name=conditions-0-kind]", "tags none")
    page.select_option("[name=conditions-0-tags]", label=["Tag 1", "Tag 2"])
    page.select_option("[name=conditions-1-kind]", "created_at from")
    page.fill("[name=conditions-1-day]", "2026-05-12")
    page.click("[name=_save]")
    page.wait_for_url("**/segment/")
    tagged, created = Segment.objects.get().conditions
    assert tagged["value"] == [str(tags[1].uuid), str(tags[2].uuid)] and created["is"] == "from"


def test_countries_are_ticked_by_name(browsers: Any, organization: Organization) -> None:
    page = desk(browsers, organization, "admin")
    visit(page, f"/admin/tenants/organization/{organization.pk}/change/")
    field = page.locator(".tl-several")
    field.locator("summary").click()
    field.get_by_role("searchbox").fill("kosov")
    field.get_by_role("checkbox", name="Kosovo").check()
    assert faults_of(page) == []
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".tl-several summary")).to_contain_text("Kosovo (XK)")
    organization.refresh_from_db()
    assert sorted(organization.allowed_countries) == ["FR", "US", "XK"]


GERMAN = ["Dänemark (DK)", "Deutschland (DE)", "Oman (OM)", "Österreich (AT)", "Pakistan (PK)"]
STAND = """(() => {
    const names = [...document.querySelectorAll(%s)].map(each => each.textContent);
    const places = %s.map(name => names.indexOf(name));
    const rising = places.every((place, n) => n === 0 || places[n - 1] < place);
    return places[0] >= 0 && rising && places[3] === places[2] + 1;
})()"""


def test_countries_stand_in_the_order_of_the_readers_language(browsers: Any, organization: Organization) -> None:
    """German sorts Österreich as if it began with O, and Deutschland after Dänemark (DIN 5007-1)."""
    page = desk(browsers, organization, "admin")
    StaffSettings.objects.create(user=User.objects.get(username="admin"), language="de")
    visit(page, f"/admin/tenants/organization/{organization.pk}/change/")
    for places in ("#id_default_region option", ".tl-several label"):
        until(page, STAND % (json.dumps(places), json.dumps(GERMAN)))
    expect(page.locator("#id_default_region")).to_have_value(organization.default_region)


def test_whoever_comes_back_to_a_form_sees_what_will_be_sent(
    browsers: Any, organization: Organization, tags: list[Tag]
) -> None:
    """Chromium fills a form again between `load` and `pageshow`, after the scripts have looked at it."""
    page = desk(browsers, organization, "admin")
    edit = f"/admin/tenants/organization/{organization.pk}/change/"
    visit(page, edit)
    field = page.locator(".tl-several")
    field.locator("summary").click()
    field.get_by_role("searchbox").fill("kosov")
    field.get_by_role("checkbox", name="Kosovo").check()
    page.keyboard.press("Escape")
    expect(field.get_by_role("checkbox", name="Kosovo")).to_be_hidden()
    page.goto("/admin/")
    page.go_back()
    expect(field.locator("summary")).to_contain_text("Kosovo (XK)")
    visit(page, ADD)
    row = page.locator("[data-rows-body] tr").first
    row.get_by_label("The contact").select_option("tags any")
    row.locator(".tl-part:visible summary").click()
    row.get_by_role("checkbox", name="Tag 3").check()
    expect(row.locator(".tl-part:visible summary")).to_have_text("Tag 3")
    page.goto("/admin/")
    page.go_back()
    expect(row.locator(".tl-part:visible summary")).to_have_text("Tag 3")
    page.get_by_label("Name", exact=False).first.fill("Back")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/segment/")
    [condition] = Segment.objects.get().conditions
    assert condition == {"field": "tags", "is": "any", "value": [str(tags[3].uuid)]}

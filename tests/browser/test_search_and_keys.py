"""Search and keyboard: everything works without a mouse and is announced to screen readers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.models import Call, Status
from campaigns.models import Campaign, Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, a_member, expect, faults_of, fits, sign_in, themed, until
from tests.calls import support

pytestmark = MARKS

NUMBER = "+33612345678"
FIELD = "#search-input-command"
RESULTS = "#command-results"
ANNOUNCED = f"document.querySelector('{FIELD}').getAttribute('aria-activedescendant')"


@pytest.fixture
def calls(organization: Organization, contact: Contact, assistant: Assistant, phone_number: PhoneNumber) -> list[Call]:
    """Three calls to one contact, oldest first."""
    found = []
    for n in range(3):
        found.append(
            support.single(
                phone_number,
                contact.phone,
                customer_name="Ada",
                status=Status.COMPLETED,
                provider_call_id=f"oc_{n}",
                created_at=timezone.now() - timedelta(days=3 - n),
            )
        )
    return found


def opened(page: Any, dialog: str, told: str | None = None) -> None:
    expect(page.locator("dialog[open]"), told).to_have_id(dialog)


def nothing_opened(page: Any) -> None:
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_person_is_found_and_opened_by_keys_alone(signed_in: Any, calls: list[Call], contact: Contact) -> None:
    page = signed_in
    page.keyboard.press("/")
    page.wait_for_selector(f"{FIELD}:focus")
    page.keyboard.insert_text("06 12 34")  # at once: no results of a part of it are shown before
    field, options = page.locator(FIELD), page.locator(f"{RESULTS} [role=option]")
    expect(options.first).to_contain_text("Ada")
    expect(field).to_have_attribute("aria-expanded", "true")
    # The selection is announced; the arrow keys wrap around.
    for key, option in (("ArrowDown", options.first), ("ArrowUp", options.last), ("ArrowDown", options.first)):
        page.keyboard.press(key)
        expect(option).to_have_attribute("aria-selected", "true")
        until(page, f"document.querySelector('{RESULTS} [aria-selected=true]').id === {ANNOUNCED}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/contact/{contact.pk}/change/")


def test_enter_may_come_before_the_results(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.keyboard.press("Control+k")
    page.keyboard.type(str(calls[0].uuid))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/call/{calls[0].pk}/change/")


def test_the_search_closes_and_gives_the_focus_back(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.click("[data-palette]")
    page.fill(FIELD, "zzzz")
    page.wait_for_selector("text=Nothing found for “zzzz”")
    for _ in range(2):  # the first Escape empties the field
        page.keyboard.press("Escape")
    nothing_opened(page)
    expect(page.locator("[data-palette]:focus")).to_have_count(1)
    page.keyboard.press("Control+k")
    opened(page, "palette")
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(RESULTS)).to_have_text("")
    page.mouse.click(5, 5)
    nothing_opened(page)


def test_results_that_come_late_do_not_fill_a_closed_search(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.route("**/admin/search/**", lambda route: None)  # no answer yet
    page.keyboard.press("/")
    with page.expect_request("**/admin/search/**"):
        page.keyboard.insert_text("ada")
    with page.expect_event("requestfailed", lambda request: "/admin/search/" in request.url):
        page.mouse.click(5, 5)
    nothing_opened(page)
    expect(page.locator(RESULTS)).to_have_text("")


def test_another_organization_is_not_found(browser: Any, organization: Organization, calls: list[Call]) -> None:
    other = Organization.objects.create(tenant=organization.tenant, name="Second", default_region="FR")
    a_member(other, "admin", name="otto")
    page = sign_in(browser.new_page(), "otto")
    page.keyboard.press("/")
    page.keyboard.type("0612345678")
    page.wait_for_selector("text=Nothing found for")


def test_rows_are_walked_and_opened(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.goto("/admin/calls/call/")
    rows = "[...document.querySelectorAll('#result_list tbody tr')]"
    chosen = f"{rows}.indexOf(document.activeElement.closest('tr'))"
    until(page, f"{rows}.length === 3 && {chosen} === -1")
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        until(page, f"{chosen} === {row}")
    until(page, "getComputedStyle(document.activeElement.closest('tr')).outlineStyle === 'solid'")  # it is visible
    page.keyboard.press("Escape")
    until(page, f"{chosen} === -1")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/call/{calls[2].pk}/change/")
    # The previous and next call to the same contact.
    page.keyboard.press("p")
    page.wait_for_url(f"**/call/{calls[1].pk}/change/")
    page.keyboard.press("[")
    page.wait_for_url(f"**/call/{calls[0].pk}/change/")
    page.keyboard.press("]")
    page.wait_for_url(f"**/call/{calls[1].pk}/change/")
    page.keyboard.press("n")
    page.wait_for_url(f"**/call/{calls[2].pk}/change/")


def test_keys_rest_while_somebody_types(signed_in: Any, calls: list[Call], contact: Contact) -> None:
    page = signed_in
    page.goto("/admin/calls/call/")
    page.click("#searchbar")
    page.keyboard.type("/?jkpn")
    expect(page.locator("#searchbar")).to_have_value("/?jkpn")
    nothing_opened(page)
    page.goto(f"/admin/campaigns/contact/{contact.pk}/change/")
    page.click("text=Edit contact")
    page.click("#id_consent_evidence")
    page.keyboard.type("/?jk[]")
    expect(page.locator("#id_consent_evidence")).to_have_value("/?jk[]")
    nothing_opened(page)


def test_the_keys_are_listed(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.keyboard.press("?")
    opened(page, "keys")
    expect(page.locator("#keys")).to_contain_text("Next and previous row of a list")
    page.keyboard.press("/")
    opened(page, "keys", "one at a time")
    page.keyboard.press("Escape")
    nothing_opened(page)
    page.click("[data-keys]")
    opened(page, "keys")
    page.click("#keys button")
    nothing_opened(page)


@pytest.mark.parametrize("theme", THEMES)
def test_search_and_keys_can_be_used_by_all(
    browser: Any, organization: Organization, calls: list[Call], theme: str
) -> None:
    Campaign.objects.create(organization=organization, name="Adagio")
    Contact.objects.update(on_hold=True)
    a_member(organization)
    page = browser.new_page()
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": 400, "height": 800})
    sign_in(page)
    themed(page, theme)
    faults = {}
    page.keyboard.press("?")
    opened(page, "keys")
    faults["keys"] = faults_of(page)
    page.keyboard.press("Escape")
    nothing_opened(page)
    page.keyboard.press("/")
    page.keyboard.insert_text("ada")
    page.wait_for_selector(f"{RESULTS} [role=option]")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(f"{RESULTS} [aria-selected=true]")
    faults["search"] = faults_of(page)
    fits(page)
    page.fill(FIELD, "zzzz")
    page.wait_for_selector("text=Nothing found for")
    faults["nothing"] = faults_of(page)
    assert {name: found for name, found in faults.items() if found} == {}


def test_what_is_found_is_only_text(signed_in: Any, contact: Contact) -> None:
    Contact.objects.update(name="<img src=x onerror=alert(1)>")
    page = signed_in
    page.keyboard.press("/")
    page.keyboard.type("<img src=x")
    page.wait_for_selector("text=<img src=x onerror=alert(1)>")
    expect(page.locator(f"{RESULTS} img")).to_have_count(0)

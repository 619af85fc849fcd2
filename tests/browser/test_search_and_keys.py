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
from tests.browser.support import MARKS, THEMES, a_member, faults_of, sign_in, until
from tests.calls import support

pytestmark = MARKS

NUMBER = "+33612345678"
FIELD = "#search-input-command"


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


def open_now(page: Any) -> str:
    found: str = page.evaluate("document.querySelector('dialog[open]')?.id || ''")
    return found


def test_a_person_is_found_and_opened_by_keys_alone(signed_in: Any, calls: list[Call], contact: Contact) -> None:
    page = signed_in
    page.keyboard.press("/")
    page.wait_for_selector(f"{FIELD}:focus")
    page.keyboard.type("06 12 34")
    page.wait_for_selector("#command-results [role=option]")
    assert page.get_attribute(FIELD, "aria-expanded") == "true"
    assert "Ada" in page.text_content("#command-results [role=option]")
    # The selection is announced; the arrow keys wrap around.
    page.keyboard.press("ArrowDown")
    first = page.get_attribute(FIELD, "aria-activedescendant")
    assert page.get_attribute(f"#{first}", "aria-selected") == "true"
    page.keyboard.press("ArrowUp")
    assert page.get_attribute(FIELD, "aria-activedescendant") != first
    page.keyboard.press("ArrowDown")
    assert page.get_attribute(FIELD, "aria-activedescendant") == first
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
    until(page, "!document.querySelector('dialog[open]')")
    assert page.evaluate("document.activeElement.matches('[data-palette]')")
    page.keyboard.press("Control+k")
    assert page.input_value(FIELD) == "" and page.text_content("#command-results").strip() == ""
    page.mouse.click(5, 5)
    until(page, "!document.querySelector('dialog[open]')")


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
    chosen = "document.activeElement.closest('tr')?.rowIndex ?? null"
    rows = [page.evaluate(chosen)]
    for key in ("j", "j", "k", "k"):
        page.keyboard.press(key)
        rows.append(page.evaluate(chosen))
    assert (rows[0], rows[2] > rows[1], rows[3] == rows[1], rows[4] == rows[1]) == (None, True, True, True)
    outline = page.evaluate("getComputedStyle(document.activeElement.closest('tr')).outlineStyle")
    assert outline == "solid", "the row is visible"
    page.keyboard.press("Escape")
    assert page.evaluate(chosen) is None
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
    assert page.input_value("#searchbar") == "/?jkpn"
    assert open_now(page) == ""
    page.goto(f"/admin/campaigns/contact/{contact.pk}/change/")
    page.click("text=Edit contact")
    page.click("#id_consent_evidence")
    page.keyboard.type("/?jk[]")
    assert page.input_value("#id_consent_evidence") == "/?jk[]"
    assert open_now(page) == ""


def test_the_keys_are_listed(signed_in: Any, calls: list[Call]) -> None:
    page = signed_in
    page.keyboard.press("?")
    assert open_now(page) == "keys"
    assert "Next and previous row of a list" in page.text_content("#keys")
    page.keyboard.press("/")
    assert open_now(page) == "keys", "one at a time"
    page.keyboard.press("Escape")
    page.click("[data-keys]")
    assert open_now(page) == "keys"
    page.click("#keys button")
    assert open_now(page) == ""


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
    assert ("dark" in (page.get_attribute("html", "class") or "")) == (theme == "dark")
    faults = {}
    page.keyboard.press("?")
    faults["keys"] = faults_of(page)
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("ada")
    page.wait_for_selector("#command-results [role=option]")
    page.keyboard.press("ArrowDown")
    faults["search"] = faults_of(page)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
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
    assert page.query_selector("#command-results img") is None

"""Undo and Help in a browser: the button beside the message, and the documents, in both themes and without scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from campaigns.models import Contact
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, faults_of, spill_at, visit

pytestmark = MARKS


@pytest.fixture
def contact(organization: Organization) -> Contact:
    return Contact.objects.create(organization=organization, phone="+33612345678", name="Ada")


@pytest.mark.parametrize("theme", THEMES)
def test_a_hold_is_undone_from_its_message(signed_in: Any, contact: Contact, theme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    visit(page, f"/admin/campaigns/contact/{contact.pk}/do/hold/")
    page.click("text=Put on hold")
    expect(page.locator(".tl-done")).to_contain_text("is on hold")
    assert faults_of(page) == []
    assert spill_at(page, 400) <= 0
    page.click(".tl-done >> text=Undo")
    expect(page.locator(".tl-done")).to_contain_text("Undone: the hold of 1 contact")
    expect(page).to_have_url(re.compile(rf"/admin/campaigns/contact/{contact.pk}/change/$"))
    assert not Contact.objects.get().on_hold


def test_it_works_without_scripts(signed_in: Any, browser: Any, live_server: Any, contact: Contact) -> None:
    plain = browser.browser.new_context(
        base_url=live_server.url, java_script_enabled=False, storage_state=signed_in.context.storage_state()
    )
    page = plain.new_page()
    page.goto(f"/admin/campaigns/contact/{contact.pk}/do/hold/")
    page.click("text=Put on hold")
    page.click(".tl-done >> text=Undo")
    expect(page.locator(".tl-done")).to_contain_text("Undone: the hold of 1 contact")
    assert not Contact.objects.get().on_hold
    plain.close()


@pytest.mark.parametrize("theme", THEMES)
def test_help_opens_the_part_that_explains_the_page(signed_in: Any, theme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    visit(page, "/admin/campaigns/donotcall/import/")
    page.click(".tl-help-link")
    expect(page.locator("#do-not-call-list-from-a-file")).to_be_in_viewport()
    for path in ("/docs/importing/", "/docs/api/", "/docs/"):
        visit(page, path)
        assert faults_of(page) == [], path
        assert spill_at(page, 400) <= 0, path

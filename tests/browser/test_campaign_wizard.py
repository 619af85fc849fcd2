"""A campaign is created step by step in a browser, from a new list to the start, mistakes included."""

from __future__ import annotations

import os
import re
from io import BytesIO
from typing import Any

import pytest

from campaigns.imports import job, upload
from campaigns.models import Campaign, ContactList
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, WIDTHS, expect, faults_of, spill_at, without_scripts
from tests.conftest import an_account, an_assistant

pytestmark = MARKS
CSV = b"Mobile;Full name;Slot\n06 12 34 56 01;Claire;9:30\n06 12 34 56 02;Hugo;\n"
STEP = "Save and continue"


@pytest.fixture
def house(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> ContactList:
    """Two assistants of two accounts, and a list with two imported contacts."""
    assistant.variables = [{"name": "slot", "required": True, "description": "The time", "example": "9:30"}]
    assistant.save()
    an_assistant(an_account(organization, name="Other account"), name="Second")
    ProviderAccount.objects.update(price_per_minute="0.10", price_per_minute_currency="USD")
    people = ContactList.objects.create(organization=organization, name="December")
    row = upload.start_import(people, BytesIO(CSV), "people.csv")
    while not job.run_step(row.pk):
        pass
    assert len(people.contacts.all()) == 2
    return people


def look(page: Any, name: str, theme: str) -> None:
    """Check that the page fits a desktop and a phone, and that axe finds nothing."""
    folder = os.environ.get("SCREENSHOTS")
    page.evaluate("theme => document.documentElement.classList.toggle('dark', theme === 'dark')", theme)
    for width in reversed(WIDTHS):
        assert spill_at(page, width) <= 0, (name, width)
        if folder:
            page.screenshot(path=f"{folder}/{name}-{theme}-{width}.png", full_page=True)
    assert faults_of(page) == [], (name, theme)


@pytest.mark.parametrize("theme", THEMES)
def test_a_campaign_is_made_step_by_step(signed_in: Any, house: ContactList, theme: str) -> None:
    page = signed_in
    page.goto("/admin/campaigns/campaign/")
    page.click("text=New campaign")
    # Contacts.
    page.click(f"text={STEP}")
    page.wait_for_selector("text=Nothing was saved.")
    look(page, "1-whom-error", theme)
    page.fill("input[name=name]", "Reminders")
    expect(page.locator(f"#count-{house.pk}")).to_have_text("2")
    page.check("text=December")
    page.wait_for_selector("text=All of them may be called.")
    look(page, "1-whom", theme)
    page.click(f"text={STEP}")
    # Assistant.
    page.wait_for_selector("text=First choose an assistant")
    look(page, "2-what-empty", theme)
    page.select_option("select[name=assistant]", label="Reminder")
    page.wait_for_selector("text=01 42 00 00 01")
    expect(page.locator("input[name=variables-0-name]")).to_have_value("slot")
    page.wait_for_selector("text=Will not be called: slot is missing.")
    page.fill("input[name=variables-0-value]", "at {{ contact.variables.Slot }")
    page.wait_for_selector("section, .tl-bad >> text=is not understood")
    page.click(f"text={STEP}")
    page.wait_for_selector("text=Nothing was saved.")
    look(page, "2-what-error", theme)
    page.fill("input[name=variables-0-value]", 'at {{ contact.variables.slot|default:"noon" }}')
    page.wait_for_selector("text=at noon")
    page.check("text=01 42 00 00 01")
    look(page, "2-what", theme)
    page.click(f"text={STEP}")
    # Schedule.
    page.wait_for_selector("text=Within the legal calling hours.")
    page.fill("input[name=windows-0-opens]", "nine")
    page.click(f"text={STEP}")
    page.wait_for_selector("text=Write it like 09:00")
    look(page, "3-when-error", theme)
    page.fill("input[name=windows-0-opens]", "11:00")
    page.click("text=Add a window")
    page.locator("input[name=windows-1-days]").nth(5).check()
    page.fill("input[name=windows-1-opens]", "10:00")
    page.fill("input[name=windows-1-closes]", "16:00")
    page.wait_for_selector("text=Within the legal calling hours.")
    look(page, "3-when", theme)
    page.click(f"text={STEP}")
    # Limits.
    page.wait_for_selector("text=Retries")
    page.fill("input[name=max_attempts]", "0")
    page.click(f"text={STEP}")
    page.wait_for_selector("text=Nothing was saved.")
    look(page, "4-limits-error", theme)
    page.fill("input[name=max_attempts]", "3")
    page.select_option("select[name=retry_rules-0-outcome]", label="Busy")
    page.fill("input[name=budget]", "5")
    page.select_option("select[name=budget_currency]", "EUR")
    look(page, "4-limits", theme)
    page.click(f"text={STEP}")
    # Review: each problem has a link to the step that fixes it.
    page.wait_for_selector(".tl-blockers >> text=Before it can start")
    look(page, "5-check-error", theme)
    start = page.locator(".tl-steps [aria-disabled=true]")
    expect(start).to_have_text(re.compile("Start calling now$"))
    expect(start).to_have_accessible_description("Not yet: see “Before it can start”.")
    page.locator(".tl-blockers a", has_text="Step 4").first.click()
    page.select_option("select[name=budget_currency]", "USD")
    page.click(f"text={STEP}")
    page.wait_for_selector("a:has-text('Start calling now')")
    page.wait_for_selector("text=Estimated finish")
    look(page, "5-check", theme)
    page.click("text=Keep as a draft")
    page.wait_for_selector("text=Continue with step 5: Review")
    look(page, "6-draft", theme)
    page.click("text=Continue with step 5: Review")
    page.click("text=Start calling now")
    page.click("button:has-text('Start calling')")
    page.wait_for_selector("text=is running")
    made = Campaign.objects.get()
    assert (made.status, made.name, made.variables) == (
        "running",
        "Reminders",
        {"slot": 'at {{ contact.variables.slot|default:"noon" }}'},
    )
    assert [row.as_window().text for row in made.windows.all()] == [
        "11:00-19:00",
        "10:00-16:00",
    ]
    assert (made.retry_rules.get().outcome, made.budget_currency) == ("busy", "USD")
    # Copy the campaign.
    page.click("text=Copy as a new campaign")
    page.click("text=Create the copy")
    page.wait_for_selector("text=Which contacts do you want to call?")
    expect(page.locator("input[name=name]")).to_have_value("Copy of Reminders")


@pytest.mark.parametrize("theme", THEMES)
def test_a_test_call_is_ordered_from_the_step_where_the_text_is_written(
    signed_in: Any, house: ContactList, theme: str
) -> None:
    made = Campaign.objects.create(organization=house.organization, name="Reminders", drafted_through=1)
    made.contact_lists.add(house)
    page = signed_in
    page.goto(f"/admin/campaigns/campaign/{made.pk}/steps/what/")
    page.select_option("select[name=assistant]", label="Reminder")
    page.check("text=01 42 00 00 01")
    page.fill("input[name=variables-0-value]", "noon")
    page.fill("input[name=test_number]", "06 99 00 00 01")
    # The Enter key saves the form; it does not place a call.
    page.press("input[name=test_number]", "Enter")
    page.wait_for_selector("text=When may contacts be called?")
    page.go_back()
    page.fill("input[name=test_number]", "06 99 00 00 01")
    page.click("text=Save, and call me now")
    page.wait_for_selector("text=The test call is queued.")
    look(page, "7-test-call", theme)
    page.click("text=Open the call")
    page.wait_for_selector("text=The call waits for its turn")


def test_the_steps_work_without_scripts(signed_in: Any, house: ContactList) -> None:
    page = without_scripts(signed_in)
    page.goto("/admin/campaigns/campaign/add/")
    page.fill("input[name=name]", "Reminders")
    page.check("text=December")
    page.click(f"text={STEP}")
    page.select_option("select[name=assistant]", label="Reminder")
    page.click("button[name=_show]")
    page.fill("input[name=variables-0-value]", "noon")
    page.check("text=01 42 00 00 01")
    for step in ("when", "limits"):
        page.click(f"text={STEP}")
        page.wait_for_url(f"**/steps/{step}/")
    page.click(f"text={STEP}")
    page.click("text=Start calling now")
    page.click("button:has-text('Start calling')")
    page.wait_for_selector("text=is running")
    assert Campaign.objects.get().status == "running"

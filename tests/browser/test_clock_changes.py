"""The two nights on which clocks change, in a browser: one time does not exist, another occurs twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from campaigns.models import Campaign, Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, THEMES_OF_PROOFS, expect
from tests.browser.test_campaign_wizard import look
from tests.calls import support

pytestmark = MARKS
# The last Sundays of March and October (directive 2000/84/EC), far enough away for any date on which this runs.
SPRING, AUTUMN = "2098-03-30", "2098-10-26"


@pytest.mark.parametrize("theme", THEMES)
def test_a_hold_ends_at_the_second_half_past_two(signed_in: Any, contact: Contact, theme: str) -> None:
    page = signed_in
    page.goto(f"/admin/campaigns/contact/{contact.pk}/do/hold/")
    page.fill("input[name=until]", f"{SPRING}T02:30")
    page.click("button[type=submit] >> text=Put on hold")
    page.wait_for_selector("text=02:30 does not exist on 30 March 2098 in Europe/Paris")
    expect(page.locator("form.tl-card")).to_contain_text("Write 01:59 or 03:00.")
    expect(page.locator(".tl-which")).to_have_count(0)
    look(page, "hold-spring", theme)
    page.fill("input[name=until]", f"{AUTUMN}T02:30")
    page.press("input[name=until]", "Enter")
    page.wait_for_selector("text=02:30 occurs twice on 26 October 2098 in Europe/Paris")
    look(page, "hold-autumn", theme)
    # With the keyboard alone.
    question = page.get_by_role("group", name="Which 02:30 on 26 October 2098?")
    second = question.get_by_role("radio", name="The second, after clocks go back (CET, UTC+1)")
    question.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    expect(second).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=until 26 Oct 2098 02:30 UTC+1")
    contact.refresh_from_db()
    assert contact.hold_until == datetime(2098, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("theme", THEMES_OF_PROOFS)
def test_a_campaign_starts_at_the_first_and_ends_at_the_second_half_past_two(
    signed_in: Any, organization: Organization, assistant: Assistant, phone_number: PhoneNumber, theme: str
) -> None:
    draft = support.campaign(phone_number, support.people(organization, ["+33612345601"]), status="draft")
    page = signed_in
    address = f"/admin/campaigns/campaign/{draft.pk}/steps/when/"
    page.goto(address)
    for name in ("starts_at", "ends_at"):
        page.fill(f"input[name={name}_0]", AUTUMN)
        page.fill(f"input[name={name}_1]", "02:30")
    page.click("text=Save and continue")
    page.wait_for_selector("text=Nothing was saved.")
    expect(page.get_by_text("02:30 occurs twice on 26 October 2098")).to_have_count(2)
    look(page, "when-autumn", theme)
    page.locator("input[name=starts_at_offset]").first.check()
    page.locator("input[name=ends_at_offset]").last.check()
    page.click("text=Save and continue")
    page.wait_for_url("**/steps/limits/")
    moments = datetime(2098, 10, 26, 0, 30, tzinfo=UTC), datetime(2098, 10, 26, 1, 30, tzinfo=UTC)
    for _ in range(2):  # opened and saved again unchanged
        found = Campaign.objects.get()
        assert (found.starts_at, found.ends_at) == moments
        page.goto(address)
        expect(page.locator("input[name=starts_at_offset]").first).to_be_checked()
        expect(page.locator("input[name=ends_at_offset]").last).to_be_checked()
        page.click("text=Save and continue")
        page.wait_for_url("**/steps/limits/")
    page.goto(address)
    look(page, "when-chosen", theme)
    page.fill("input[name=starts_at_0]", SPRING)
    page.click("text=Save and continue")
    page.wait_for_selector("text=02:30 does not exist on 30 March 2098 in Europe/Paris")
    look(page, "when-spring", theme)
    assert Campaign.objects.get().starts_at == moments[0]

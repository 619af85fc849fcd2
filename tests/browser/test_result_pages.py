"""Results by field and two campaigns compared, in a browser: charts, columns, the choice of fields, hostile results."""

from __future__ import annotations

import random
from typing import Any

import pytest
from playwright.sync_api import expect

from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, WIDTHS, faults_of, settled, spill_at, visit
from tests.calls.test_api_calls import a_call

pytestmark = MARKS
HOSTILE = {
    '<img src=x onerror="document.title=1">': "<script>document.title=1</script>",
    "רמת שביעות רצון": "מאוד",
    "a" * 100: "b" * 60,
    "text": "{{ 7*7 }} " * 40,
}


def answered(organization: Organization, assistant: Assistant, number: PhoneNumber, name: str, n: int) -> Campaign:
    """Return a finished campaign whose recipients all answered, with results of every kind."""
    dice = random.Random(name)
    made = Campaign.objects.create(organization=organization, name=name, assistant=assistant, status="finished")
    for place in range(n):
        contact = Contact.objects.create(
            organization=organization, phone=f"+336{made.pk % 100:02d}{place:06d}", name=f"Ada {place}"
        )
        row = Recipient.objects.create(campaign=made, contact=contact, status="done", outcome="completed", attempts=1)
        said: dict[str, Any] = {
            "confirmed": dice.random() < 0.7,
            "plan": dice.choice(("Basic", "Plus", "Premium, paid by the year")),
            "visit": {"minutes": round(dice.gauss(40, 12), 1)},
            "rating": dice.randrange(1, 6),
            **(HOSTILE if place % 2 else {}),
        }
        a_call(assistant, number, contact.phone, campaign=made, recipient=row, result=said, duration_seconds=60 + place)
    return made


@pytest.fixture
def campaigns(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> tuple[Campaign, Campaign]:
    spring = answered(organization, assistant, phone_number, "Spring", 30)
    return spring, answered(organization, assistant, phone_number, "Autumn, with a name of several words", 20)


def results_tab(campaign: Campaign) -> str:
    return f"/admin/campaigns/campaign/{campaign.pk}/change/?tab=results"


def test_results_are_shown_by_field_and_by_recipient(signed_in: Any, campaigns: tuple[Campaign, Campaign]) -> None:
    page = signed_in
    visit(page, results_tab(campaigns[0]))
    cards = page.locator("#result-figures .tl-card")
    expect(cards).to_have_count(8)
    expect(cards.filter(has_text="confirmed").locator("tbody tr")).to_have_count(2)
    expect(page.locator("#result-rows tbody tr")).to_have_count(25)
    page.click("#results-older")
    expect(page.locator("#result-rows tbody tr")).to_have_count(5)
    expect(page).not_to_have_title("1")
    page.click("#choose-fields")
    row = page.locator(".tl-rows tbody tr").filter(has_text="rating")
    row.get_by_label("Title").fill("How they liked it")
    row.get_by_label("Order").fill("0")
    row.get_by_label("Kind").select_option("choice")
    page.click("text=Save fields")
    page.wait_for_url("**/change/?tab=results")
    expect(cards.first).to_contain_text("How they liked it")
    expect(cards.first).to_contain_text("Choice, 30 values")


def test_two_campaigns_of_the_list_are_compared(signed_in: Any, campaigns: tuple[Campaign, Campaign]) -> None:
    page = signed_in
    visit(page, "/admin/campaigns/campaign/")
    for campaign in campaigns:
        page.check(f"input[name=_selected_action][value='{campaign.pk}']")
    page.select_option("select[name=action]", "compare")
    page.locator("button[name=index]:visible, button[type=submit]:visible", has_text="Run").first.click()
    page.wait_for_url("**/compare/?a=*")
    expect(page.locator("#comparison tbody tr")).to_have_count(4)
    expect(page.locator("#comparison")).to_contain_text("30 of 30")
    visit(page, results_tab(campaigns[0]))
    page.click("#compare")
    page.select_option("#compare-b", str(campaigns[1].pk))
    page.click("#compare-form button")
    page.wait_for_url("**/compare/?a=*&b=*")
    expect(page.locator("#comparison")).to_contain_text("20 of 20")


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_are_for_everybody(signed_in: Any, campaigns: tuple[Campaign, Campaign], theme: Any) -> None:
    page, (a, b) = signed_in, campaigns
    page.emulate_media(color_scheme=theme)
    for address in (
        results_tab(a),
        f"/admin/campaigns/campaign/{a.pk}/result-fields/",
        f"/admin/campaigns/campaign/compare/?a={a.pk}&b={b.pk}",
    ):
        visit(page, address)
        for width in WIDTHS:
            assert spill_at(page, width) <= 0, address
            settled(page)
            assert faults_of(page) == [], address


def test_without_scripts_the_results_are_pages(
    signed_in: Any, browser: Any, live_server: Any, campaigns: tuple[Campaign, Campaign]
) -> None:
    plain = browser.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.add_cookies(browser.cookies())
    found = plain.new_page()
    found.goto(results_tab(campaigns[0]))
    found.click("a[href*='/result_rows/?alone']")
    expect(found.locator("#result-rows tbody tr")).to_have_count(25)
    found.click("#results-older")
    expect(found.locator("#result-rows tbody tr")).to_have_count(5)
    found.goto(results_tab(campaigns[0]))
    found.click("a[href*='/result_figures/?alone']")
    expect(found.locator("#result-figures progress")).not_to_have_count(0)
    plain.close()

"""A campaign's page in a browser: its recipients, their explanations beside the page, and its refreshes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.browser.support import (
    BEAT,
    MARKS,
    THEMES,
    answered,
    expect,
    faults_of,
    fits,
    refreshed,
    settled,
    until,
    without_scripts,
)
from tests.calls import support

pytestmark = MARKS
HOSTILE = (
    '<img src=x onerror="document.title=1">',
    '"><script>document.title=1</script>',
    "{{ 7*7 }}${7*7}",
    "javascript:document.title=1",
    "<svg/onload=document.title=1>",
)


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    """Ten recipients: five are done, three wait until tomorrow, two are due."""
    numbers = [f"+3361234{n:04d}" for n in range(10)]
    made = support.campaign(phone_number, support.people(organization, numbers, name="Ada"), status="running")
    Campaign.objects.filter(pk=made.pk).update(launched_at=timezone.now(), started_at=timezone.now())
    tomorrow = timezone.now() + timedelta(days=1)
    for number, contact in enumerate(Contact.objects.order_by("pk")):
        fields: dict[str, Any] = {"status": "pending"}
        if number < 5:
            fields = {"status": "done", "outcome": "completed", "attempts": 1}
        elif number < 8:
            fields = {"status": "waiting", "reason": "busy", "next_attempt_at": tomorrow}
        Recipient.objects.create(campaign=made, contact=contact, **fields)
    return made


@pytest.fixture
def page(signed_in: Any, campaign: Campaign) -> Any:
    signed_in.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/?tab=recipients")
    signed_in.wait_for_selector("#people table")
    return signed_in


TABS = ("overview", "recipients", "results", "settings", "history")


def test_each_tab_has_an_address_that_back_and_reload_keep(page: Any, campaign: Campaign) -> None:
    for tab in TABS:
        page.click(f"#tab-{tab}")
        page.wait_for_url(f"**/change/?tab={tab}")
        page.wait_for_selector(f"#tab-{tab}[aria-current=page]")
        expect(page.locator(".tl-tabs [aria-current]")).to_have_count(1)
    expect(page.locator("#campaign_form")).to_have_count(0)
    page.go_back()
    page.wait_for_selector("#tab-settings[aria-current=page]")
    expect(page.locator("#campaign_form")).to_have_count(1)
    page.reload()
    page.wait_for_selector("#tab-settings[aria-current=page]")
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/#history")
    page.wait_for_url("**/change/?tab=history")
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/?status=waiting")
    page.wait_for_selector("#tab-recipients[aria-current=page]")
    shows(page, 3, "an address from before there were tabs")


def test_the_overview_fits_one_screen(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.click("#tab-overview")
    page.wait_for_selector("#idle")
    settled(page)
    until(page, "document.documentElement.scrollHeight <= window.innerHeight")
    for text in ("Pause", "Running", "5 of 10 recipients done", "answered", "spent", "Why no more recipients"):
        expect(page.locator("body")).to_contain_text(text, ignore_case=True, use_inner_text=True)


def test_without_scripts_the_tabs_show_what_they_have(page: Any) -> None:
    plain = without_scripts(page)
    plain.goto(page.url)
    shows(plain, 10)
    plain.click("#people-status-waiting")
    shows(plain, 3)
    plain.click("#tab-overview")
    expect(plain.locator("#idle")).to_have_count(1)
    plain.click("#tab-results")
    plain.click("a[href*='/figures/?alone']")
    plain.wait_for_url("**/figures/?alone*")
    expect(plain.locator("#nav-sidebar-inner, nav").first).to_be_attached()


def shows(page: Any, recipients: int, told: str | None = None) -> None:
    expect(page.locator("#people tbody tr"), told).to_have_count(recipients)


def recipients_refreshed(page: Any) -> None:
    refreshed(page, "#people", "**/people/**")


def test_filters_outlast_a_refresh_and_a_reload(page: Any) -> None:
    shows(page, 10)
    page.click("#people-status-waiting")
    page.wait_for_selector("#people-status-waiting.tl-on")
    shows(page, 3)
    expect(page).to_have_url(re.compile("status=waiting"))
    expect(page.locator("#people tbody tr", has_text="the line was busy")).to_have_count(3)
    Contact.objects.update(name="Renamed")
    page.wait_for_selector("#people >> text=Renamed")
    shows(page, 3, "the refresh kept the filter")
    page.reload()
    page.wait_for_selector("#people-status-waiting.tl-on")
    shows(page, 3)
    page.click("text=Clear all filters")
    page.wait_for_selector("#people-status-waiting:not(.tl-on)")
    shows(page, 10)
    expect(page).not_to_have_url(re.compile("status"))


def test_the_keyboard_keeps_its_place_through_a_refresh(page: Any) -> None:
    page.focus("#people-status-done")
    page.keyboard.press("Enter")
    page.wait_for_selector("#people-status-done.tl-on")
    recipients_refreshed(page)
    expect(page.locator("#people-status-done")).to_be_focused()


def test_an_explanation_opens_beside_the_page_and_gives_the_focus_back(page: Any) -> None:
    link = page.locator("#people a[data-drawer]").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer .tl-checks")
    until(page, "document.getElementById('drawer').contains(document.activeElement)")
    expect(page.locator("#drawer-title")).to_have_text("Ada +33612340009")
    expect(page.locator("#drawer .tl-checks li").nth(8)).to_be_attached()
    recipients_refreshed(page)
    expect(page.locator("#drawer"), "a refresh leaves it open").to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_selector("#drawer", state="hidden")
    expect(link).to_be_focused()
    expect(page.locator("#drawer-body"), "nothing refreshes itself behind the page").to_be_empty()
    # With the mouse, closed by a click beside it.
    link.click()
    page.wait_for_selector("#drawer .tl-checks")
    page.mouse.click(20, 300)
    page.wait_for_selector("#drawer", state="hidden")
    link.click()
    page.click("#drawer >> text=Close")
    page.wait_for_selector("#drawer", state="hidden")


def test_the_drawer_follows_what_happens(page: Any) -> None:
    page.locator("#people a[data-drawer]").first.click()
    page.wait_for_selector("#drawer .tl-checks")
    Campaign.objects.update(status="paused")
    page.wait_for_selector("#drawer >> text=The campaign is paused.")


def test_an_explanation_that_comes_late_does_not_fill_a_closed_drawer(page: Any) -> None:
    page.route("**/explain/**", lambda route: None)  # no answer yet
    with page.expect_request("**/explain/**"):
        page.locator("#people a[data-drawer]").first.click()
    with page.expect_event("requestfailed", lambda request: "/explain/" in request.url):
        page.keyboard.press("Escape")
    page.wait_for_selector("#drawer", state="hidden")
    expect(page.locator("#drawer-body")).to_be_empty()


def test_a_click_that_begins_before_a_refresh_and_ends_after_it_is_not_lost(page: Any) -> None:
    page.hover("#people-status-waiting")
    held: list[Any] = []
    page.route("**/people/**", lambda route: held.append(route), times=1)
    with page.expect_request("**/people/**"):
        pass
    page.mouse.down()
    with answered(page, "/people/"):
        held[0].continue_()
    page.mouse.up()
    page.wait_for_selector("#people-status-waiting.tl-on")
    shows(page, 3)
    recipients_refreshed(page)


def test_the_list_of_recipients_explains_too(page: Any, campaign: Campaign) -> None:
    page.goto(f"/admin/campaigns/recipient/?campaign__id__exact={campaign.pk}&reason=busy")
    expect(page.locator("a[data-drawer]")).to_have_count(3)
    page.locator("a[data-drawer]").first.click()
    page.wait_for_selector("#drawer >> text=Must wait")
    assert faults_of(page) == []


def test_without_scripts_the_explanation_is_a_page(page: Any) -> None:
    plain = without_scripts(page)
    plain.goto(page.url)
    plain.locator("#people a[data-drawer]").first.click()
    plain.wait_for_url("**/explain/**")
    expect(plain.locator(".tl-checks li").nth(8)).to_be_attached()


def test_a_page_out_of_sight_asks_for_nothing(page: Any) -> None:
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {configurable: true, get: function () { return true; }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    settled(page)  # requests that were on their way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2.3 * BEAT)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    recipients_refreshed(page)


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_for_everybody_and_fits_a_telephone(page: Any, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        page.reload()
        settled(page)
        page.wait_for_selector("#people table")
        fits(page)
        if width == 1280:  # the address restores the filter at the other width
            page.click("#people-status-done")
        page.wait_for_selector("#people-status-done.tl-on")
        assert faults_of(page) == [], (theme, width)
        page.locator("#people a[data-drawer]").first.click()
        page.wait_for_selector("#drawer .tl-checks")
        assert faults_of(page) == [], (theme, width, "drawer")
        page.keyboard.press("Escape")


def test_names_never_run(page: Any, campaign: Campaign) -> None:
    for recipient, text in zip(Recipient.objects.select_related("contact").order_by("-pk"), HOSTILE, strict=False):
        Contact.objects.filter(pk=recipient.contact_id).update(name=text)
        Recipient.objects.filter(pk=recipient.pk).update(status="done", outcome="failed", reason=text)
    page.reload()
    for text in HOSTILE:
        expect(page.locator("#people")).to_contain_text(text, use_inner_text=True)
    for number, text in enumerate(HOSTILE):
        page.locator("#people a[data-drawer]").nth(number).click()
        expect(page.locator("#drawer-title")).to_contain_text(text, use_inner_text=True)
        page.wait_for_selector("#drawer .tl-checks")
        page.keyboard.press("Escape")
        page.wait_for_selector("#drawer", state="hidden")
    expect(page).not_to_have_title("1")  # as each of them would make it
    expect(page.locator("#people img, #people script, #people svg")).to_have_count(0)

"""A campaign's page in a browser: its recipients, their explanations beside the page, and its refreshes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.browser.support import BEAT, MARKS, THEMES, faults_of, settled, until
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
        assert page.locator(".tl-tabs [aria-current]").count() == 1
    assert page.locator("#campaign_form").count() == 0
    page.go_back()
    page.wait_for_selector("#tab-settings[aria-current=page]")
    assert page.locator("#campaign_form").count() == 1
    page.reload()
    page.wait_for_selector("#tab-settings[aria-current=page]")
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/#history")
    page.wait_for_url("**/change/?tab=history")
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/?status=waiting")
    page.wait_for_selector("#tab-recipients[aria-current=page]")
    assert rows(page) == 3, "an address from before there were tabs"


def test_the_overview_fits_one_screen(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.click("#tab-overview")
    page.wait_for_selector("#idle")
    settled(page)
    assert page.evaluate("document.documentElement.scrollHeight - window.innerHeight") <= 0
    for text in ("Pause", "Running", "5 of 10 recipients done", "answered", "spent", "Why no more recipients"):
        assert text.lower() in page.locator("#content-main, main, body").first.inner_text().lower(), text


def test_without_scripts_the_tabs_show_what_they_have(page: Any, browser: Any, live_server: Any) -> None:
    address = page.url
    plain = browser.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.add_cookies(browser.cookies())
    found = plain.new_page()
    found.goto(address)
    assert rows(found) == 10
    found.click("#people-status-waiting")
    assert rows(found) == 3
    found.click("#tab-overview")
    assert found.locator("#idle").count() == 1
    found.click("#tab-results")
    found.click("a[href*='/figures/?alone']")
    assert "/figures/?alone" in found.url and found.locator("#nav-sidebar-inner, nav").count()
    plain.close()


def rows(page: Any) -> int:
    return int(page.locator("#people tbody tr").count())


def refreshed(page: Any, timeout: int = 10_000) -> None:
    """Wait until the page has fetched the recipients again."""
    with page.expect_response(lambda answer: "/people/" in answer.url, timeout=timeout):
        pass
    page.wait_for_selector("#people:not(.htmx-request):not(.htmx-settling)")


def test_filters_outlast_a_refresh_and_a_reload(page: Any) -> None:
    assert rows(page) == 10
    page.click("#people-status-waiting")
    page.wait_for_selector("#people-status-waiting.tl-on")
    assert rows(page) == 3 and "status=waiting" in page.url
    assert page.locator("#people").inner_text().count("the line was busy") == 3
    Contact.objects.update(name="Renamed")
    page.wait_for_selector("#people >> text=Renamed", timeout=15_000)
    assert rows(page) == 3, "the refresh kept the filter"
    page.reload()
    page.wait_for_selector("#people-status-waiting.tl-on")
    assert rows(page) == 3
    page.click("text=Clear all filters")
    page.wait_for_selector("#people-status-waiting:not(.tl-on)")
    assert rows(page) == 10 and "status" not in page.url


def test_the_keyboard_keeps_its_place_through_a_refresh(page: Any) -> None:
    page.focus("#people-status-done")
    page.keyboard.press("Enter")
    page.wait_for_selector("#people-status-done.tl-on")
    refreshed(page)
    assert page.evaluate("document.activeElement.id") == "people-status-done"


def test_an_explanation_opens_beside_the_page_and_gives_the_focus_back(page: Any) -> None:
    link = page.locator("#people a[data-drawer]").first
    opener = link.get_attribute("id")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer .tl-checks")
    assert page.evaluate("document.getElementById('drawer').contains(document.activeElement)")
    assert page.locator("#drawer-title").inner_text() == "Ada +33612340009"
    assert page.locator("#drawer .tl-checks li").count() > 8
    refreshed(page)
    assert page.locator("#drawer").is_visible(), "a refresh leaves it open"
    page.keyboard.press("Escape")
    page.wait_for_selector("#drawer", state="hidden")
    until(page, f"document.activeElement.id === '{opener}'")
    assert page.locator("#drawer-body").inner_text() == "", "nothing refreshes itself behind the page"
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
    page.wait_for_selector("#drawer >> text=The campaign is paused.", timeout=15_000)


def test_the_list_of_recipients_explains_too(page: Any, campaign: Campaign) -> None:
    page.goto(f"/admin/campaigns/recipient/?campaign__id__exact={campaign.pk}&reason=busy")
    assert page.locator("a[data-drawer]").count() == 3
    page.locator("a[data-drawer]").first.click()
    page.wait_for_selector("#drawer >> text=Must wait")
    assert faults_of(page) == []


def test_without_scripts_the_explanation_is_a_page(page: Any, browser: Any, live_server: Any) -> None:
    address = page.locator("#people a[data-drawer]").first.get_attribute("href")
    plain = browser.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.add_cookies(browser.cookies())
    found = plain.new_page()
    found.goto(address)
    assert found.locator(".tl-checks li").count() > 8
    plain.close()


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
    refreshed(page)


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_for_everybody_and_fits_a_telephone(page: Any, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        page.reload()
        settled(page)
        page.wait_for_selector("#people table")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, width
        if not page.locator("#people-status-done.tl-on").count():  # the address restores the filter of the other width
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
    page.wait_for_selector("#people table")
    title = page.title()
    for text in HOSTILE:
        assert text in page.locator("#people").inner_text()
    for number in range(len(HOSTILE)):
        page.locator("#people a[data-drawer]").nth(number).click()
        page.wait_for_selector("#drawer .tl-checks")
        assert HOSTILE[number] in page.locator("#drawer-title").inner_text()
        page.keyboard.press("Escape")
    assert page.title() == title and page.locator("#people img, #people script, #people svg").count() == 0

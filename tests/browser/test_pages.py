"""The back office in a browser: it works, without console errors or requests to other hosts, and is accessible.

Chromium reports violations of the content security policy in the console, so each one fails the test that causes it.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from calls.models import Call
from campaigns.models import Contact, ContactList, Tag
from providers.models import Assistant, PhoneNumber
from tenants.models import ApiKey, Organization
from tests.browser.support import MARKS, expect, faults_of, fits, themed, until, visit
from tests.calls import support

pytestmark = MARKS


def test_a_call_is_launched_in_a_browser(signed_in: Any, assistant: Assistant, phone_number: PhoneNumber) -> None:
    assistant.variables = [{"name": "slot", "required": True, "example": "9:30"}]
    assistant.save()
    Assistant.objects.create(
        organization=assistant.organization, account=assistant.account, name="Second", external_id="s"
    )
    page = signed_in
    page.click("text=Launch a call")
    page.select_option("select[name=assistant]", str(assistant.pk))
    page.wait_for_selector("input[name=variable-slot]")
    page.fill("#find", "06 12 34 56 78")
    page.click("#found >> text=this number alone")
    page.wait_for_selector(".tl-whom >> text=06 12 34 56 78 (FR)")
    page.fill("input[name=variable-slot]", "Monday")
    page.click("text=Check without calling")
    page.wait_for_selector("[role=status] >> text=The call would be placed at once.")  # the panel beside says it before
    page.click("text=Place the call")
    page.wait_for_selector("text=The call waits for its turn")
    call = Call.objects.get()
    assert call.dynamic_variables == {"slot": "Monday"}
    # The page refreshes while the call runs.
    Call.objects.update(customer_name="Renamed meanwhile")
    page.wait_for_selector("text=Renamed meanwhile")


def test_pages_are_quiet_and_fit_a_telephone(signed_in: Any, assistant: Assistant, phone_number: PhoneNumber) -> None:
    page = signed_in
    page.set_viewport_size({"width": 400, "height": 800})
    for path in (
        "/admin/",
        "/admin/calls/call/",
        "/admin/calls/call/launch/",
        "/admin/campaigns/campaign/add/",
        "/admin/campaigns/contactlist/",
        "/admin/providers/provideraccount/add/?provider=polyai",
        f"/admin/providers/assistant/{assistant.pk}/change/",
    ):
        visit(page, path)
        fits(page)


IN_ORDER = """(() => {
    const buttons = [...document.querySelectorAll("#submit-row :is(a, button)")];
    const words = buttons.map(each => each.textContent.trim().split(/\\s/)[0]);
    const places = buttons.map(each => each.getBoundingClientRect().%s);
    return words[0] === "Save" && words.indexOf("Delete") === words.length - 1
        && places.every((place, n) => n === 0 || places[n - 1] < place);
})()"""


@pytest.mark.parametrize("width", [1280, 400])
def test_what_destroys_comes_last(
    signed_in: Any, phone_number: PhoneNumber, organization: Organization, width: int
) -> None:
    """For the eye and for the Tab key, under every form: Save, the other ways to save, and Delete."""
    page = signed_in
    page.set_viewport_size({"width": width, "height": 900})
    people = ContactList.objects.create(organization=organization, name="December")
    tag = Tag.objects.create(organization=organization, name="VIP")
    for path in (
        f"/admin/providers/phonenumber/{phone_number.pk}/change/",
        f"/admin/campaigns/contactlist/{people.pk}/change/",
        f"/admin/campaigns/tag/{tag.pk}/change/",
    ):
        page.goto(path)
        until(page, IN_ORDER % ("y" if width == 400 else "x"))


WHOLE = """[...document.querySelectorAll("#header-inner h1, #header-inner h1 *, .tl-scroll")].every(each =>
    getComputedStyle(each).display === "inline" || each.scrollWidth <= each.clientWidth + 1)"""


def test_headings_and_the_legal_hours_are_not_cut_off_on_a_phone(signed_in: Any, phone_number: PhoneNumber) -> None:
    PhoneNumber.objects.update(label="Front desk of the dental clinic in the old town")
    page = signed_in
    page.set_viewport_size({"width": 400, "height": 900})
    for path in (f"/admin/providers/phonenumber/{phone_number.pk}/change/", "/admin/calls/call/legal-hours/"):
        visit(page, path)
        until(page, WHOLE)
        fits(page)


def test_numbers_are_added_to_a_contact_one_by_one(signed_in: Any) -> None:
    page = signed_in
    page.goto("/admin/campaigns/contact/add/")
    rows = page.locator("input[name^=further_numbers-][name$=-phone]")
    expect(rows).to_have_count(1)
    page.fill("input[name=phone]", "06 12 34 56 78")
    page.fill("input[name=further_numbers-0-phone]", "01 42 34 56 78")
    for number in (1, 2, 3):
        page.click("text=Add another number")
        page.keyboard.type(f"01 42 34 56 7{number}")
    expect(rows).to_have_count(4)
    expect(page.locator("text=Add another number")).to_be_hidden()
    page.click("button[name=_save]")
    page.wait_for_url("**/contact/")
    assert Contact.objects.get(phone="+33612345678").further_numbers.count() == 4


# How many long selects, and how many short ones, have a box beside them or beside their frame.
BOXES = """(() => {
    const box = ":scope > input[type=search]";
    const has = each => each.parentElement.querySelector(box) || each.parentElement.parentElement.querySelector(box);
    const found = [...document.querySelectorAll("select[data-picker]")];
    const had = long => found.filter(each => each.options.length > 10 === long && has(each)).length;
    return found.length > 0 && had(true) === %d && had(false) === %d;
})()"""


def test_only_a_long_select_has_a_box_to_search_it(
    signed_in: Any, contact: Contact, organization: Organization
) -> None:
    page = signed_in
    people = ContactList.objects.create(organization=organization, name="December")
    people.contacts.add(contact)

    page.goto(f"/admin/campaigns/contact/{contact.pk}/change/")
    until(page, BOXES % (2, 0))
    page.goto("/admin/campaigns/contact/")
    page.check("input[name=_selected_action] >> nth=0")
    page.select_option("select[name=action]", "add-to-list")
    page.locator("button[name=index]:visible, button[type=submit]:visible", has_text="Run").first.click()
    page.wait_for_selector("select[name=contact_list]")
    until(page, BOXES % (0, 0))


def test_a_row_is_added_to_an_assistants_variables(signed_in: Any, assistant: Assistant) -> None:
    page = signed_in
    page.goto(f"/admin/providers/assistant/{assistant.pk}/change/")
    page.click("text=Add a row")
    page.keyboard.type("slot")
    page.click("button[name=_save]")
    page.wait_for_url("**/assistant/")
    assistant.refresh_from_db()
    assert [item["name"] for item in assistant.variables] == ["slot"]


def test_the_api_is_read_and_tried_in_a_browser(browser: Any, organization: Organization, contact: Contact) -> None:
    _, key = ApiKey.issue(tenant=organization.tenant, organization=organization, name="k", scopes=["read"])
    page = browser.new_page()
    served = page.goto("/api/docs/")
    policy = served.headers["content-security-policy"]
    assert "script-src 'self';" in f"{policy};" and "unsafe" not in policy
    page.click("button.authorize")
    page.fill("#auth-bearer-value", key)
    page.click("button.auth.authorize")
    page.click("button.btn-done")
    page.click("#operations-tag-contacts")
    page.click("#operations-contacts-contacts_list button.opblock-summary-control")
    page.click("#operations-contacts-contacts_list .try-out__btn")
    page.click("#operations-contacts-contacts_list .execute")
    page.wait_for_selector(f"text={contact.phone}")


def test_the_charts_of_a_campaign_are_drawn(
    signed_in: Any, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    campaign = support.campaign(phone_number, support.people(organization, ["+33612345678"]), status="paused")
    call = support.single(phone_number, "+33612345678")
    now = timezone.now()
    Call.objects.filter(pk=call.pk).update(campaign=campaign, status="completed", dialed_at=now, terminal_at=now)
    page = signed_in
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/?tab=results")
    page.wait_for_selector("text=When contacts answer")
    until(page, "Chart.getChart(document.querySelector('canvas.chart'))?.data.datasets.length === 1")
    fits(page)


def test_scripts_come_from_here_alone_and_are_not_evaluated(client: Any) -> None:
    policy = client.get("/admin/login/")["Content-Security-Policy"]
    assert "script-src 'self';" in f"{policy};"


def test_the_theme_works_without_evaluated_scripts(signed_in: Any, assistant: Assistant) -> None:
    """The theme's scripts work under the policy: menus, drawers, search, dark mode."""
    page = signed_in
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto("/admin/calls/call/")
    # The sidebar stays collapsed.
    page.click("text=dock_to_right")
    page.wait_for_selector("#nav-sidebar", state="hidden")
    page.reload()
    page.wait_for_selector("#nav-sidebar", state="hidden")
    page.click("text=dock_to_right")
    page.wait_for_selector("#nav-sidebar")
    # The user's menu.
    page.click("text=unfold_more")
    page.click("text=Dark")
    themed(page, "dark")
    # The drawer of filters.
    page.click("text=Filters")
    page.wait_for_selector("#changelist-filter select, #changelist-filter a")
    page.keyboard.press("Escape")
    page.wait_for_selector("#changelist-filter", state="hidden")
    # The switch for dark mode.
    page.goto("/admin/campaigns/campaign/")
    themed(page, "dark")
    page.keyboard.press("Control+e")
    themed(page, "light")
    # Search over everything.
    page.keyboard.press("Control+k")
    page.wait_for_selector("#search-input-command:focus")
    page.locator("#search-input-command").press_sequentially("assistant")
    page.wait_for_selector("#command-results-list [role=option]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/assistant/**")


@pytest.mark.long
def test_the_installations_own_pages_are_quiet(signed_in: Any, assistant: Assistant) -> None:
    User.objects.update(is_superuser=True)
    user, organization = User.objects.get(), Organization.objects.get()
    page = signed_in
    for path in (
        f"/admin/tenants/organization/{organization.pk}/change/",
        "/admin/tenants/apikey/add/",
        "/admin/tenants/tenant/add/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
        f"/admin/auth/user/{user.pk}/change/",
        f"/admin/auth/user/{user.pk}/delete/",
        f"/admin/auth/user/{user.pk}/password/",
        "/admin/password_change/",
        "/admin/tenants/auditentry/",
    ):
        answer = visit(page, path)
        assert answer.status == 200, path
        assert faults_of(page) == [], path

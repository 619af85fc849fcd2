"""A contact and a call in a browser: both fit a phone, are accessible, and show hostile input as text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.actions import recipients
from calls.models import Call, CallBack, CallEvent, ProviderCallback, StaffDecision, Status, WebhookDelivery
from campaigns.do_not_call import entries
from campaigns.models import Contact, DoNotCall, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization, StaffSettings, WebhookEndpoint
from tests.browser.support import MARKS, THEMES, a_member, answered, expect, faults_of, fits, sign_in, until, visit
from tests.calls import support

pytestmark = MARKS

NUMBER = "+81312345678"
HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "'-document.title='owned'-'",
    "javascript:document.title='owned'",
    "{{ 7*7 }}{% now 'Y' %}",
    "</textarea><script>document.title='owned'</script>",
    "<a href=javascript:document.title='owned'>click</a>",
    "/admin/logout/",
    "\u202eevil\u202c & &lt;b&gt;",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    "x-data x-init=document.title='owned'",
)

# What a browser would have made of these.
RAN = "#content img, #content svg[onload], #content iframe, .tl-panel script, a[href^=javascript i], a[href^='data:' i]"


@pytest.fixture
def person(organization: Organization, phone_number: PhoneNumber, assistant: Any) -> Contact:
    """A contact in Tokyo in a campaign, with calls, a scheduled callback, a webhook and all kinds of text."""
    organization.allowed_countries = ["FR", "JP"]
    organization.save()
    made = support.campaign(phone_number, support.people(organization, [NUMBER], name="Ada"), status="running")
    contact = Contact.objects.get(phone=NUMBER)
    contact.variables = {f"v{n}": text for n, text in enumerate(HOSTILE)}
    contact.external_id, contact.consent_basis, contact.consent_evidence = HOSTILE[0], HOSTILE[1][:64], HOSTILE[2]
    contact.save()
    now = timezone.now()
    recipient = Recipient.objects.create(
        campaign=made, contact=contact, status="waiting", attempts=1, next_attempt_at=now + timedelta(hours=2)
    )
    call = support.single(
        phone_number,
        NUMBER,
        recipient=recipient,
        campaign=made,
        customer_name=HOSTILE[1],
        status=Status.COMPLETED,
        dynamic_variables=contact.variables,
        metadata={HOSTILE[0]: HOSTILE[3]},
        result={name: name for name in HOSTILE} | {"deep": [list(HOSTILE)]},
        result_status="completed",
        provider_call_id=HOSTILE[5],
        provider_status=HOSTILE[4],
        provider_reason=HOSTILE[6],
        ended_reason=HOSTILE[7],
        error_message=HOSTILE[8],
        error_code=HOSTILE[9],
        answered_by=HOSTILE[3],
        duration_seconds=74,
        dialed_at=now,
        terminal_at=now,
        decision={"at": now.isoformat(), "checks": [{"name": HOSTILE[0], "result": "allow", "detail": HOSTILE[1]}]},
    )
    for text in HOSTILE:
        CallEvent.objects.create(call=call, type=text[:32], source="read", detail=text, raw=text.encode())
    StaffDecision.objects.create(
        call=call, actor=HOSTILE[0], reason=HOSTILE[1], from_status="unknown", to_status="placed", applied=True
    )
    ProviderCallback.objects.create(
        call=call, account=call.account, verification="unsigned", body=b"{}", error=HOSTILE[1], processed_at=now
    )
    endpoint = WebhookEndpoint.objects.create(organization=organization, url="https://example.org/hook")
    WebhookDelivery.objects.create(
        organization=organization, endpoint=endpoint, call=call, url=endpoint.url, host="example.org", last_error="x"
    )
    CallBack.objects.create(
        organization=organization,
        contact=contact,
        recipient=recipient,
        due_at=now + timedelta(hours=1),
        latest_at=now + timedelta(hours=2),
        note=HOSTILE[1],
    )
    support.single(phone_number, NUMBER, customer_name=HOSTILE[0], due_at=now + timedelta(hours=1))
    return contact


def paths(person: Contact) -> dict[str, str]:
    call = Call.objects.exclude(result=None).get()
    return {
        "contact": f"/admin/campaigns/contact/{person.pk}/change/",
        "erasing": f"/admin/campaigns/contact/{person.pk}/do/erase/",
        "call": f"/admin/calls/call/{call.pk}/change/",
        "settings": "/admin/my-settings/",
    }


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_can_be_used_by_all_and_fit_a_telephone(signed_in: Any, person: Contact, theme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    faults: dict[str, list[str]] = {}
    for name, path in paths(person).items():
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 800})
            assert visit(page, path).status == 200, name
            page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
            fits(page)
        faults[name] = faults_of(page)
    assert {name: found for name, found in faults.items() if found} == {}


def test_hostile_words_are_shown_as_text_and_run_nowhere(signed_in: Any, person: Contact) -> None:
    Contact.objects.update(name=HOSTILE[2])
    entries.add(person.organization, NUMBER, reason=HOSTILE[1], source=HOSTILE[4])
    recipients.hold(person, actor="olga", reason=HOSTILE[0])
    page = signed_in
    for name, path in paths(person).items():
        visit(page, path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        if name in {"contact", "call"}:
            for text in HOSTILE:
                if name == "call" or "logout" not in text:
                    expect(page.locator("#panel"), name).to_contain_text(text)
        expect(page, name).not_to_have_title("owned")
        expect(page.locator(RAN), name).to_have_count(0)
    visit(page, "/admin/calls/call/")
    expect(page).not_to_have_title("owned")


def test_a_person_is_called_from_their_page(signed_in: Any, person: Contact, assistant: Any) -> None:
    page = signed_in
    page.goto(paths(person)["contact"])
    page.click("text=Call now")
    page.wait_for_url("**/launch/**")
    expect(page.locator("input[name=to_number]")).to_have_value(NUMBER)
    expect(page.locator("input[name=customer_name]")).to_have_value("Ada")


def test_times_are_those_of_the_reader_and_of_the_person(
    browser: Any, organization: Organization, person: Contact
) -> None:
    user = a_member(organization)
    StaffSettings.objects.create(user=user, timezone="America/New_York")
    page = sign_in(browser.new_page())
    page.goto(paths(person)["call"])
    expect(page.locator(".tl-zone")).to_have_text("Times in America/New_York")
    expect(page.locator(".tl-timeline")).to_contain_text("JST")
    expect(page.locator("#panel")).to_contain_text("Asia/Tokyo")
    page.goto("/admin/my-settings/")
    page.select_option("#id_timezone", "Asia/Tokyo")
    page.click("text=Save")
    page.wait_for_selector("text=Your settings are saved.")
    page.goto(paths(person)["call"])
    expect(page.locator(".tl-zone")).to_have_text("Times in Asia/Tokyo")
    expect(page.locator(".tl-timeline")).not_to_contain_text("JST")
    page.goto("/admin/my-settings/")
    page.click("[data-browser-zone]")
    until(page, "document.getElementById('id_timezone').value === Intl.DateTimeFormat().resolvedOptions().timeZone")


def test_a_person_who_asks_for_it_is_erased(signed_in: Any, person: Contact) -> None:
    page = signed_in
    page.goto(paths(person)["contact"])
    page.click("summary:has-text('More')")
    page.click("text=Erase…")
    page.fill("#id_reason", "Asked by letter")
    page.click("text=Erase this contact permanently")
    page.wait_for_url("**/contact/")
    page.wait_for_selector("text=is erased.")
    assert Contact.objects.get().erased_at
    assert DoNotCall.objects.get().phone == ""
    page.goto("/admin/calls/call/")
    page.wait_for_selector("text=erased")


def test_an_operator_sees_no_raw_words_and_nothing_to_erase(
    browser: Any, organization: Organization, person: Contact
) -> None:
    a_member(organization, "operator")
    page = sign_in(browser.new_page())
    visit(page, paths(person)["call"])
    expect(page.locator("#panel")).not_to_contain_text("Request to the provider")
    expect(page.locator("text=Raw payload")).to_have_count(0)
    visit(page, paths(person)["contact"])
    expect(page.locator("#panel")).to_be_visible()
    expect(page.locator("text=Erase…")).to_have_count(0)
    assert page.request.get(paths(person)["erasing"]).status == 403


def test_destructive_buttons_are_in_a_menu_for_the_keyboard_too(
    browser: Any, organization: Organization, person: Contact
) -> None:
    a_member(organization, "manager")
    page = sign_in(browser.new_page())
    page.goto(paths(person)["contact"])
    erase, more = page.get_by_role("link", name="Erase…"), page.locator("#panel summary:has-text('More')")
    expect(more).to_be_visible()
    expect(erase).to_be_hidden()
    more.focus()
    page.keyboard.press("Enter")
    expect(erase).to_be_visible()
    page.keyboard.press("Tab")
    expect(erase).to_be_focused()
    page.keyboard.press("Escape")
    expect(erase).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    expect(erase).to_be_visible()
    page.click("h1")
    expect(erase).to_be_hidden()


def test_a_menu_stays_open_when_an_answer_that_was_on_its_way_arrives(signed_in: Any, person: Contact) -> None:
    page = signed_in
    page.goto(paths(person)["contact"])
    held: list[Any] = []
    page.route("**/panel/**", lambda route: held.append(route), times=1)
    with page.expect_request("**/panel/**"):
        pass
    erase = page.get_by_role("link", name="Erase…")
    page.click("#panel summary:has-text('More')")
    expect(erase).to_be_visible()
    with answered(page, "/panel/"):
        held[0].continue_()
    expect(erase).to_be_visible()

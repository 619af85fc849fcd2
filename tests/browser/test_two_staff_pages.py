"""Two team members on pages that are more than a button: one role acts, the next lower one only reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calls.models import Call
from calls.outcomes import circuit_breaker
from campaigns.do_not_call import entries
from campaigns.imports import job, undo
from campaigns.models import Campaign, Contact, ContactImport, ContactList, DoNotCall
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Level
from tests.browser.support import MARKS, expect, forged, settled

pytestmark = MARKS
Staff = Mapping[Level, Any]
ADMIN = "/admin"
NUMBER = "+12125550144"
NEW = "a[href*='/campaign/add/'] >> visible=true"


def closed(page: Any, *paths: str, **fields: str) -> None:
    """Check that the pages refuse to open and refuse a forged form, with the reason."""
    for path in paths:
        for answer in (page.request.get(path), forged(page, path, **fields)):
            assert answer.status == 403, path
            assert "Your role does not include this action" in answer.text(), path


def nowhere(page: Any, *texts: str) -> None:
    settled(page)
    for text in texts:
        expect(page.locator("body")).not_to_contain_text(text, use_inner_text=True)


@pytest.mark.long
def test_a_new_campaign(staff: Staff) -> None:
    manager, operator = staff[Level.MANAGER], staff[Level.OPERATOR]
    operator.goto(f"{ADMIN}/campaigns/campaign/")
    expect(operator.locator(NEW)).to_have_count(0)
    closed(operator, f"{ADMIN}/campaigns/campaign/add/", f"{ADMIN}/campaigns/campaign/people/", name="Forged")
    manager.goto(f"{ADMIN}/campaigns/campaign/")
    manager.locator(NEW).first.click()
    manager.fill("input[name=name]", "Autumn")
    manager.check("label:has-text('Team polyai')")
    manager.click("text=Save and continue")
    manager.wait_for_url("**/steps/what/")
    made = Campaign.objects.get(name="Autumn")
    operator.goto(f"{ADMIN}/campaigns/campaign/{made.pk}/change/")
    operator.wait_for_selector("#panel .tl-blockers >> text=Choose an assistant.")
    nowhere(operator, "Go on with step", "Copy as a new campaign", "Edit everything")
    steps = [f"{ADMIN}/campaigns/campaign/{made.pk}/steps/{step}/" for step in ("whom", "what", "limits", "fields")]
    closed(operator, *steps, name="Forged", max_attempts="9")
    assert forged(operator, operator.url, name="Forged").status == 403
    manager.select_option("select[name=assistant]", label="PolyAI reminder")
    manager.check("label:has-text('Front desk')")
    manager.click("text=Save and continue")
    manager.wait_for_url("**/steps/when/")
    operator.wait_for_selector("#panel .tl-blockers >> text=Choose an assistant.", state="detached")
    manager.click("text=Save and continue")
    manager.wait_for_url("**/steps/limits/")
    operator.wait_for_selector("#panel .tl-blockers", state="detached")
    operator.wait_for_selector("#panel a:has-text('Start calling')")
    made.refresh_from_db()
    assert (made.name, made.status, Campaign.objects.filter(name="Forged").exists()) == ("Autumn", "draft", False)


@pytest.mark.long
def test_why_somebody_is_not_called(staff: Staff) -> None:
    running = Campaign.objects.get(name="Spring check-ups")
    viewer = staff[Level.VIEWER]
    viewer.goto(f"{ADMIN}/campaigns/campaign/{running.pk}/change/?tab=recipients")
    viewer.locator("#people a[data-drawer]").first.click()
    viewer.wait_for_selector("#drawer .tl-checks")
    operator = staff[Level.OPERATOR]
    operator.goto(viewer.url)
    operator.click("#panel >> text=Pause")
    operator.click("text=Pause the campaign")
    viewer.wait_for_selector("#drawer >> text=The campaign is paused.")
    expect(viewer.locator("#drawer a[href*='/do/']")).to_have_count(0)


def test_a_call_is_launched(staff: Staff) -> None:
    operator, viewer = staff[Level.OPERATOR], staff[Level.VIEWER]
    queued = Call.objects.queued().count()
    viewer.goto(f"{ADMIN}/")
    viewer.wait_for_selector(f"#overview li:has-text('Queued') b:text-is('{queued}')")
    nowhere(viewer, "Launch a call", "Call now")
    parts = [f"{ADMIN}/calls/call/launch/{part}" for part in ("", "fields/", "people/", "person/")]
    speaker, number = Assistant.objects.earliest("pk"), PhoneNumber.objects.earliest("pk")
    closed(viewer, *parts, assistant=str(speaker.pk), phone_number=str(number.pk), to_number=NUMBER, _launch="1")
    assert Call.objects.queued().count() == queued
    # The test call on an assistant's page, which a viewer does not have.
    viewer.goto(f"{ADMIN}/providers/assistant/{speaker.pk}/change/")
    nowhere(viewer, "Test call", "Save")
    viewer.goto(f"{ADMIN}/")
    operator.goto(f"{ADMIN}/providers/assistant/{speaker.pk}/change/")
    operator.fill("#test-number", NUMBER)
    operator.click("button:has-text('Test call')")
    operator.wait_for_selector("input[name=to_number]", state="attached")
    operator.click("text=Place the call")
    operator.wait_for_selector("text=The call waits for its turn")
    viewer.wait_for_selector(f"#overview li:has-text('Queued') b:text-is('{queued + 1}')")
    assert Call.objects.get(to_number=NUMBER).created_by == "operator"


@pytest.mark.long
def test_an_import(staff: Staff, tmp_path: Path) -> None:
    manager, operator, viewer = staff[Level.MANAGER], staff[Level.OPERATOR], staff[Level.VIEWER]
    people = ContactList.objects.earliest("pk")
    home = f"{ADMIN}/campaigns/contactlist/"
    viewer.goto(home)
    nowhere(viewer, "Import contacts")
    closed(viewer, f"{home}import/", f"{home}{people.pk}/import/", new_list="Forged")
    file = tmp_path / "people.csv"
    file.write_text("Mobile;Full name\n+12125550151;Una\n+12125550152;Vic\nnonsense;Bob\n")
    operator.goto(f"{home}import/")
    operator.set_input_files("#id_file", file)
    operator.fill("#id_new_list", "Autumn")
    operator.click("text=Show the preview")
    operator.wait_for_selector("text=Of 3 rows 1 would be rejected and 2 imported")
    operator.click("text=Import the file")
    operator.wait_for_url("**/contactimport/*/change/")
    row = ContactImport.objects.get(filename="people.csv")
    viewer.goto(operator.url)
    viewer.wait_for_selector("#panel >> text=Waiting")
    nowhere(viewer, "Cancel import", "Call these people")
    while not job.run_step(row.pk):
        pass
    for onlooker in (operator, viewer):
        onlooker.wait_for_selector("text=3 rows were read: 2 new contacts, 1 rejected.")
        assert "nonsense" in onlooker.request.get(f"{ADMIN}/campaigns/contactimport/{row.pk}/rejected.csv").text()
    nowhere(operator, "Undo import")
    closed(operator, f"{ADMIN}/campaigns/contactimport/{row.pk}/do/undo/")
    row.refresh_from_db()
    assert row.status == ContactImport.Status.COMPLETED
    manager.goto(operator.url)
    manager.click("summary:has-text('More')")
    manager.click("text=Undo import…")
    manager.click("text=Undo the import")
    manager.wait_for_selector("text=is being undone")
    operator.reload()
    operator.wait_for_selector("text=Being undone")
    assert undo.run_step(row.pk)
    operator.wait_for_selector("text=2 contacts were removed")
    assert not Contact.objects.filter(name__in=["Una", "Vic"]).exists()


@pytest.mark.long
def test_the_do_not_call_list(staff: Staff) -> None:
    manager, operator, viewer = staff[Level.MANAGER], staff[Level.OPERATOR], staff[Level.VIEWER]
    person, home = Contact.objects.get(name="Forget Me"), f"{ADMIN}/campaigns/donotcall/"
    closed(viewer, f"{home}add/", f"{home}import/", phone=person.phone, numbers=person.phone, reason="forged")
    viewer.goto(page_of(Contact).url("change", person.pk))
    viewer.wait_for_selector("#panel")
    nowhere(viewer, "Do not call…", "Call now", "Hold", "Change what is known")
    operator.goto(viewer.url)
    operator.click("text=Add to do-not-call list…")
    operator.fill("[name=reason]", "Asked on the phone")
    operator.click("button[name=_save]")
    operator.wait_for_url("**/donotcall/")
    viewer.wait_for_selector("#panel >> text=Reason: Asked on the phone.")
    operator.goto(f"{home}import/")
    operator.fill("#id_numbers", "+12125550161\n+12125550162\nnonsense")
    operator.fill("#id_reason", "a letter")
    operator.click("text=Add to the do-not-call list")
    operator.wait_for_selector("text=2 numbers added to the list")
    viewer.goto(home)
    expect(viewer.locator("#result_list tbody tr:has-text('a letter')")).to_have_count(2)
    nowhere(viewer, "Import numbers", "Add number")
    entry = DoNotCall.objects.get(phone=person.phone)
    operator.goto(f"{home}{entry.pk}/change/")
    nowhere(operator, "Allow calls again")
    closed(operator, f"{home}{entry.pk}/do/remove/", reason="forged")
    assert entries.listed(person.organization_id, [person.phone], entry.created_at) == {person.phone}
    viewer.goto(page_of(Contact).url("change", person.pk))
    viewer.wait_for_selector("#panel >> text=Reason: Asked on the phone.")
    manager.goto(f"{home}{entry.pk}/change/")
    manager.click("summary:has-text('More')")
    manager.click("text=Allow calls again")
    manager.fill("[name=reason]", " ")
    manager.click("button:has-text('Allow calls again')")
    manager.wait_for_selector(".tl-error")
    manager.fill("[name=reason]", "They signed up again")
    manager.click("button:has-text('Allow calls again')")
    manager.wait_for_selector("text=may be called again.")
    viewer.wait_for_selector("#panel >> text=Reason: Asked on the phone.", state="detached")


@pytest.mark.long
def test_accounts_and_numbers(staff: Staff) -> None:
    manager, operator = staff[Level.MANAGER], staff[Level.OPERATOR]
    account = ProviderAccount.objects.get(provider="polyai")
    number = account.phone_numbers.get()
    home = page_of(ProviderAccount).url("change", account.pk)
    closed(operator, f"{home.removesuffix('change/')}do/check/", f"{ADMIN}/providers/provideraccount/add/")
    operator.goto(home)
    operator.wait_for_selector("#panel >> text=In service")
    nowhere(operator, "Check credentials", "Save", "Credentials", "Delete")
    manager.goto(home)
    manager.click("text=Check credentials")
    manager.click("text=Check now")
    manager.wait_for_selector("text=PolyAI does not accept the credentials")
    circuit_breaker.block(account.pk, "misconfigured", "PolyAI refused the credentials (401).")
    for onlooker in (manager, operator):
        onlooker.wait_for_selector("#panel >> text=PolyAI refused the credentials (401).")
    line = page_of(PhoneNumber).url("change", number.pk)
    operator.goto(line)
    nowhere(operator, "Save", "Delete")
    assert forged(operator, line, label="Forged").status == 403
    manager.goto(line)
    manager.fill("[name=label]", "Night desk")
    manager.click("button[name=_save]")
    manager.wait_for_url("**/phonenumber/")
    operator.reload()
    expect(operator.locator("body")).to_contain_text("Night desk")


@pytest.mark.long
def test_search_files_and_settings(staff: Staff) -> None:
    admin, manager, operator, viewer = (staff[level] for level in reversed(list(staff)))
    person = Contact.objects.get(name="Forget Me")
    operator.goto(page_of(Contact).url("change", person.pk))
    operator.click("#panel >> text=Hold")
    operator.click("text=Put on hold")
    operator.wait_for_selector("text=On hold.")
    # Search: the same contact, and no page beyond the role.
    for page, term, found in ((viewer, "Forget", "On hold"), (manager, "audit", "Audit"), (admin, "api k", "API keys")):
        page.keyboard.press("/")
        page.fill("#search-input-command", term)
        page.wait_for_selector(f"#command-results [role=option]:has-text('{found}')")
    for page, term in ((operator, "audit"), (manager, "api k")):
        page.keyboard.press("/")
        page.fill("#search-input-command", term)
        page.wait_for_selector(f"text=Nothing found for “{term}”")
    # Files: a role that sees a list may download it.
    assert "Forget Me" in viewer.request.get(f"{ADMIN}/campaigns/contact/export.csv?q=Forget").text()
    closed(operator, f"{ADMIN}/tenants/auditentry/export.csv", f"{ADMIN}/calls/webhookdelivery/export.csv")
    closed(manager, f"{ADMIN}/tenants/apikey/export.csv", f"{ADMIN}/tenants/apikey/add/", name="forged")
    assert "contact.exported" in manager.request.get(f"{ADMIN}/tenants/auditentry/export.csv").text()
    # Personal settings.
    for page, zone in ((viewer, "Asia/Tokyo"), (operator, "America/New_York")):
        page.goto(f"{ADMIN}/my-settings/")
        page.select_option("#id_timezone", zone)
        page.click("text=Save")
        page.wait_for_selector("text=Your settings are saved.")
    call = Call.objects.earliest("pk")
    for page, zone in ((viewer, "Asia/Tokyo"), (operator, "America/New_York")):
        page.goto(page_of(Call).url("change", call.pk))
        expect(page.locator(".tl-zone")).to_have_text(f"Times in {zone}")
    times = ".tl-timeline time >> nth=0"
    expect(operator.locator(times)).not_to_have_text(viewer.inner_text(times))

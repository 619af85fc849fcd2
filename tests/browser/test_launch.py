"""Launch a call in a browser: find a contact, fill in the form while the rules are checked, place the call."""

from __future__ import annotations

from typing import Any

import pytest

from calls.models import Call
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber
from tests.browser.support import MARKS, THEMES, expect
from tests.browser.test_campaign_wizard import look
from tests.conftest import an_assistant

pytestmark = MARKS


@pytest.mark.parametrize("theme", THEMES)
def test_a_person_is_found_and_called(
    signed_in: Any, assistant: Assistant, phone_number: PhoneNumber, theme: str
) -> None:
    home = assistant.organization
    assistant.variables = [{"name": "slot", "required": True, "description": "The time", "example": "9:30"}]
    assistant.save()
    an_assistant(assistant.account, name="Second")
    hostile = '"><img src=x onerror=alert(1)> Ada'
    for name, phone in (("Ada Lovelace", "+33612345678"), ("Adam", "+12125550100"), (hostile, "+33612345670")):
        Contact.objects.create(organization=home, name=name, phone=phone, variables={"slot": "10:15"})
    page = signed_in
    page.click("text=Launch a call")
    page.wait_for_selector("text=Enter a name or phone number to see")
    look(page, "8-launch-empty", theme)
    page.locator("#find").press_sequentially("ada")
    page.wait_for_selector("#found >> text=Adam")
    page.fill("#find", "")
    page.locator("#find").press_sequentially("06 12 34")
    page.wait_for_selector("#found >> text=Ada Lovelace")
    page.wait_for_selector("#found >> text=onerror")
    look(page, "8-launch-found", theme)
    page.click("#found >> text=Ada Lovelace")
    page.wait_for_selector("text=Time in Europe/Paris")
    page.select_option("select[name=assistant]", label="Reminder")
    page.wait_for_selector("input[name=variable-slot]")
    expect(page.locator("input[name=variable-slot]")).to_have_value("10:15")
    expect(page.locator("input[name=to_number]")).to_have_value("+33612345678")
    page.wait_for_selector("text=The call would be placed at once.")
    look(page, "8-launch-ready", theme)
    page.fill("#find", "+1 212 555 0100")
    page.click("#found >> text=Adam")
    page.wait_for_selector("text=Time in America/New_York")
    expect(page.locator("select[name=assistant]"), "the assistant stays").to_have_value(str(assistant.pk))
    page.fill("#find", "06 99 88 77 66")
    page.click("#found >> text=this number alone")
    page.wait_for_selector("text=Unknown number")
    page.wait_for_selector(".tl-whom >> text=06 99 88 77 66 (FR)")
    page.fill("#find", "06 12 34 56 78")
    page.click("#found >> text=Ada Lovelace")
    page.wait_for_selector(".tl-whom >> text=06 12 34 56 78 (FR)")
    page.press("input[name=customer_name]", "Enter")
    page.wait_for_selector("role=status")
    assert not Call.objects.exists(), "the Enter key only checks; the button places the call"
    with page.expect_navigation():  # the answer before has a status as well
        page.click("text=Check without calling")
    page.wait_for_selector("role=status")
    look(page, "8-launch-checked", theme)
    page.click("text=Place the call")
    page.wait_for_selector("text=The call waits for its turn")
    assert (Call.objects.get().to_number, Call.objects.get().dynamic_variables) == ("+33612345678", {"slot": "10:15"})

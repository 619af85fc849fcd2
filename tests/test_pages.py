"""The back office in a browser: it works, says nothing in the console and asks nobody outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from calls.models import Call
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import ApiKey, Membership, Organization
from tests.calls import support

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def browser(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A browser context whose complaints fail the test: console, page errors, refused and outside requests."""
    sync_api = pytest.importorskip("playwright.sync_api")
    # The browser's driver leaves an event loop running in this thread, which Django takes for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    complaints: list[str] = []
    with sync_api.sync_playwright() as driver:
        program = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        context = program.new_context(base_url=live_server.url)
        context.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((live_server.url, "data:")) else complaints.append(f"outside: {asked.url}")
            ),
        )
        yield context
        program.close()
        # Under the driver's loop this thread had a database connection of its own, which nobody else can close.
        connections.close_all()
    assert complaints == []


@pytest.fixture
def signed_in(browser: Any, organization: Organization) -> Any:
    user = User.objects.create_user("olga", password="a-long-password", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="manager")
    page = browser.new_page()
    page.goto("/admin/")
    page.fill("#id_username", "olga")
    page.fill("#id_password", "a-long-password")
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return page


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
    page.fill("input[name=to_number]", "06 12 34 56 78")
    page.fill("input[name=variable-slot]", "Monday")
    page.click("text=Check without calling")
    page.wait_for_selector("text=It would be placed at once.")
    page.click("text=Place the call")
    page.wait_for_selector("text=It waits for its turn")
    call = Call.objects.get()
    assert call.dynamic_variables == {"slot": "Monday"}
    # The page follows the call by itself.
    Call.objects.update(customer_name="Renamed meanwhile")
    page.wait_for_selector("text=Renamed meanwhile", timeout=10_000)


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
        page.goto(path, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path


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
    assert "script-src 'self';" in policy and "unsafe" not in policy
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
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    page.wait_for_selector("text=When people answer")
    page.wait_for_function("Chart.getChart(document.querySelector('canvas.chart'))?.data.datasets.length === 1")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

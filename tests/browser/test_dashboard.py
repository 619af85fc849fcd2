"""The dashboard in a browser: first steps, the chart of the day, refreshes and widths."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.models import Call, Status
from campaigns.models import Recipient
from providers import sample
from providers.models import Assistant, PhoneNumber, ProviderAccount
from providers.sandbox import server
from tenants.models import Organization
from tests.browser.support import (
    BEAT,
    MARKS,
    THEMES,
    Contexts,
    a_member,
    expect,
    faults_of,
    fits,
    settled,
    sign_in,
    spill_at,
    until,
    visit,
)
from tests.calls import support
from tests.conftest import a_number, an_account, an_assistant

pytestmark = MARKS
DRAWN = "Chart.getChart(document.querySelector('#calls-per-hour canvas'))"


@pytest.fixture
def busy(assistant: Assistant, phone_number: PhoneNumber) -> PhoneNumber:
    """A running campaign, calls of today, an unconfirmed call and a blocked account."""
    organization, now = assistant.organization, timezone.now()
    people = support.people(organization, [f"+336123456{n:02d}" for n in range(20)], name="Ada")
    campaign = support.campaign(phone_number, people, status="running", started_at=now, launched_at=now)
    Recipient.objects.bulk_create(Recipient(campaign=campaign, contact=each) for each in people.contacts.all())
    for number in range(6):
        call = support.single(phone_number, f"+336123456{number:02d}")
        done = {"dialed_at": now, "placed_at": now + timedelta(seconds=0.4), "terminal_at": now}
        status = Status.COMPLETED if number % 2 else Status.BUSY
        Call.objects.filter(pk=call.pk).update(campaign=campaign, status=status, **done)
    doubt = {"status": Status.UNCONFIRMED, "dialed_at": now, "next_read_at": now + timedelta(hours=1)}
    support.single(phone_number, "+33612345699", customer_name="Unsure", **doubt)
    an_account(
        organization,
        name="Second",
        blocked_at=now,
        blocked_code="misconfigured",
        blocked_reason="The key was <b>refused</b>.",
    )
    return phone_number


def test_the_day_is_drawn_and_follows_what_happens(signed_in: Any, busy: PhoneNumber) -> None:
    page = signed_in
    page.goto("/admin/")
    until(page, f"{DRAWN}?.data.datasets.length === 4")
    total = f"{DRAWN}.data.datasets.flatMap(each => each.data).reduce((sum, n) => sum + n, 0)"
    until(page, f"{total} === 7")
    page.wait_for_selector("text=The key was <b>refused</b>.")
    page.wait_for_selector("text=/ends about/")
    page.evaluate("window.stayed = true")
    # A call begins: the page and the figures of the day update by themselves, and the chart is not replaced.
    page.evaluate(f"window.chart = {DRAWN}")
    later = timezone.now() + timedelta(hours=1)
    support.single(busy, "+33612345677", status=Status.RINGING, dialed_at=timezone.now(), next_read_at=later)
    page.wait_for_selector(".tl-big:has-text('2 under way')")
    page.evaluate("htmx.trigger('#today', 'tl:refresh')")  # this refresh is due every half minute
    until(page, f"{total} === 8")
    until(page, f"window.stayed && window.chart === {DRAWN}")


def test_nothing_is_asked_while_the_page_is_out_of_sight(signed_in: Any, busy: PhoneNumber) -> None:
    page = signed_in
    visit(page, "/admin/")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    settled(page)  # requests that were on their way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2.3 * BEAT)
    assert asked == []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    with page.expect_request("**/overview/"):
        pass


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_for_everybody_and_fits(signed_in: Any, busy: PhoneNumber, theme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        for path in (
            "/admin/",
            f"/admin/providers/provideraccount/{busy.account_id}/change/",
            "/admin/providers/provideraccount/",
            f"/admin/providers/phonenumber/{busy.pk}/change/",
            "/admin/providers/phonenumber/",
            f"/admin/providers/assistant/{busy.account.assistants.get().pk}/change/",
        ):
            visit(page, path)
            if path == "/admin/":
                until(page, f"{DRAWN} !== undefined")
            fits(page)
            assert faults_of(page) == [], (path, width)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with server.running(speed=20) as found:
        monkeypatch.setattr(sample, "ADDRESS", found.url)
        yield found.url


def test_an_empty_house_leads_over_the_sandbox_to_a_test_call(
    browser: Any, organization: Organization, sandbox: str
) -> None:
    a_member(organization)
    page = sign_in(browser.new_page())
    page.wait_for_selector("text=Steps to your first campaign")
    page.wait_for_selector(f"text=The sandbox is running at {sandbox}.")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert faults_of(page) == [], theme
    assert spill_at(page, 400) <= 0
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click("button:has-text('Try it with the sandbox')")
    page.wait_for_selector("text=/has the provider account/")
    expect(page.locator(".tl-way .tl-done")).to_have_count(3)
    page.wait_for_selector(".tl-next >> text=Import contacts")
    # A test call to one's own phone.
    page.goto(f"/admin/providers/assistant/{Assistant.objects.get().pk}/change/")
    page.fill("#test-number", "06 12 34 56 01")
    page.click("button:has-text('Test call')")
    page.wait_for_selector("input[name=variable-appointment]")
    expect(page.locator("input[name=variable-appointment]")).to_have_value("Tuesday 9:30")
    expect(page.locator("input[name=to_number]")).to_have_value("06 12 34 56 01")
    page.click("text=Check without calling")
    page.wait_for_selector("[role=status] >> text=The call would be placed at once.")  # the panel beside says it before
    page.click("text=Place the call")
    page.wait_for_selector("text=The call waits for its turn")
    assert Call.objects.get().to_number == "+33612345601"


def test_everybody_sees_their_own(
    browsers: Contexts, organization: Organization, stranger: Organization, busy: PhoneNumber
) -> None:
    theirs = a_number(an_account(stranger, name="Their line"), e164="+33142000009")
    an_assistant(theirs.account, name="Theirs")
    people = support.people(stranger, ["+33612345678"])
    support.campaign(theirs, people, status="running", started_at=timezone.now()).save()
    a_member(organization, "viewer", "vera")
    a_member(stranger, "manager", "stan")
    for name, seen, unseen in (
        ("vera", ("Unsure", "Second"), ("Their line",)),
        ("stan", ("Their line", "No calls placed today."), ("Unsure", "Second")),
    ):
        page = sign_in(browsers().new_page(), name)
        page.wait_for_selector("text=Calls per hour")
        page.wait_for_selector("#today .tl-health")
        for text in seen:
            expect(page.locator("body")).to_contain_text(text, use_inner_text=True)
        settled(page)
        for text in unseen:
            expect(page.locator("body")).not_to_contain_text(text, use_inner_text=True)
    assert ProviderAccount.objects.count() == 3

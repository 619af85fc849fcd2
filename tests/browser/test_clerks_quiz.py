"""Twelve questions that a clerk is asked on the phone, each answered from one place that is in sight.

The clerk begins at the dashboard and clicks at most three times. The answers are those of the rows below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from calls.actions import campaigns, scheduled_callbacks
from calls.models import Status
from calls.outcomes import circuit_breaker
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from providers.sandbox.server import Running, running
from tenants.models import Organization
from tests.browser.support import MARKS, Contexts, desk, expect, settled
from tests.calls import support
from tests.calls.test_transcripts import dial
from tests.conftest import an_account

pytestmark = MARKS
CLICKS = 3
ADA, BEN, CLEO = ("+14155550101", "+14155550102", "+14155550103")
R = Recipient.Status


@pytest.fixture
def sandbox() -> Iterator[Running]:
    with running(speed=50, seed=7) as found:
        yield found


@pytest.fixture
def busy_day(organization: Organization, sandbox: Running) -> Organization:
    """Ada was reached, Ben asked for a callback, Cleo opted out; another campaign was paused, an account is blocked."""
    now = timezone.now()
    number = support.reach(organization, sandbox.url, "callingbox")
    contacts = support.people(organization, [ADA, BEN, CLEO])
    for phone, name in ((ADA, "Ada Roy"), (BEN, "Ben Cole"), (CLEO, "Cleo Diaz")):
        Contact.objects.filter(phone=phone).update(name=name)
    fields: dict[str, Any] = {"started_at": now, "launched_at": now, "launched_through": 9}
    check_ups = support.campaign(number, contacts, name="Spring check-ups", status="running", **fields)
    ada, ben, cleo = Contact.objects.order_by("pk")
    done = Recipient.objects.create(campaign=check_ups, contact=ada, status=R.DONE, outcome="completed", attempts=1)
    support.single(
        number,
        ADA,
        contact=ada,
        customer_name=ada.name,
        campaign=check_ups,
        recipient=done,
        status=Status.COMPLETED,
        provider_call_id=dial(sandbox, ADA),
        duration_seconds=74,
        cost_price=Decimal("1.25"),
        cost_currency="USD",
        **dict.fromkeys(("dialed_at", "answered_at", "terminal_at"), now),
    )
    waiting = Recipient.objects.create(campaign=check_ups, contact=ben, status=R.PENDING)
    scheduled_callbacks.schedule(waiting, now + timedelta(days=2), actor="olga", note="After work, please")
    Recipient.objects.create(campaign=check_ups, contact=cleo, status=R.SKIPPED, reason="do_not_call")
    entries.add(organization, CLEO, reason="Asked on the phone", source="callee")
    letters = support.campaign(number, contacts, name="Flu letters", status="running", **fields)
    campaigns.pause(letters, actor="mona")
    second = an_account(organization, name="Second line")
    circuit_breaker.block(second.pk, "misconfigured", "AlloMia refused the API key (401).")
    return organization


def link(path: str) -> str:
    return f"a[href='{path}']"


def row(name: str) -> str:
    """The link of the row in which a name stands."""
    return f"#result_list tr:has-text('{name}') >> a >> nth=0"


CAMPAIGNS, CONTACTS = link("/admin/campaigns/campaign/"), link("/admin/campaigns/contact/")
CALLS, NEVER = link("/admin/calls/call/"), link("/admin/campaigns/donotcall/")
CHECK_UPS = "#overview a:has-text('Spring check-ups')"
CALL_OF_ADA = (CALLS, row("Ada Roy"))
FACTS = "#panel .tl-card:has(.tl-badge) .tl-facts"


@dataclass(frozen=True)
class Question:
    asked: str
    way: tuple[str, ...]  # what is clicked, from the dashboard
    place: str  # where the answer is in sight
    answer: tuple[str, ...]


QUIZ = (
    Question("How many were reached?", (CHECK_UPS,), ".tl-tile:has-text('answered')", ("1",)),
    Question("What did it cost?", (CHECK_UPS,), ".tl-tile:has-text('spent')", ("1.25 USD",)),
    Question("Why does it wait?", (CHECK_UPS,), "#idle", ("Waiting for the time of a scheduled callback.",)),
    Question("Which account is ill?", (), ".tl-needs li:has-text('Second line')", ("refused the API key",)),
    Question("Who opted out today?", (NEVER,), "#result_list tr:has-text('555-0103')", ("Today", "Asked on the phone")),
    Question("What needs attention?", (), ".tl-card:has-text('Needs attention')", ("Second line is blocked",)),
    Question(
        "When is the next call of Mr. Cole?", (CONTACTS,), "#result_list tr:has-text('Ben Cole')", ("{in_two_days}",)
    ),
    Question(
        "Why was Ms. Diaz not called?",
        (CONTACTS, row("Cleo Diaz")),
        ".tl-a-danger",
        ("On the do-not-call list.", "Asked on the phone"),
    ),
    Question("How long did the call take?", CALL_OF_ADA, FACTS, ("Duration 1 min 14 s",)),
    Question("Which number called?", CALL_OF_ADA, FACTS, ("Caller number (646) 555-0100",)),
    Question(
        "What did the contact say?",
        (*CALL_OF_ADA, "a:has-text('Transcript')"),
        ".tl-facts",
        ("user", "Yes, go ahead."),
    ),
    Question(
        "Who stopped the campaign, and when?",
        (CAMPAIGNS, row("Flu letters"), "#tab-history"),
        "li:has-text('Paused')",
        ("mona", "Today"),
    ),
)


def test_a_clerk_answers_from_one_place(browsers: Contexts, busy_day: Organization) -> None:
    page = desk(browsers, busy_day, "operator")
    in_two_days = f"{timezone.localtime(timezone=ZoneInfo(busy_day.timezone)) + timedelta(days=2):%-d %b}"
    for question in QUIZ:
        assert len(question.way) <= CLICKS
        page.goto("/admin/")
        for each in question.way:
            settled(page)
            page.locator(each).locator("visible=true").first.click()
        in_sight = page.locator(question.place).locator("visible=true").first
        for text in question.answer:
            answer = text.format(in_two_days=in_two_days)
            expect(in_sight, question.asked).to_contain_text(answer, use_inner_text=True)
    assert len(QUIZ) == 12


def test_the_campaign_is_that_of_the_rows(busy_day: Organization) -> None:
    assert Campaign.objects.get(name="Flu letters").status == "paused"
    assert [row.status for row in Recipient.objects.order_by("pk")] == [R.DONE, R.WAITING, R.SKIPPED]

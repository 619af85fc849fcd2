"""Idle reasons: every deferral and skip has the same wording on every page and in the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from calls.dialing import enqueueing, placing
from calls.models import CallEvent
from calls.reports.explain import explain
from calls.reports.idle_reasons import idle_reasons
from campaigns import launching
from campaigns.models import CallingWindow, Campaign, Contact
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support

NOON = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # a Wednesday, noon in New York
pytestmark = [pytest.mark.django_db, pytest.mark.time_machine(NOON, tick=False)]


@pytest.fixture
def made(organization: Organization) -> Campaign:
    line = support.reach(organization, "http://127.0.0.1:9", "allomia", price_per_minute=Decimal("0.10"))
    people = support.people(organization, [f"+1212555{n:04d}" for n in range(1200, 1206)])
    return support.campaign(line, people, status=Campaign.Status.RUNNING)


def at_night(campaign: Campaign) -> None:
    CallingWindow.objects.update(opens=20 * 60, closes=21 * 60)


def held(campaign: Campaign) -> None:
    Contact.objects.update(on_hold=True)


def no_money(campaign: Campaign) -> None:
    Organization.objects.update(daily_budget=Decimal("0.10"))


def other_money(campaign: Campaign) -> None:
    Campaign.objects.update(budget=Decimal(9), budget_currency="EUR")


def no_lines(campaign: Campaign) -> None:
    Campaign.objects.update(max_open_calls=1)


def slowly(campaign: Campaign) -> None:
    Campaign.objects.update(calls_per_minute=1)


def small_account(campaign: Campaign) -> None:
    ProviderAccount.objects.update(max_open_calls=1)


def resting(campaign: Campaign) -> None:
    PhoneNumber.objects.update(rest_seconds=600)


def one_line(campaign: Campaign) -> None:
    PhoneNumber.objects.update(max_open_calls=1)


def capped(campaign: Campaign) -> None:
    PhoneNumber.objects.update(max_calls_per_day=1)


SITUATIONS: list[tuple[Callable[[Campaign], None], str, str]] = [
    (at_night, "calling_hours", "Outside calling hours until 20:00 America/New_York."),
    (held, "on_hold", "The contact is on hold until a team member lifts the hold."),
    (no_money, "organization_budget", "The organization's daily budget is spent or set aside."),
    (
        other_money,
        "budget_currency",
        "The campaign's budget is in another currency than the price of the provider account. Use one currency.",
    ),
    (no_lines, "campaign_capacity", "The campaign has reached its limit of open calls."),
    (slowly, "pace", "The campaign has reached its limit of calls per minute."),
    (small_account, "account_capacity", "Waiting for account capacity: allomia."),
    (resting, "caller_number_rest", "The caller number rests between two calls."),
    (one_line, "caller_number_capacity", "The caller number has no free line."),
    (capped, "caller_number_day", "The caller number has reached its limit of calls in 24 hours."),
]


def run(campaign: Campaign) -> None:
    launching.step(campaign.pk)
    for _ in range(3):
        enqueueing.feed_all(campaign.organization_id)
        placing.claim(campaign.assistant.account_id if campaign.assistant else 0)


@pytest.mark.parametrize(("arrange", "code", "words"), SITUATIONS)
def test_a_campaign_that_waits_says_why_and_for_how_many(
    made: Campaign, arrange: Callable[[Campaign], None], code: str, words: str
) -> None:
    arrange(made)
    run(made)
    reasons = {reason["code"]: reason for reason in idle_reasons(Campaign.objects.get())}
    waiting = made.recipients.filter(status__in=["pending", "waiting"]).count()
    assert reasons[code]["message"] == words
    assert waiting > 0
    assert reasons[code]["count"] == waiting


@pytest.mark.parametrize("arrange", [at_night, held, no_money, other_money, capped])
def test_the_page_of_a_person_says_the_same_words(made: Campaign, arrange: Callable[[Campaign], None]) -> None:
    arrange(made)
    run(made)
    messages = {reason["message"] for reason in idle_reasons(Campaign.objects.get())}
    for recipient in made.recipients.filter(status__in=["pending", "waiting"]):
        why = {check.detail for check in explain(recipient).checks if check.result == "defer"}
        assert why & messages, (why, messages)


def test_a_queued_call_that_is_put_off_tells_it_on_its_timeline(made: Campaign) -> None:
    launching.step(made.pk)
    enqueueing.feed_all(made.organization_id)
    Organization.objects.update(daily_budget=Decimal("0.10"))
    placing.claim(made.assistant.account_id if made.assistant else 0)
    told = set(CallEvent.objects.filter(type="deferred").values_list("detail", flat=True))
    assert told == {"The organization's daily budget is spent or set aside."}


def test_a_skip_is_explained_by_its_own_words(made: Campaign) -> None:
    from campaigns.do_not_call import entries

    launching.step(made.pk)
    entries.add(made.organization, "+12125551200", source="test")
    enqueueing.feed_all(made.organization_id)
    skipped = made.recipients.get(contact__phone="+12125551200")
    found = {str(check.name): check for check in explain(skipped).checks if check.result == "skip"}
    assert (skipped.status, skipped.reason) == ("skipped", "do_not_call")
    assert found["do_not_call"].detail == "The number is on the do-not-call list."
    assert found["recipient"].detail == "Not called: do not call."


def test_nothing_is_waited_for_where_everybody_is_called(made: Campaign) -> None:
    run(made)
    assert idle_reasons(Campaign.objects.get()) == []


def test_over_the_api(made: Campaign, api: Any) -> None:
    at_night(made)
    run(made)
    answer = api.get(f"/api/v1/campaigns/{made.uuid}/progress/").json()
    (reason,) = answer["idle_reasons"]
    assert reason == {
        "code": "calling_hours",
        "message": "Outside calling hours until 20:00 America/New_York.",
        "count": 6,
        "until": "2026-05-14T00:00:00Z",
    }

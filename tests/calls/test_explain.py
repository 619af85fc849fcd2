"""Explanations: the result of each check for a recipient in any state, and when it may be called next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from calls.models import Status
from calls.reports.explain import Explanation, explain
from campaigns.do_not_call import entries
from campaigns.models import CallingWindow, Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 20, 10, 0, tzinfo=UTC)  # a Wednesday, noon in Paris
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
S = Recipient.Status


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    """A campaign from nine to seven with a minimum gap of one hour."""
    found = Campaign.objects.create(
        organization=organization, name="C", status="running", assistant=assistant, min_gap_minutes=60
    )
    found.phone_numbers.add(phone_number)
    CallingWindow.objects.create(campaign=found, days=EVERY_DAY, opens=9 * 60, closes=19 * 60)
    return found


@pytest.fixture
def recipient(campaign: Campaign, contact: Contact) -> Recipient:
    return Recipient.objects.create(campaign=campaign, contact=contact)


def stopping(found: Explanation) -> dict[str, str]:
    return {check.name: check.result for check in found.checks if check.result != "allow"}


def detail(found: Explanation, name: str) -> str:
    return next(check.detail for check in found.checks if check.name == name and check.detail)


def test_whom_nothing_stops_may_be_called_and_every_check_says_so(recipient: Recipient) -> None:
    found = explain(recipient, NOON)
    assert (found.decision, found.until, stopping(found)) == ("allow", None, {})
    names = [check.name for check in found.checks]
    assert names[0] == "recipient" and names[-1] == "variables"
    assert {"campaign", "do_not_call", "country", "calling_hours", "attempts", "minimum_gap", "account"} <= set(names)


@pytest.mark.parametrize(
    ("status", "fields", "decision", "words"),
    [
        (S.DONE, {"outcome": "completed", "attempts": 1}, "skip", "Done: completed."),
        (S.DONE, {"reason": "no_open_window"}, "skip", "Done: no open window."),
        (S.SKIPPED, {"reason": "do_not_call"}, "skip", "Not called: do not call."),
        (S.WITHDRAWN, {"reason": "campaign_canceled"}, "skip", "Withdrawn: campaign canceled."),
        (S.WITHDRAWN, {}, "skip", "Withdrawn."),
        (S.REVIEW, {"attempts": 1}, "defer", "Needs attention: it is unknown whether the last call was placed."),
        (S.PENDING, {}, "allow", "Not called yet."),
        (S.WAITING, {"attempts": 1}, "allow", "Waiting for another call."),
    ],
)
def test_the_state_comes_first(
    recipient: Recipient, status: str, fields: dict[str, Any], decision: str, words: str
) -> None:
    Recipient.objects.update(status=status, **fields)
    found = explain(recipient, NOON)
    assert (found.decision, found.until) == (decision, None)
    assert (found.checks[0].name, found.checks[0].result, found.checks[0].detail) == ("recipient", decision, words)
    assert len(found.checks) > 8


def test_nobody_knows_when_a_person_has_looked(recipient: Recipient) -> None:
    Recipient.objects.update(status=S.REVIEW, attempts=1)
    found = explain(recipient, NOON + timedelta(hours=8))  # only the window's opening would be known
    assert (found.decision, found.until) == ("defer", None)
    assert stopping(found) == {"recipient": "defer", "calling_hours": "defer"}


def under_way(recipient: Recipient, status: Status, **fields: Any) -> None:
    campaign = recipient.campaign
    assert campaign.assistant is not None
    fields |= {"campaign": campaign, "recipient": recipient, "status": status}
    a_call(campaign.assistant, campaign.phone_numbers.get(), recipient.contact.phone, **fields)
    Recipient.objects.update(status=S.CALLING)


def test_a_call_under_way_is_waited_for_and_nobody_knows_how_long(recipient: Recipient) -> None:
    under_way(recipient, Status.RINGING, next_read_at=NOON)
    found = explain(recipient, NOON)
    assert (found.decision, found.until) == ("defer", None)
    assert stopping(found) == {"recipient": "defer", "open_call": "defer"}
    assert detail(found, "recipient") == "A call is under way: ringing."


def test_a_queued_call_is_judged_as_it_was_ordered(recipient: Recipient, assistant: Assistant) -> None:
    under_way(recipient, Status.QUEUED)
    Assistant.objects.update(variables=[{"name": "slot", "required": True}])  # it has its variables already
    found = explain(recipient, NOON)
    assert (found.decision, detail(found, "recipient")) == ("allow", "A call is queued.")
    evening = explain(recipient, NOON + timedelta(hours=8))
    assert (evening.decision, evening.until) == ("defer", datetime(2026, 5, 21, 8, 0, tzinfo=UTC))


@pytest.mark.parametrize("status", ["draft", "scheduled", "paused"])
def test_a_campaign_that_does_not_run_is_the_reason(recipient: Recipient, status: str) -> None:
    Campaign.objects.update(status=status)
    found = explain(recipient, NOON)
    assert (found.decision, found.until, stopping(found)) == ("defer", None, {"campaign": "defer"})
    assert detail(found, "campaign") == f"The campaign is {status}."


def test_a_campaign_that_is_over_calls_nobody(recipient: Recipient) -> None:
    Campaign.objects.update(status="canceled")
    assert explain(recipient, NOON).decision == "skip"


def test_outside_the_window_the_next_opening_is_told_by_the_law_too(recipient: Recipient) -> None:
    found = explain(recipient, NOON + timedelta(hours=8))
    # The campaign opens at nine; French law forbids calls before ten.
    assert (found.decision, found.until) == ("defer", datetime(2026, 5, 21, 8, 0, tzinfo=UTC))
    assert "Europe/Paris" in detail(found, "calling_hours")
    assert stopping(found) == {"calling_hours": "defer"}


def test_a_gap_that_ends_while_the_window_is_closed_is_followed_to_the_next_opening(
    recipient: Recipient, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    dialed = NOON + timedelta(hours=6, minutes=50)  # 18:50
    a_call(assistant, phone_number, recipient.contact.phone, dialed_at=dialed)
    found = explain(recipient, dialed + timedelta(minutes=5))
    assert stopping(found) == {"minimum_gap": "defer"}
    assert found.until == datetime(2026, 5, 21, 8, 0, tzinfo=UTC)


def test_waiting_that_outlasts_the_campaign_is_a_skip_and_says_so(recipient: Recipient) -> None:
    Campaign.objects.update(ends_at=NOON + timedelta(hours=12))
    found = explain(recipient, NOON + timedelta(hours=8))
    assert (found.decision, found.until) == ("skip", None)
    assert stopping(found) == {"calling_hours": "defer", "no_open_window": "skip"}


def test_whose_turn_comes_later_is_told_when(recipient: Recipient) -> None:
    Recipient.objects.update(status=S.WAITING, attempts=1, next_attempt_at=NOON + timedelta(hours=2))
    found = explain(recipient, NOON)
    assert (found.decision, found.until, stopping(found)) == (
        "defer",
        NOON + timedelta(hours=2),
        {"not_before": "defer"},
    )


def test_missing_variables_are_named(recipient: Recipient) -> None:
    Assistant.objects.update(variables=[{"name": "slot", "required": True}, {"name": "clinic", "required": True}])
    Campaign.objects.update(variables={"clinic": "Main street"})
    found = explain(recipient, NOON)
    assert (found.decision, stopping(found)) == ("skip", {"variables": "skip"})
    assert detail(found, "variables") == "The assistant needs slot."
    Contact.objects.update(variables={"slot": "9:30"})
    assert explain(recipient, NOON).decision == "allow"


@pytest.mark.parametrize(
    ("change", "name", "decision"),
    [
        (lambda: Organization.objects.update(calls_stopped=True), "calls_stopped", "defer"),
        (lambda: Organization.objects.update(allowed_countries=["US"]), "country", "skip"),
        (lambda: ProviderAccount.objects.update(blocked_at=NOON, blocked_reason="wrong key"), "account", "defer"),
        (lambda: Assistant.objects.update(is_active=False), "assistant", "defer"),
        (lambda: Recipient.objects.update(attempts=3), "attempts", "skip"),
        (lambda: Campaign.objects.update(budget=Decimal(0)), "budget", "defer"),
        (lambda: PhoneNumber.objects.update(is_active=False), "caller_number", "defer"),
        (lambda: Campaign.objects.update(assistant=None), "assistant", "defer"),
    ],
)
def test_each_rule_that_stops_a_call_is_named(recipient: Recipient, change: Any, name: str, decision: str) -> None:
    ProviderAccount.objects.update(price_per_minute=Decimal("0.10"))
    change()
    found = explain(recipient, NOON)
    assert (found.decision, found.until, stopping(found)) == (decision, None, {name: decision})


def test_the_do_not_call_list_outweighs_a_deferral(recipient: Recipient, organization: Organization) -> None:
    entries.add(organization, recipient.contact.phone, source="test")
    found = explain(recipient, NOON + timedelta(hours=8))
    assert (found.decision, found.until) == ("skip", None)
    assert stopping(found) == {"do_not_call": "skip", "calling_hours": "defer"}


def test_the_api_answers_with_the_contracts_keys(
    api: ApiClient, recipient: Recipient, client_for: KeyMaker, organization: Organization, stranger: Organization
) -> None:
    Recipient.objects.update(next_attempt_at=timezone.now() + timedelta(days=400))
    path = f"/api/v1/campaigns/{recipient.campaign.uuid}/recipients/{recipient.uuid}/explain/"
    answer = client_for(organization, "read").get(path)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"decision", "until", "checks"}
    assert found["decision"] == "defer"
    assert found["until"].endswith("Z")
    assert all(set(check) == {"name", "result", "detail"} for check in found["checks"])
    assert client_for(stranger).get(path).status_code == 404
    other = Campaign.objects.create(organization=organization, name="Other")
    assert api.get(path.replace(str(recipient.campaign.uuid), str(other.uuid))).status_code == 404


def test_explaining_writes_nothing_and_costs_few_queries(
    recipient: Recipient, django_assert_max_num_queries: Any
) -> None:
    before = list(Recipient.objects.values())
    with django_assert_max_num_queries(15):
        explain(recipient, NOON)
    assert list(Recipient.objects.values()) == before


def test_the_admin_shows_the_same_checks_in_the_same_words(admin_client: Any, recipient: Recipient) -> None:
    Campaign.objects.update(status="paused")
    page = admin_client.get(f"/admin/campaigns/recipient/{recipient.pk}/explain/").content.decode()
    found = explain(recipient)
    assert "The campaign is paused." in page and "Must wait" in page
    assert all(check.detail in page for check in found.checks)


@pytest.mark.parametrize(
    ("status", "outcome", "reason", "badge", "why"),
    [
        (S.DONE, "completed", "", "Answered", "The call was answered and has ended"),
        (S.DONE, "no_answer", "voicemail", "Voicemail", "A voicemail answered"),
        (S.DONE, "", "no_open_window", "Not called again", "No calling window was left"),
        (S.SKIPPED, "", "do_not_call", "Not called", "On the do-not-call list"),
        (S.WITHDRAWN, "", "campaign_canceled", "Withdrawn", "The campaign was canceled"),
    ],
)
def test_the_explanation_of_a_recipient_that_is_over_begins_with_its_badge(
    admin_client: Any, recipient: Recipient, status: str, outcome: str, reason: str, badge: str, why: str
) -> None:
    Recipient.objects.update(status=status, outcome=outcome, reason=reason)
    page = admin_client.get(f"/admin/campaigns/recipient/{recipient.pk}/explain/").content.decode()
    found = re.search(r'Status detail <span class="tl-badge[^"]*">([^<]*)</span> <span[^>]*>([^<]*)<', page)
    assert found and found.groups() == (badge, why)
    assert "Done:" not in page and "completed" not in page

"""Whoever is told "allow" is dialled in the engine's next round; whoever waits is told for which limit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from calls.dialing import enqueueing, placing
from calls.models import Call, Status
from calls.reports.explain import Explanation, explain
from calls.reports.idle_reasons import idle_reasons
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support

NOON = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # a Wednesday, noon in New York
LATER = NOON + timedelta(days=1)
pytestmark = [pytest.mark.django_db, pytest.mark.time_machine(NOON, tick=False)]


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    Organization.objects.update(allowed_countries=["US"], min_gap_minutes=0, timezone="America/New_York")
    organization.refresh_from_db()
    return support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=2, calls_per_second=1)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is done within. An atomic block would do, but a claim refuses to be within one."""
    savepoint = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(savepoint)


def started(line: PhoneNumber, numbers: range, first_key: int | None = None, **fields: Any) -> Campaign:
    """Return a running campaign whose recipients are due, one after the other.

    `first_key`: of its contacts. It decides about turns that several assistants may take.
    """
    phones = [f"+1212555{n:04d}" for n in numbers]
    if first_key:
        home = line.organization
        rows = [Contact(pk=key, organization=home, phone=phone) for key, phone in enumerate(phones, first_key)]
        Contact.objects.bulk_create(rows)
    people = support.people(line.organization, phones)
    made = support.campaign(line, people, status=Campaign.Status.RUNNING, **fields)
    for n, contact in enumerate(Contact.objects.filter(memberships__contact_list=people).order_by("pk")):
        due_at = NOON - timedelta(minutes=10) + timedelta(seconds=n // 2)
        Recipient.objects.create(campaign=made, contact=contact, next_attempt_at=due_at, sort_key=n)
    return made


def other_call(line: PhoneNumber, n: int, status: Status, age: timedelta = timedelta(), **fields: Any) -> Call:
    """Return a call to somebody else, dialled so long ago."""
    moments: dict[str, Any] = {"due_at": NOON, "lease_until": LATER, "next_read_at": LATER}
    dialed_at = None if status == Status.QUEUED else NOON - age
    moments |= {"dialed_at": dialed_at}
    return support.single(line, f"+1646555{n:04d}", status=status, provider_call_id=f"call-{n}", **moments | fields)


def claimed(organization: Organization) -> set[int]:
    """Claim all that can be claimed now. Return the calls."""
    found: set[int] = set()
    for account in organization.provider_accounts.order_by("pk"):
        while claims := placing.claim(account.pk):
            found |= {claim.call.pk for claim in claims}
    return found


def enqueued(organization: Organization) -> set[int]:
    """Do a round of enqueueing. Return the recipients that have a call then."""
    before = set(Call.objects.values_list("pk", flat=True))
    enqueueing.feed_all(organization.pk)
    calls = Call.objects.exclude(pk__in=before).exclude(recipient=None)
    return {call.recipient_id for call in calls if call.recipient_id}


def waiting_for(found: Explanation) -> set[str]:
    return {check.name.value for check in found.checks if check.result == "defer"}


def busy(line: PhoneNumber, campaign: Campaign) -> None:
    for n in (1, 2):
        other_call(line, n, Status.RINGING)


def overdue_and_busy(line: PhoneNumber, campaign: Campaign) -> None:
    busy(line, campaign)
    for n in (3, 4):
        other_call(line, n, Status.IN_PROGRESS, timedelta(hours=3))


def queue_is_full(line: PhoneNumber, campaign: Campaign) -> None:
    ProviderAccount.objects.update(max_open_calls=50)
    for n in range(5):
        other_call(line, n, Status.QUEUED, due_at=NOON + timedelta(seconds=1))


def queued_calls_take_the_lines(line: PhoneNumber, campaign: Campaign) -> None:
    for n in (1, 2):
        other_call(line, n, Status.QUEUED, due_at=NOON + timedelta(seconds=1))


def slowed_down(line: PhoneNumber, campaign: Campaign) -> None:
    ProviderAccount.objects.update(place_tokens=0, place_tokens_at=NOON + timedelta(seconds=30))


def failing(line: PhoneNumber, campaign: Campaign) -> None:
    ProviderAccount.objects.update(failures_in_a_row=4)
    other_call(line, 1, Status.PLACING)


def no_lines(line: PhoneNumber, campaign: Campaign) -> None:
    Campaign.objects.update(max_open_calls=1)
    recipient = campaign.recipients.order_by("-pk")[0]
    Recipient.objects.filter(pk=recipient.pk).update(status=Recipient.Status.CALLING, next_attempt_at=None)
    due_at = NOON + timedelta(seconds=1)
    other_call(line, 1, Status.QUEUED, campaign=campaign, recipient=recipient, due_at=due_at)


def slowly(line: PhoneNumber, campaign: Campaign) -> None:
    Campaign.objects.update(calls_per_minute=1, next_call_at=NOON + timedelta(seconds=30))


def one_line(line: PhoneNumber, campaign: Campaign) -> None:
    PhoneNumber.objects.update(max_open_calls=1)
    other_call(line, 1, Status.RINGING)


def resting(line: PhoneNumber, campaign: Campaign) -> None:
    PhoneNumber.objects.update(rest_seconds=600)
    other_call(line, 1, Status.COMPLETED)


def capped(line: PhoneNumber, campaign: Campaign) -> None:
    PhoneNumber.objects.update(max_calls_per_day=1)
    other_call(line, 1, Status.COMPLETED)


def others_first(line: PhoneNumber, campaign: Campaign) -> None:
    other_call(line, 1, Status.RINGING)
    rival = started(line, range(2000, 2003), name="Rival")
    Campaign.objects.filter(pk=campaign.pk).update(share_used=5)
    Campaign.objects.filter(pk=rival.pk).update(share_used=4)


STATES: list[tuple[Callable[[PhoneNumber, Campaign], None], str]] = [
    (busy, "account_capacity"),
    (overdue_and_busy, "account_capacity"),
    (queue_is_full, "account_rate"),
    (queued_calls_take_the_lines, "account_capacity"),
    (slowed_down, "account_rate"),
    (failing, "account_capacity"),
    (no_lines, "campaign_capacity"),
    (slowly, "pace"),
    (one_line, "caller_number_capacity"),
    (resting, "caller_number_rest"),
    (capped, "caller_number_day"),
    (others_first, "next_turn"),
]
LATER_ON = (slowed_down, failing)  # recipients are enqueued, and wait in the queue of the account


def test_each_limit_is_named_to_whom_it_keeps_waiting(line: PhoneNumber, subtests: Any) -> None:
    for state, name in STATES:
        with subtests.test(state.__name__), undone():
            campaign = started(line, range(1000, 1003))
            state(line, campaign)
            first = campaign.recipients.select_related("campaign").order_by("pk")[0]
            found = explain(first)
            assert (found.decision, name in waiting_for(found)) == ("defer", True), found
            assert name in {reason["code"] for reason in idle_reasons(Campaign.objects.get(pk=campaign.pk))}
            assert state in LATER_ON or first.pk not in enqueued(line.organization)
            assert not claimed(line.organization) & set(first.calls.values_list("pk", flat=True))


def test_the_lines_and_the_overdue_calls_are_counted_in_words(line: PhoneNumber) -> None:
    campaign = started(line, range(1000, 1001))
    overdue_and_busy(line, campaign)
    found = explain(campaign.recipients.get())
    [detail] = [check.detail for check in found.checks if check.name == "account_capacity"]
    assert detail == "All 2 lines of “allomia” are taken. 2 overdue calls hold no line."


def test_two_overdue_calls_on_two_lines_stop_nobody(line: PhoneNumber) -> None:
    """The case of the account that stood still: the waiting person is told "allow", and is dialled."""
    campaign = started(line, range(1000, 1001))
    for n in (1, 2):
        other_call(line, n, Status.RINGING, timedelta(hours=2))
    recipient = campaign.recipients.get()
    assert explain(recipient).decision == "allow"
    enqueueing.feed_all(line.organization_id)
    call = Call.objects.get(recipient=recipient)
    assert explain(recipient).decision == "allow"
    assert [claim.call for claim in placing.claim(line.account_id)] == [call]


def test_whoever_is_further_back_waits_for_the_turn(line: PhoneNumber) -> None:
    campaign = started(line, range(1000, 1006))
    verdicts = [explain(recipient).decision for recipient in campaign.recipients.order_by("pk")]
    assert verdicts == ["allow", "allow", "defer", "defer", "defer", "defer"]
    assert len(enqueued(line.organization)) == 2


def with_a_second_assistant(line: PhoneNumber, campaign: Campaign, weight: int, **fields: Any) -> None:
    other = support.reach(line.organization, "http://127.0.0.1:9", "callingbox", **fields)
    assistant = Assistant.objects.get(account=other.account)
    CampaignVariant.objects.create(campaign=campaign, assistant=assistant, weight=weight)
    campaign.phone_numbers.add(other)


@pytest.mark.parametrize("limit", ["calls in a day", "lines", "daily budget"])
def test_an_assistant_that_cannot_call_keeps_its_turn(line: PhoneNumber, limit: str) -> None:
    """Whose turn comes for the second depends on the first, and is drawn: nobody is promised the free assistant."""
    other_call(line, 1, Status.IN_PROGRESS if limit == "lines" else Status.COMPLETED)
    if limit == "daily budget":
        ProviderAccount.objects.update(daily_budget=Decimal("0.10"), price_per_minute=Decimal("0.10"))
    else:
        column = "max_open_calls" if limit == "lines" else "max_calls_per_day"
        PhoneNumber.objects.update(**{column: 1})
    allowed = 0
    for key in range(5_000, 5_160, 20):
        with undone():
            campaign = started(line, range(1000, 1003), first_key=key)
            with_a_second_assistant(line, campaign, 1)
            told = {recipient.pk: explain(recipient).decision for recipient in campaign.recipients.all()}
            queued = enqueued(line.organization)
            assert {pk for pk, decision in told.items() if decision == "allow"} <= queued, key
            allowed += "allow" in told.values()
    assert allowed > 0


def a_world(line: PhoneNumber, dice: random.Random) -> None:
    """Make campaigns, accounts and calls at random."""
    tokens = dice.choice([0, 1, 5, 5])
    ProviderAccount.objects.update(
        max_open_calls=dice.choice([1, 2, 4]),
        calls_per_second=Decimal(dice.choice(["0.5", "1", "5"])),
        failures_in_a_row=dice.choice([0, 0, 0, 4]),
        place_tokens=tokens,
        place_tokens_at=NOON + timedelta(seconds=0 if tokens else dice.choice([0, 30])),
        longest_call_minutes=dice.choice([60, 120]),
    )
    limits: dict[str, list[Any]] = {
        "max_open_calls": [None, 1, 2],
        "max_calls_per_day": [None, None, 2],
        "rest_seconds": [0, 0, 60],
    }
    PhoneNumber.objects.update(**{name: dice.choice(values) for name, values in limits.items()})
    campaigns = []
    for n in range(dice.choice([1, 1, 2])):
        fields = {"max_open_calls": dice.choice([None, 1, 2]), "calls_per_minute": dice.choice([None, None, 60])}
        numbers = range(1000 + 100 * n, 1000 + 100 * n + dice.randint(1, 5))
        key = dice.randrange(10_000, 1_000_000)
        campaigns.append(started(line, numbers, key, name=str(n), share_used=dice.choice([0, 3]), **fields))
    if dice.random() < 0.4:
        with_a_second_assistant(line, campaigns[0], dice.choice([0, 1, 3]), max_open_calls=dice.choice([0, 1, 3]))
    statuses = [Status.QUEUED, Status.PLACING, Status.UNCONFIRMED, Status.RINGING, Status.COMPLETED]
    for n in range(dice.randint(0, 4)):
        age = timedelta(minutes=dice.choice([1, 59, 61, 121, 600]))
        other_call(line, n, dice.choice(statuses), age, priority=dice.choice([0, 100]))


@pytest.mark.parametrize("worlds", [range(8), pytest.param(range(8, 60), marks=pytest.mark.long)])
def test_allow_means_the_next_round_in_any_state(line: PhoneNumber, worlds: range) -> None:
    seen = {"allow": 0, "defer": 0}
    for seed in worlds:
        with undone():
            a_world(line, random.Random(seed))
            due = Recipient.objects.filter(status=Recipient.Status.PENDING)
            told = {recipient.pk: explain(recipient) for recipient in due}
            with undone():
                queued = enqueued(line.organization)
            for pk, found in told.items():
                seen[found.decision] += 1
                assert found.decision != "allow" or pk in queued, (seed, found)
                assert found.decision == "allow" or waiting_for(found), (seed, found)
            # Then the calls that are queued: whoever is told "allow" is claimed at once.
            enqueueing.feed_all(line.organization_id)
            calls = list(Call.objects.queued().exclude(recipient=None).select_related("recipient"))
            told = {call.pk: explain(call.recipient) for call in calls if call.recipient}
            placed = claimed(line.organization)
            for pk, found in told.items():
                seen[found.decision] += 1
                assert found.decision != "allow" or pk in placed, (seed, found)
    assert min(seen.values()) > len(worlds) / 2


def test_allow_does_not_depend_on_the_turns_that_others_take(line: PhoneNumber) -> None:
    """Who has the first turn depends on internal keys, so several campaigns are tried."""
    other = support.reach(line.organization, "http://127.0.0.1:9", "callingbox", max_open_calls=3)
    PhoneNumber.objects.filter(pk=line.pk).update(max_calls_per_day=1)
    other_call(line, 1, Status.COMPLETED)
    first_turns = set()
    for n in range(8):
        campaign = started(line, range(1000 + 10 * n, 1004 + 10 * n), name=str(n))
        assistant = Assistant.objects.get(account=other.account)
        CampaignVariant.objects.create(campaign=campaign, assistant=assistant, weight=1)
        campaign.phone_numbers.add(other)
        recipients = list(campaign.recipients.select_related("campaign", "contact").order_by("pk"))
        told = {recipient.pk for recipient in recipients if explain(recipient).decision == "allow"}
        first_turns.add(recipients[0].pk in told)
        assert told <= enqueued(line.organization), n
        Campaign.objects.update(status=Campaign.Status.PAUSED)
        Call.objects.queued().delete()
    assert first_turns == {True, False}

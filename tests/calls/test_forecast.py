"""The forecast against a campaign simulated minute by minute, and the preflight's recipients who are not called."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from calls.forecast.forecast import forecast, warnings
from calls.forecast.outcome_mix import DEFAULTS, Ending, endings_of
from calls.gate import facts as fact_sheet
from calls.gate.decision import decide
from calls.gate.selection import Choices
from calls.models import Call, Status
from campaigns import further_numbers
from campaigns.do_not_call import entries
from campaigns.models import CallingWindow, Campaign, Contact, ContactList, ContactListMember, Recipient, RetryRule
from campaigns.models.campaign import min_gap_of, retry_rule
from campaigns.rules import retries
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.conftest import a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
SATURDAY = datetime(2026, 3, 7, 16, 0, tzinfo=UTC)  # American clocks go forward the next night
WEDNESDAY = datetime(2026, 5, 13, 8, 0, tzinfo=UTC)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MINUTE = timedelta(minutes=1)
PARIS = ZoneInfo("Europe/Paris")
# New York, Denver, Los Angeles, Paris; and India by the contact's own zone.
PLACES = ["+1212555", "+1303555", "+1415555", "+3361234", "+91981234"]  # five zones


def a_campaign(organization: Organization, people: int, hours: tuple[tuple[int, int], ...], **fields: Any) -> Campaign:
    """Contacts of five zones on one list, with windows every day; nothing is launched yet."""
    group = ContactList.objects.create(organization=organization, name="G")
    contacts = [Contact(organization=organization, phone=f"{PLACES[n % 5]}{2000 + n}") for n in range(people)]
    organization.allowed_countries = ["FR", "US", "IN"]
    organization.save()
    made = Contact.objects.bulk_create(contacts)
    ContactListMember.objects.bulk_create(ContactListMember(contact_list=group, contact=row) for row in made)
    # CallingBox reports every outcome of the mix.
    account = an_account(organization, provider="callingbox", price_per_minute=Decimal("0.10"))
    given: dict[str, Any] = {"name": "C", "assistant": an_assistant(account), "min_gap_minutes": 60} | fields
    found = Campaign.objects.create(organization=organization, **given)
    found.contact_lists.add(group)
    found.phone_numbers.add(a_number(account))
    for opens, closes in hours:
        CallingWindow.objects.create(campaign=found, days=EVERY_DAY, opens=opens * 60, closes=closes * 60)
    return found


def deck(endings: tuple[Ending, ...], rng: random.Random) -> list[Ending]:
    """A hundred outcomes in their shares, shuffled."""
    cards = [ending for ending in endings for _ in range(round(ending.share * 100))]
    rng.shuffle(cards)
    return cards


def played(campaign: Campaign, begin: datetime, per_minute: int, seed: int) -> tuple[datetime, Counter[datetime]]:
    """Run the campaign minute by minute, asking the gate. Return when the last call ends, and calls by hour."""
    rng = random.Random(seed)
    decks: defaultdict[int, list[Ending]] = defaultdict(list)
    running = Campaign.objects.prefetch_related("windows").get(pk=campaign.pk)
    running.status = Campaign.Status.RUNNING
    people = list(Contact.objects.filter(lists__campaigns=campaign).distinct())
    rng.shuffle(people)
    choices = Choices(running, begin)
    made = [choices.call_for(Recipient(campaign=running, contact=row)) for row in people]
    calls = [call for call in made if call is not None]
    sheets = fact_sheet.load(calls, begin)
    dials: list[list[datetime]] = [[] for _ in people]
    rules = [retry_rule(rule) for rule in campaign.retry_rules.all()]
    queue = [(begin, n) for n in range(len(people))]
    heapq.heapify(queue)
    clock, last, hours = begin, begin, Counter[datetime]()
    while queue:
        room = per_minute
        while queue and queue[0][0] <= clock and room:
            _, n = heapq.heappop(queue)
            recent = tuple(moment for moment in dials[n] if moment > clock - timedelta(days=1))
            facts = replace(
                sheets[n],
                attempts=len(dials[n]),
                last_dialed_at=dials[n][-1] if dials[n] else None,
                dialed_in_a_day=recent,
            )
            decision = decide(facts, clock)
            if decision.verdict == "defer":
                heapq.heappush(queue, (cast(datetime, decision.until), n))
            if decision.verdict != "allow":
                continue
            room -= 1
            dials[n].append(clock)
            hours[clock.replace(minute=0)] += 1
            attempt = len(dials[n])
            decks[attempt] = decks[attempt] or deck(DEFAULTS, rng)
            ending = decks[attempt].pop()
            ended = clock + ending.held
            last = max(last, ended)
            again = retries.next_attempt(
                rules,
                ending.status,
                ending.voicemail,
                attempt,
                campaign.max_attempts,
                ended,
                min_gap_of(campaign.organization, campaign),
            )
            if again:
                heapq.heappush(queue, (again, n))
        clock += MINUTE
    return last, hours


def with_retries(campaign: Campaign) -> None:
    for outcome, wait in (("no_answer", 150), ("busy", 20), ("failed", 60), ("voicemail", 6 * 60)):
        RetryRule.objects.create(campaign=campaign, outcome=outcome, wait_minutes=wait, max_attempts=3)


@pytest.mark.parametrize("begin", [SATURDAY, WEDNESDAY])
@pytest.mark.parametrize(("pace", "seed"), [(1, 1), (1, 2), (3, 3), (3, 4)])
def test_the_forecast_ends_when_a_campaign_played_minute_by_minute_ends(
    organization: Organization, begin: datetime, pace: int, seed: int
) -> None:
    campaign = a_campaign(organization, 500, ((9, 12), (14, 19)), max_attempts=4, calls_per_minute=pace)
    campaign.holidays = ["2026-03-09"]
    campaign.save()
    with_retries(campaign)
    found = forecast(campaign, begin)
    last, hours = played(campaign, begin, pace, seed)
    assert found.finishes_at is not None
    assert abs(found.finishes_at - last) <= 0.05 * (last - begin), (found.finishes_at, last)
    assert found.calls == pytest.approx(hours.total(), rel=0.05)
    assert sum(calls for _, calls in found.per_hour) == found.calls
    assert {hour for hour, calls in found.per_hour if calls > 3} <= set(hours)


def test_who_has_not_been_reached_when_their_hours_open_keeps_their_place(organization: Organization) -> None:
    """A long list is called in its order: recipients of zones that open later are not moved to the end."""
    campaign = a_campaign(organization, 1_000, ((9, 19),), max_attempts=1, calls_per_minute=1)
    foreseen, (_, hours) = Counter(dict(forecast(campaign, WEDNESDAY).per_hour)), played(campaign, WEDNESDAY, 1, 1)
    elsewhere = sum(abs(foreseen[hour] - hours[hour]) for hour in {*foreseen, *hours}) / 2
    assert elsewhere <= 0.03 * hours.total()


def test_without_retries_everybody_is_called_once_at_the_set_pace(organization: Organization) -> None:
    campaign = a_campaign(organization, 100, ((0, 24),), calls_per_minute=2, legal_override="test")
    found = forecast(campaign, WEDNESDAY)
    assert (found.recipients, found.calls, found.callable_now) == (100, 100, 100)
    assert found.starts_at == WEDNESDAY
    assert found.finishes_at is not None
    assert abs(found.finishes_at - WEDNESDAY - 50 * MINUTE) <= timedelta(minutes=2.5)


def test_lines_held_for_long_slow_a_campaign_down(organization: Organization) -> None:
    campaign = a_campaign(organization, 100, ((0, 24),), max_open_calls=1, legal_override="test")
    found = forecast(campaign, WEDNESDAY)
    held = sum(ending.share * ending.held.total_seconds() for ending in DEFAULTS)
    assert found.finishes_at is not None
    assert (found.finishes_at - WEDNESDAY).total_seconds() == pytest.approx(100 * held, rel=0.05)


def test_a_campaign_for_later_begins_then_and_its_windows_decide(organization: Organization) -> None:
    starts = WEDNESDAY + timedelta(days=2)
    campaign = a_campaign(organization, 50, ((9, 12),), starts_at=starts)
    found = forecast(campaign, WEDNESDAY)
    # 10:00 in Paris, 13:30 in India, night in America.
    assert (found.callable_now, found.starts_at) == (10, starts)
    assert found.finishes_at is not None
    # India opens last: on Saturday at 9:00 there.
    saturday = datetime(2026, 5, 16, 3, 30, tzinfo=UTC)
    assert saturday < found.finishes_at < saturday + timedelta(minutes=5)


def test_whom_a_rule_forbids_is_counted_by_reason(
    organization: Organization, django_assert_max_num_queries: Any
) -> None:
    campaign = a_campaign(organization, 60, ((9, 19),), ends_at=WEDNESDAY + timedelta(hours=4))
    entries.add(organization, "+33612342003", source="test")
    organization.allowed_countries = ["FR", "IN"]
    organization.save()
    assert campaign.assistant is not None
    campaign.assistant.variables = [{"name": "slot", "required": True}]
    campaign.assistant.save()
    campaign.refresh_from_db()
    Contact.objects.filter(phone__startswith="+3361234").exclude(phone="+33612342008").update(variables={"slot": "9"})
    Contact.objects.filter(phone__startswith="+91").update(timezone="Pacific/Auckland", variables={"slot": "9"})
    with django_assert_max_num_queries(20):
        found = forecast(campaign, WEDNESDAY)
    assert found.skipped == {"country": 36, "do_not_call": 1, "missing_variables": 1, "no_open_window": 12}
    assert (found.callable_now, found.calls) == (10, 10)
    said = {problem.code: problem for problem in warnings(found)}
    assert {code: problem.count for code, problem in said.items()} == dict(found.skipped)
    assert "Pacific/Auckland" in said["no_open_window"].message
    assert {problem.severity for problem in said.values()} == {"warning"}


def test_who_comes_after_the_end_is_not_reached(organization: Organization) -> None:
    fields = {"calls_per_minute": 1, "legal_override": "test", "ends_at": WEDNESDAY + timedelta(minutes=30)}
    found = forecast(a_campaign(organization, 100, ((0, 24),), **fields), WEDNESDAY)
    assert found.not_reached == pytest.approx(70, abs=2)
    assert found.calls + found.not_reached == 100
    [problem] = warnings(found)
    assert (problem.code, problem.count) == ("not_reached", found.not_reached)


def test_a_launched_campaign_forecasts_what_is_left(organization: Organization) -> None:
    campaign = a_campaign(organization, 30, ((0, 24),), legal_override="test", max_attempts=2)
    RetryRule.objects.create(campaign=campaign, outcome="no_answer", wait_minutes=60, max_attempts=2)
    people = list(Contact.objects.filter(lists__campaigns=campaign))
    states = ["done"] * 10 + ["calling"] * 5 + ["waiting"] * 5
    Recipient.objects.bulk_create(
        Recipient(
            campaign=campaign,
            contact=contact,
            status=state,
            attempts=1,
            next_attempt_at=WEDNESDAY + timedelta(hours=1) if state == "waiting" else None,
        )
        for contact, state in zip(people, states, strict=False)
    )
    campaign.status = Campaign.Status.RUNNING
    campaign.save()
    found = forecast(campaign, WEDNESDAY)
    # Ten are not launched yet; five wait for their last call; about two of five open calls are retried.
    assert (found.recipients, found.callable_now) == (30, 10)
    assert 10 + 5 + 3 <= found.calls <= 10 + 5 + 2 + 4
    Campaign.objects.update(launched_at=WEDNESDAY)
    campaign.refresh_from_db()
    assert forecast(campaign, WEDNESDAY).recipients == 20


def test_the_gap_and_the_daily_cap_hold_in_simulated_time(organization: Organization) -> None:
    """With one call a day to a contact, three attempts take more than two days, whatever the rule's wait is."""
    organization.max_attempts_per_day = 1
    organization.save()
    campaign = a_campaign(organization, 20, ((0, 24),), legal_override="test", max_attempts=3, min_gap_minutes=0)
    campaign.refresh_from_db()
    RetryRule.objects.create(campaign=campaign, outcome="no_answer", wait_minutes=0, max_attempts=3)
    found = forecast(campaign, WEDNESDAY)
    assert found.finishes_at is not None
    assert timedelta(days=2) <= found.finishes_at - WEDNESDAY <= timedelta(days=2, hours=1)


def test_the_next_call_comes_at_another_time_of_day_where_the_rule_says_so(organization: Organization) -> None:
    campaign = a_campaign(organization, 60, ((9, 19),), legal_override="test", max_attempts=2)
    for n, contact in enumerate(Contact.objects.all()):  # to Britain, where WEDNESDAY is nine o'clock
        Contact.objects.filter(pk=contact.pk).update(phone=f"+4474001{23000 + n}")
    organization.allowed_countries = ["GB"]
    organization.save()
    campaign.organization.refresh_from_db()
    RetryRule.objects.create(
        campaign=campaign, outcome="no_answer", wait_minutes=60, max_attempts=2, other_time_of_day=True
    )
    found = forecast(campaign, WEDNESDAY)
    assert {hour.hour for hour, _ in found.per_hour} == {8, 11}  # in UTC: 9:00 and 12:00 in London
    assert dict(found.per_hour)[WEDNESDAY + timedelta(hours=3)] == pytest.approx(60 * 0.37, abs=1)


def test_the_end_of_a_small_campaign_does_not_wait_for_what_will_probably_not_happen(
    organization: Organization,
) -> None:
    """Of twenty recipients three reach a machine once; two machines in a row are unlikely for any of them."""
    campaign = a_campaign(organization, 20, ((0, 24),), legal_override="test", max_attempts=3)
    RetryRule.objects.create(campaign=campaign, outcome="voicemail", wait_minutes=7 * 24 * 60, max_attempts=3)
    found = forecast(campaign, WEDNESDAY)
    assert found.finishes_at is not None
    assert timedelta(days=7) < found.finishes_at - WEDNESDAY < timedelta(days=8)


def test_an_end_that_never_comes_is_not_invented(organization: Organization) -> None:
    campaign = a_campaign(organization, 5, ((0, 24),), legal_override="test")
    organization.max_attempts_per_day = 0
    organization.save()
    campaign.refresh_from_db()
    assert forecast(campaign, WEDNESDAY).finishes_at is None
    campaign.assistant = None
    assert forecast(campaign, WEDNESDAY).callable_now is None


def test_own_history_replaces_the_defaults(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber, django_assert_num_queries: Any
) -> None:
    people = Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+3361234{2000 + n}") for n in range(50)
    )
    for n, contact in enumerate(people):
        Call.objects.create(
            organization=organization,
            contact=contact,
            account=assistant.account,
            assistant=assistant,
            phone_number=phone_number,
            to_number=contact.phone,
            from_number=phone_number.e164,
            status=Status.COMPLETED if n < 40 else Status.NO_ANSWER,
            answered_by="machine" if n < 10 else "human",
            duration_seconds=200 if n < 40 else None,
            dialed_at=WEDNESDAY - timedelta(days=3),
            terminal_at=WEDNESDAY - timedelta(days=3) + timedelta(seconds=240 if n < 40 else 20),
        )
    with django_assert_num_queries(1):
        found = {(each.status, each.voicemail): each for each in endings_of(organization.pk, WEDNESDAY)}
    shares = {key: each.share for key, each in found.items()}
    assert shares == {("completed", True): 0.2, ("completed", False): 0.6, ("no_answer", False): 0.2}
    assert found["completed", False].held == timedelta(seconds=240)
    assert found["completed", False].billed == timedelta(seconds=200)
    assert found["no_answer", False].billed == timedelta()
    Call.objects.filter(contact=people[0]).delete()
    assert endings_of(organization.pk, WEDNESDAY) == DEFAULTS


def test_the_cost_is_a_range_and_never_more_than_the_budget_has_left(organization: Organization) -> None:
    campaign = a_campaign(organization, 100, ((0, 24),), legal_override="test")
    found = forecast(campaign, WEDNESDAY)
    billed = sum(ending.share * ending.billed.total_seconds() for ending in DEFAULTS)
    assert float(support.dollars(found.cost_low)) == pytest.approx(100 * billed / 60 * 0.10, rel=0.02)
    assert support.dollars(found.cost_high) == Decimal("30.00")  # a call reserves three minutes
    campaign.budget = Decimal(5)
    found = forecast(campaign, WEDNESDAY)
    assert support.dollars(found.cost_low) == support.dollars(found.cost_high) == 5
    assert [problem.code for problem in warnings(found)] == ["budget"]


def test_too_many_people_are_counted_and_nothing_is_claimed_of_them(organization: Organization) -> None:
    campaign = a_campaign(organization, 20, ((0, 24),))
    found = forecast(campaign, WEDNESDAY, at_most=19)
    assert (found.recipients, found.callable_now, found.finishes_at) == (20, None, None)
    assert [(problem.code, problem.count) for problem in warnings(found)] == [("not_forecast", 20)]
    assert warnings(forecast(campaign, WEDNESDAY, at_most=20)) == []


def test_more_people_cost_no_more_queries(organization: Organization, django_assert_max_num_queries: Any) -> None:
    campaign = a_campaign(organization, 400, ((0, 24),), legal_override="test", max_attempts=3, budget=Decimal(900))
    with_retries(campaign)
    with django_assert_max_num_queries(20):
        assert forecast(campaign, WEDNESDAY).callable_now == 400


def test_the_start_page_says_when_it_ends_what_it_costs_and_who_is_left_out(
    organization: Organization, admin_client: Any
) -> None:
    campaign = a_campaign(organization, 20, ((0, 24),), legal_override="test")
    entries.add(organization, "+33612342003", source="test")
    page = admin_client.get(reverse("admin:campaigns_campaign_step", args=[campaign.pk, "start"])).content.decode()
    assert "The campaign costs at most 18.00 USD: 3 calls of up to 3 minutes to each contact." in page
    later = reverse("admin:campaigns_campaign_forecast", args=[campaign.pk])
    assert later in page
    page = admin_client.get(later).content.decode()
    assert "after about 19 more calls" in page and "5.70 USD at most" in page
    assert "1 recipient on the do-not-call list: not called." in page


def test_caller_numbers_that_may_call_so_often_in_a_day_set_the_pace(organization: Organization) -> None:
    campaign = a_campaign(organization, 100, ((0, 24),), legal_override="test")
    campaign.phone_numbers.update(max_calls_per_day=20)
    found = forecast(campaign, WEDNESDAY)
    assert found.finishes_at is not None
    assert timedelta(days=4) <= found.finishes_at - WEDNESDAY <= timedelta(days=4, hours=1)
    by_day = Counter(hour.date() for hour, calls in found.per_hour for _ in range(calls))
    assert set(by_day.values()) == {20}


@pytest.mark.parametrize("whose", ["organization", "account"])
def test_a_budget_of_the_day_sets_the_pace(organization: Organization, whose: str) -> None:
    """A call costs about 0.07 and reserves 0.30: calls fit into 1.80 as long as 0.30 is left."""
    campaign = a_campaign(organization, 100, ((0, 24),), legal_override="test")
    assert campaign.assistant is not None
    owner: Any = organization if whose == "organization" else campaign.assistant.account
    owner.daily_budget = Decimal("1.80")
    owner.save()
    campaign.refresh_from_db()
    found = forecast(campaign, WEDNESDAY)
    by_day = Counter(hour.astimezone(PARIS).date() for hour, calls in found.per_hour for _ in range(calls))
    billed = sum(ending.share * ending.billed.total_seconds() for ending in DEFAULTS) / 60 * 0.10
    assert set(list(by_day.values())[:-1]) == {math.floor(1.50 / billed) + 1}
    assert found.calls == 100


def test_why_a_campaign_never_ends_is_said(organization: Organization) -> None:
    campaign = a_campaign(organization, 5, ((0, 24),), legal_override="test")
    held = Contact.objects.order_by("pk")[:2]
    Contact.objects.filter(pk__in=held.values("pk")).update(on_hold=True)
    found = forecast(campaign, WEDNESDAY)
    assert (found.finishes_at, found.without_end) == (None, Counter(on_hold=2))
    assert found.calls >= 3
    [problem] = warnings(found)
    assert (problem.code, problem.count) == ("without_end", 2)
    assert problem.message == (
        "The campaign will not end by itself: 2 recipients on hold until a team member lifts the hold."
    )
    organization.daily_budget = Decimal("0.20")
    organization.save()
    campaign.refresh_from_db()
    [problem] = warnings(forecast(campaign, WEDNESDAY))
    assert "3 recipients whose turn never comes by these limits" in problem.message


def test_a_budget_too_small_for_one_call_never_ends(organization: Organization) -> None:
    organization.daily_budget = Decimal("0.20")
    organization.save()
    campaign = a_campaign(organization, 5, ((0, 24),), legal_override="test")
    assert forecast(campaign, WEDNESDAY).finishes_at is None


# 100 recipients; 40 of them have a second number, 10 of these a third. Half of the calls are not answered.
IN_TURN = [
    (1, 9, True, 100 + 20 + 2.5),  # at each number once: 40 % of 50 unanswered go on, then a quarter of 10
    (1, 2, True, 100 + 20),
    (1, 9, False, 100),
    (2, 9, True, 150 + 0.4 * 25 * 1.5 + 0.25 * 0.25 * 10 * 1.5),  # at each number a second time after no answer
]


@pytest.mark.parametrize(("attempts", "in_all", "in_turn", "expected"), IN_TURN)
def test_those_who_have_a_further_number_are_called_at_it(
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    attempts: int,
    in_all: int,
    in_turn: bool,
    expected: float,
) -> None:
    campaign = a_campaign(organization, 100, ((0, 24),), max_attempts=in_all, try_next_number=in_turn)
    RetryRule.objects.create(campaign=campaign, outcome="no_answer", wait_minutes=60, max_attempts=attempts)
    people = list(Contact.objects.filter(lists__campaigns=campaign).order_by("pk"))
    for n, row in enumerate(people[:40]):
        numbers = [f"+1212556{2000 + n}", *([f"+1212557{2000 + n}"] if n < 10 else [])]
        further_numbers.replace(row, [(phone, "") for phone in numbers])
    half = [Ending(status, False, 0.5, timedelta(seconds=30)) for status in ("completed", "no_answer")]
    monkeypatch.setattr(f"{forecast.__module__}.endings_of", lambda *_: tuple(half))
    assert forecast(campaign, WEDNESDAY).calls == pytest.approx(expected, abs=2)


@pytest.mark.parametrize(("place", "skipped"), [(0, {}), (1, {"country": 1}), (7, {})])
def test_a_recipient_is_judged_by_the_number_that_is_called(
    organization: Organization, place: int, skipped: dict[str, int]
) -> None:
    campaign = a_campaign(organization, 1, ((0, 24),))
    row = Contact.objects.get(lists__campaigns=campaign)
    further_numbers.replace(row, [("+4915123456789", "")])  # Germany is not allowed
    Recipient.objects.create(campaign=campaign, contact=row, number_position=place)
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.RUNNING, launched_at=WEDNESDAY)
    campaign.refresh_from_db()
    assert forecast(campaign, WEDNESDAY).skipped == skipped

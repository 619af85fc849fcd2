"""A person with several numbers is one person: for do-not-call, open calls, gaps, caps and attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.actions import campaigns, single_calls
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.gate import history
from calls.gate.decision import Decision, decide
from calls.gate.selection import Choices
from calls.models import Call, ContactChange
from calls.outcomes import recording
from calls.reports.explain import explain
from campaigns import further_numbers, launching
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactNumber, Recipient
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

ONE, TWO, THREE, OTHER = "+12125550150", "+12125550151", "+12125550152", "+12125550159"
HOUR = timedelta(hours=1)


def person(organization: Organization, first: str, *further: str) -> Contact:
    found, _ = Contact.objects.get_or_create(organization=organization, phone=first)
    further_numbers.replace(found, [(phone, "") for phone in further])
    return found


def started(number: PhoneNumber, *firsts: str, **rules: Any) -> Campaign:
    """Return a running campaign with one recipient for each contact, due now."""
    made = support.campaign(number, support.people(number.organization, list(firsts)), **rules)
    campaigns.start(made, actor="test")
    launching.step(made.pk)
    return Campaign.objects.get(pk=made.pk)


def dial(number: PhoneNumber, campaign: Campaign) -> list[str]:
    """Enqueue and claim what the campaign may call now. Return the numbers."""
    support.look()
    enqueueing.feed(campaign.pk)
    return [claim.call.to_number for claim in placing.claim(number.account_id)]


def end(state: CallState = CallState.NO_ANSWER, **said: Any) -> None:
    """End all open calls."""
    for call in Call.objects.open():
        recording.record(call.pk, Reading(state=state, provider_call_id=f"p{call.pk}", **said), "poll")


def asked(call: Call) -> Decision:
    now = timezone.now()
    [facts] = fact_sheet.load([call], now)
    return decide(facts, now)


def next_call(recipient: Recipient) -> Call:
    return (
        Call.objects.queued()
        .select_related(*("organization", "account", "assistant", "phone_number", "contact", "campaign", "recipient"))
        .get(recipient=recipient)
    )


# Which number is called


@pytest.mark.parametrize(("place", "called"), [(0, ONE), (1, TWO), (2, THREE), (3, ONE), (9, ONE)])
def test_the_number_in_the_place_is_called_else_the_first(number: PhoneNumber, place: int, called: str) -> None:
    person(number.organization, ONE, TWO, THREE)
    campaign = started(number, ONE)
    campaign.recipients.update(number_position=place)
    assert dial(number, campaign) == [called]


SEQUENCES = [
    # rule for no answer: attempts; campaign: attempts in all; whether the next number is tried; what is called
    (2, 9, True, [ONE, ONE, TWO, TWO, THREE, THREE]),
    (1, 9, True, [ONE, TWO, THREE]),
    (2, 3, True, [ONE, ONE, TWO]),
    (3, 3, True, [ONE, ONE, ONE]),
    (2, 9, False, [ONE, ONE]),
    (0, 9, True, [ONE, TWO, THREE]),
    (0, 9, False, [ONE]),
]


@pytest.mark.parametrize(("attempts", "in_all", "in_turn", "called"), SEQUENCES)
def test_after_a_final_unanswered_call_the_next_number_is_called(
    number: PhoneNumber, attempts: int, in_all: int, in_turn: bool, called: list[str]
) -> None:
    person(number.organization, ONE, TWO, THREE)
    campaign = started(number, ONE, max_attempts=in_all, try_next_number=in_turn)
    campaign.retry_rules.all().delete()
    if attempts:
        campaign.retry_rules.create(outcome="no_answer", wait_minutes=0, max_attempts=attempts)
    rung: list[str] = []
    while found := dial(number, campaign):
        rung += found
        end()
        assert len(rung) < 20
    assert rung == called
    recipient = campaign.recipients.get()
    assert (recipient.status, recipient.attempts) == (Recipient.Status.DONE, len(called))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (CallState.BUSY, {}),
        (CallState.FAILED, {}),
        (CallState.COMPLETED, {}),
        (CallState.COMPLETED, {"answered_by": "machine"}),
        (CallState.NO_ANSWER, {"answered_by": "machine"}),
        (CallState.CANCELED, {}),
        (CallState.EXPIRED, {}),
    ],
)
def test_no_other_end_moves_on_to_the_next_number(number: PhoneNumber, state: CallState, said: dict[str, Any]) -> None:
    person(number.organization, ONE, TWO)
    campaign = started(number, ONE, max_attempts=9, try_next_number=True)
    assert dial(number, campaign) == [ONE]
    end(state, **said)
    assert dial(number, campaign) == []
    assert campaign.recipients.get().status == Recipient.Status.DONE


@pytest.mark.parametrize(("wait", "gap", "expected"), [(90, 10, 90), (90, 120, 120), (None, 30, 30)])
def test_the_next_number_waits_as_the_rule_says_else_the_minimum_gap(
    number: PhoneNumber, wait: int | None, gap: int, expected: int
) -> None:
    person(number.organization, ONE, TWO)
    campaign = started(number, ONE, max_attempts=9, try_next_number=True, min_gap_minutes=gap)
    campaign.retry_rules.all().delete()
    if wait:
        campaign.retry_rules.create(outcome="no_answer", wait_minutes=wait, max_attempts=1)
    dial(number, campaign)
    end()
    seen_ended = Call.objects.get().terminal_at
    recipient = campaign.recipients.get()
    assert (recipient.status, recipient.number_position) == (Recipient.Status.WAITING, 1)
    assert seen_ended and recipient.next_attempt_at == seen_ended + timedelta(minutes=expected)


def test_a_number_that_was_called_is_not_called_again_where_the_order_changed(number: PhoneNumber) -> None:
    holder = person(number.organization, ONE, TWO, THREE)
    campaign = started(number, ONE, max_attempts=9, try_next_number=True)
    assert dial(number, campaign) == [ONE]
    end()
    assert dial(number, campaign) == [TWO]
    further_numbers.replace(holder, [(THREE, ""), (TWO, "")])
    end()
    assert dial(number, campaign) == [THREE]
    end()
    assert dial(number, campaign) == []


def test_a_number_that_the_numbering_plan_does_not_use_is_passed_over(number: PhoneNumber) -> None:
    person(number.organization, ONE, "+33711226101", TWO)  # ARCEP has not opened 07 11
    campaign = started(number, ONE, max_attempts=9, try_next_number=True)
    assert dial(number, campaign) == [ONE]
    end()
    assert dial(number, campaign) == [TWO]
    end()
    assert dial(number, campaign) == []


def test_switched_off_while_a_recipient_waits_no_further_number_is_called(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    campaign = started(number, ONE, max_attempts=9, try_next_number=True)
    dial(number, campaign)
    end()
    Campaign.objects.update(try_next_number=False)
    assert dial(number, campaign) == []
    assert (campaign.recipients.get().status, campaign.recipients.get().reason) == ("done", "attempts")


# Do not call


@pytest.mark.parametrize("listed", [ONE, TWO, THREE])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_do_not_call_on_any_number_stops_the_person(number: PhoneNumber, listed: str, place: int) -> None:
    person(number.organization, ONE, TWO, THREE)
    campaign = started(number, ONE)
    campaign.recipients.update(number_position=place)
    entries.add(number.organization, listed, source="test")
    assert explain(campaign.recipients.get()).decision == "skip"
    assert dial(number, campaign) == []
    assert (campaign.recipients.get().status, campaign.recipients.get().reason) == ("skipped", "do_not_call")


@pytest.mark.parametrize("listed", [ONE, TWO])
def test_a_number_listed_while_the_call_is_queued_stops_it(number: PhoneNumber, listed: str) -> None:
    person(number.organization, ONE, TWO)
    campaign = started(number, ONE)
    enqueueing.feed(campaign.pk)
    entries.add_many(number.organization, [listed], reason="", source="test")
    assert placing.claim(number.account_id) == []
    assert Call.objects.get().ended_reason == "do_not_call"


def test_a_further_number_that_is_listed_already_stops_the_queued_call(number: PhoneNumber) -> None:
    holder = person(number.organization, ONE)
    campaign = started(number, ONE)
    enqueueing.feed(campaign.pk)
    entries.add(number.organization, TWO, source="test")
    further_numbers.replace(holder, [(TWO, "")])
    assert placing.claim(number.account_id) == []
    assert Call.objects.get().ended_reason == "do_not_call"


# Today's number and the form in which it was listed, from the regulators' announcements.
@pytest.mark.parametrize(
    ("today", "before"),
    [
        ("+525541637199", "+5215541637199"),  # Mexico, 3 August 2019: no 1 after the country code
        ("+2290197123456", "+22997123456"),  # Benin, 30 November 2024: 01 before all numbers
        ("+5511987654321", "+551187654321"),  # São Paulo, 29 July 2012: a 9 before mobile numbers
    ],
)
@pytest.mark.parametrize("further", [False, True])
def test_an_entry_in_a_former_form_stops_the_person(
    number: PhoneNumber, today: str, before: str, further: bool
) -> None:
    Organization.objects.update(allowed_countries=["US", "MX", "BJ", "BR"])
    number.organization.refresh_from_db()
    if further:
        person(number.organization, ONE, today)
    else:
        person(number.organization, today)
    campaign = started(number, ONE if further else today)
    entries.add(number.organization, before, source="test")
    assert dial(number, campaign) == []
    assert campaign.recipients.get().reason == "do_not_call"


def test_do_not_call_of_another_organization_stops_nobody(number: PhoneNumber) -> None:
    stranger = Organization.objects.create(tenant=number.organization.tenant, name="Stranger")
    person(number.organization, ONE, TWO)
    entries.add(stranger, TWO, source="test")
    assert dial(number, started(number, ONE)) == [ONE]


def order(number: PhoneNumber, to: str) -> single_calls.Order:
    return single_calls.Order(number.organization, number.account.assistants.get(), number, to)


@pytest.mark.parametrize("listed", [ONE, TWO, THREE])
def test_a_single_call_to_a_further_number_is_refused_if_its_owner_is_listed(number: PhoneNumber, listed: str) -> None:
    person(number.organization, ONE, TWO, THREE)
    entries.add(number.organization, listed, source="test")
    assert single_calls.preview(order(number, TWO)).reason == "do_not_call"
    with pytest.raises(single_calls.Refused) as caught:
        single_calls.place_single(order(number, TWO))
    assert caught.value.code == "do_not_call"


def test_a_single_call_queued_before_its_owner_was_listed_is_not_placed(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    single_calls.place_single(order(number, TWO))
    entries.add(number.organization, ONE, source="test")
    assert placing.claim(number.account_id) == []


def test_a_single_call_is_refused_while_its_owner_is_called_at_another_number(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    assert dial(number, started(number, ONE)) == [ONE]
    with pytest.raises(single_calls.AlreadyOpen):
        single_calls.place_single(order(number, TWO))


# One call at a time, gaps and caps


def test_two_calls_of_one_claim_do_not_ring_one_person_twice(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    first, second = started(number, ONE), started(number, ONE)
    second.recipients.update(number_position=1)
    for each in (first, second):
        enqueueing.feed(each.pk)
    assert Call.objects.queued().count() == 2
    assert len(placing.claim(number.account_id)) == 1
    assert Call.objects.queued().get().status_reason == "open_call"


def test_two_persons_who_share_a_number_are_not_called_at_it_in_one_claim(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    person(number.organization, OTHER, TWO)
    campaign = started(number, ONE, OTHER)
    campaign.recipients.update(number_position=1)
    assert dial(number, campaign) == [TWO]


def test_a_person_is_not_called_while_a_shared_number_of_theirs_rings(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    person(number.organization, TWO)
    assert dial(number, started(number, TWO)) == [TWO]
    campaign = started(number, ONE)
    assert dial(number, campaign) == []
    assert campaign.recipients.get().reason == "open_call"


@pytest.mark.parametrize("caller", ["the person", "another with the number"])
def test_gaps_and_caps_count_the_calls_to_all_numbers(number: PhoneNumber, caller: str) -> None:
    organization = number.organization
    person(organization, ONE, TWO)
    if caller == "another with the number":
        person(organization, OTHER, TWO)
    earlier = started(number, ONE if caller == "the person" else OTHER)
    earlier.recipients.update(number_position=1)
    assert dial(number, earlier) == [TWO]
    end(CallState.COMPLETED)
    Organization.objects.update(min_gap_minutes=60, max_attempts_per_day=1, max_attempts_per_30_days=1)
    later = started(number, ONE, min_gap_minutes=None)
    enqueueing.feed(later.pk)
    failed = {check.name for check in explain(later.recipients.get()).checks if check.result != "allow"}
    assert {"minimum_gap", "calls_per_day", "calls_per_30_days"} <= failed
    assert dial(number, later) == []


def test_a_call_counts_once_though_it_is_of_the_contact_and_to_its_number(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    assert dial(number, started(number, ONE)) == [ONE]
    end(CallState.COMPLETED)
    Organization.objects.update(max_attempts_per_day=2)
    assert dial(number, started(number, ONE)) == [ONE]


@pytest.mark.parametrize("at_once", [1, 2, 5_000])
def test_however_many_numbers_one_query_reads_the_same_counts(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(history, "AT_ONCE", at_once)
    person(number.organization, ONE, TWO, THREE)
    earlier = started(number, ONE)
    earlier.recipients.update(number_position=2)
    assert dial(number, earlier) == [THREE]
    later = started(number, ONE)
    call = Choices(later, timezone.now()).call_for(later.recipients.get())
    assert call
    [found] = fact_sheet.load([call], timezone.now())
    assert (found.open_call, len(found.dialed_in_a_day)) == (True, 1)


def test_another_persons_calls_do_not_count(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO)
    person(number.organization, OTHER, THREE)
    assert dial(number, started(number, OTHER)) == [OTHER]
    Organization.objects.update(min_gap_minutes=60, max_attempts_per_day=1)
    assert dial(number, started(number, ONE, min_gap_minutes=None)) == [ONE]


# Numbers that change


def test_a_queued_call_follows_the_first_number(number: PhoneNumber) -> None:
    person(number.organization, ONE)
    campaign = started(number, ONE)
    enqueueing.feed(campaign.pk)
    Contact.objects.update(phone=OTHER)
    assert placing.claim(number.account_id) == [], "the old number must not ring"
    assert Call.objects.get().ended_reason == "number_changed"
    assert dial(number, campaign) == [OTHER]


def test_a_queued_call_to_a_further_number_that_is_gone_goes_to_the_first(number: PhoneNumber) -> None:
    holder = person(number.organization, ONE, TWO)
    campaign = started(number, ONE)
    campaign.recipients.update(number_position=1)
    enqueueing.feed(campaign.pk)
    assert next_call(campaign.recipients.get()).to_number == TWO
    further_numbers.replace(holder, [])
    assert dial(number, campaign) == [ONE]


def test_a_single_call_goes_to_the_number_that_was_ordered(number: PhoneNumber) -> None:
    person(number.organization, ONE)
    single_calls.place_single(order(number, ONE))
    Contact.objects.update(phone=OTHER)
    assert [claim.call.to_number for claim in placing.claim(number.account_id)] == [ONE]


@pytest.mark.parametrize("change", ["insert", "update", "delete"])
def test_a_change_of_a_further_number_is_noticed(number: PhoneNumber, change: str) -> None:
    holder = person(number.organization, ONE, *([] if change == "insert" else [TWO]))
    started(number, ONE)
    ContactChange.objects.all().delete()
    if change == "insert":
        further_numbers.replace(holder, [(TWO, "")])
    elif change == "update":
        ContactNumber.objects.update(phone=THREE)
    else:
        ContactNumber.objects.all().delete()
    assert set(ContactChange.objects.values_list("contact_id", flat=True)) == {holder.pk}


def test_listing_a_further_number_is_noticed_for_everyone_who_has_it(number: PhoneNumber) -> None:
    holders = {person(number.organization, ONE, TWO).pk, person(number.organization, OTHER, TWO).pk}
    person(number.organization, THREE)
    started(number, ONE, OTHER, THREE)
    ContactChange.objects.all().delete()
    entries.add(number.organization, TWO, source="test")
    assert set(ContactChange.objects.values_list("contact_id", flat=True)) == holders


def test_a_deleted_contact_takes_its_numbers_along(number: PhoneNumber) -> None:
    person(number.organization, ONE, TWO).delete()
    assert not ContactNumber.objects.exists()

"""Selection of assistant and caller number: shares of variants, stand-ins for blocked accounts, caller numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import time_machine
from django.utils import timezone

from calls.dialing import enqueueing, placing
from calls.gate.selection import Choices, Selectable, nearest
from calls.models import Call, Status
from calls.reports.explain import explain
from calls.reports.idle_reasons import idle_reasons
from campaigns import launching
from campaigns.models import Campaign, CampaignVariant, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from providers.sandbox import server
from tenants.models import Organization
from tests.calls import support
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(organization: Organization) -> list[PhoneNumber]:
    """Return two accounts, each with an assistant and a caller number."""
    return [support.reach(organization, "http://127.0.0.1:9", name) for name in ("allomia", "callingbox")]


def with_variant(lines: list[PhoneNumber], own: int, other: int, numbers: list[str] | None = None) -> Campaign:
    people = support.people(lines[0].organization, numbers or ["+16465551200"])
    made = support.campaign(lines[0], people, assistant_weight=own, retries=3, status=Campaign.Status.RUNNING)
    made.phone_numbers.add(lines[1])
    CampaignVariant.objects.create(campaign=made, assistant=lines[1].account.assistants.get(), weight=other)
    return made


def person(contact: int, assistant: Assistant | None = None, number: PhoneNumber | None = None) -> Selectable:
    kept = {"assistant_id": assistant and assistant.pk, "phone_number_id": number and number.pk}
    return cast(Selectable, SimpleNamespace(contact_id=contact, **kept))


def shares(made: Campaign, contacts: Iterator[int] | range) -> dict[str, int]:
    choices = Choices(made, timezone.now())
    found: Counter[str] = Counter()
    for contact in contacts:
        selection = choices.select(person(contact), "+16465551200")
        if selection:
            choices.take(selection)
        found[selection.choice.assistant.name if selection else "nobody"] += 1
    return dict(found)


@pytest.mark.parametrize(("own", "other"), [(1, 1), (7, 3), (1, 9)])
@pytest.mark.parametrize("people", [7, 100, 10_001])
def test_shares_come_out_within_one_call_of_the_weights(
    lines: list[PhoneNumber], own: int, other: int, people: int
) -> None:
    found = shares(with_variant(lines, own, other), range(70_001, 70_001 + people))
    assert abs(found.get("allomia", 0) - people * own / (own + other)) < 1


def test_a_variant_is_not_the_earlier_half_of_the_campaign(lines: list[PhoneNumber]) -> None:
    """The order of calls must not depend on the variant, or the comparison would compare times of day."""
    made = with_variant(lines, 1, 1, [f"+1646555{n:04d}" for n in range(1000, 1400)])
    assert launching.step(made.pk)
    in_order = list(made.recipients.order_by("next_attempt_at", "sort_key"))
    choices = Choices(made, timezone.now())
    first = Counter(cast(Any, choices.call_for(row)).assistant.name for row in in_order[:200])
    assert first == {"allomia": 100, "callingbox": 100}


def test_weight_zero_only_stands_in(lines: list[PhoneNumber]) -> None:
    made = with_variant(lines, 1, 0)
    assert shares(made, range(100)) == {"allomia": 100}
    ProviderAccount.objects.filter(pk=lines[0].account_id).update(blocked_at=timezone.now(), blocked_reason="down")
    assert shares(Campaign.objects.get(), range(100)) == {"callingbox": 100}
    ProviderAccount.objects.update(is_active=False)
    assert shares(Campaign.objects.get(), range(100)) == {"nobody": 100}


def test_later_calls_are_made_by_the_assistant_and_from_the_number_of_the_first(lines: list[PhoneNumber]) -> None:
    made = with_variant(lines, 1, 1)
    assistants = [line.account.assistants.get() for line in lines]
    choices = Choices(made, timezone.now())
    for contact in range(50):
        for assistant in assistants:
            choice = choices.choice_for(person(contact, assistant))
            assert choice is not None and choice.assistant == assistant
    second = PhoneNumber.objects.create(
        organization=lines[0].organization, account=lines[0].account, e164="+16465550101", external_id="x"
    )
    made.phone_numbers.add(second)
    choices = Choices(made, timezone.now())
    mine = next(choice for choice in choices.all if choice.account == lines[0].account)
    for contact in range(20):
        assert choices.number_for(mine, person(contact, number=second), "+16465551200") == second


def test_a_blocked_account_hands_its_queued_calls_to_the_next(lines: list[PhoneNumber]) -> None:
    numbers = [f"+16465552{n:03d}" for n in range(10)]
    made = with_variant(lines, 1, 0, numbers)
    launching.step(made.pk)
    assert enqueueing.feed_all(made.organization_id) == 10
    assert set(made.calls.values_list("account__provider", flat=True)) == {"allomia"}
    ProviderAccount.objects.filter(pk=lines[0].account_id).update(blocked_at=timezone.now(), blocked_reason="down")
    assert enqueueing.reroute(timezone.now()) == 10
    assert enqueueing.reroute(timezone.now()) == 0
    assert enqueueing.feed_all(made.organization_id) == 10
    queued = made.calls.queued()
    assert set(queued.values_list("account__provider", flat=True)) == {"callingbox"}
    assert sorted(queued.values_list("to_number", flat=True)) == numbers
    assert set(made.recipients.values_list("assistant__name", flat=True)) == {"callingbox"}
    assert not Call.objects.filter(dialed_at__isnull=False).exists()


def test_without_another_assistant_the_queue_stays(lines: list[PhoneNumber]) -> None:
    made = support.campaign(lines[0], support.people(lines[0].organization, ["+16465551200"]), status="running")
    launching.step(made.pk)
    assert enqueueing.feed_all(made.organization_id) == 1
    ProviderAccount.objects.update(blocked_at=timezone.now())
    assert enqueueing.reroute(timezone.now()) == 0
    assert made.calls.queued().count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_campaign_finishes_through_its_other_provider(organization: Organization) -> None:
    """One of two providers goes down in mid campaign: every recipient is called, and none is dialled twice."""
    with server.running(speed=60, seed=4) as sandbox:
        lines = [support.reach(organization, sandbox.url, name) for name in ("allomia", "callingbox")]
        numbers = [f"+164655530{n}" for n in range(45, 85)]
        made = with_variant(lines, 1, 1, numbers)
        Campaign.objects.filter(pk=made.pk).update(max_attempts=1, calls_per_minute=600)
        with support.engine():
            eventually(lambda: made.calls.filter(dialed_at__isnull=False).count() >= 10)
            ProviderAccount.objects.filter(pk=lines[0].account_id).update(
                blocked_at=timezone.now(), blocked_reason="switched off for the test"
            )
            eventually(lambda: support.no_call_is_open(made))
        dials = Counter(dial["to_number"] for dial in sandbox.journal())
    assert set(dials.values()) == {1} and sorted(dials) == numbers
    assert not made.recipients.exclude(status__in=[Recipient.Status.DONE, Recipient.Status.REVIEW]).exists()


def a_number(line: PhoneNumber, e164: str, **fields: Any) -> PhoneNumber:
    return PhoneNumber.objects.create(
        organization=line.organization, account=line.account, e164=e164, external_id="x", **fields
    )


def test_the_nearest_number_shares_the_area_code_else_the_country(lines: list[PhoneNumber]) -> None:
    new_york, boston, paris = (PhoneNumber(e164=e164) for e164 in ("+12125550100", "+16175550100", "+33140000000"))
    assert nearest([new_york, boston, paris], "+16175559999") == [boston]
    assert nearest([new_york, boston, paris], "+13055559999") == [new_york, boston]
    assert nearest([new_york, boston, paris], "+33612345678") == [paris]
    assert nearest([new_york, boston], "+33612345678") == [new_york, boston]


def test_local_presence_is_the_campaigns_choice(lines: list[PhoneNumber]) -> None:
    near = a_number(lines[0], "+12125550100")
    made = support.campaign(lines[0], support.people(lines[0].organization, ["+12125551200"]), number_choice="local")
    made.phone_numbers.add(near)
    choices = Choices(made, timezone.now())
    for contact in range(20):
        assert choices.number_for(choices.all[0], person(contact), "+12125551200") == near


def test_a_number_at_its_daily_cap_gives_way_and_a_resting_one_waits(lines: list[PhoneNumber]) -> None:
    PhoneNumber.objects.filter(pk=lines[0].pk).update(max_calls_per_day=2)
    other = a_number(lines[0], "+12125550100", max_calls_per_day=1)
    numbers = [f"+16465554{n:03d}" for n in range(5)]
    made = support.campaign(lines[0], support.people(lines[0].organization, numbers), status="running")
    made.phone_numbers.add(other)
    launching.step(made.pk)
    enqueueing.feed_all(made.organization_id)
    for _ in range(3):
        placing.claim(lines[0].account_id)
    used = Counter(made.calls.filter(status=Status.PLACING).values_list("phone_number", flat=True))
    assert used == {lines[0].pk: 2, other.pk: 1}
    enqueueing.feed_all(made.organization_id)
    assert not made.calls.queued().exists()  # no call waits in the queue until tomorrow
    (told,) = idle_reasons(made)
    assert (told["code"], told["count"]) == ("caller_number_day", 2)


def test_whose_number_is_spent_waits_for_the_first_that_is_free_again(lines: list[PhoneNumber]) -> None:
    """They do not wait for the number of their first call while another number is free."""
    hour, callees = timedelta(hours=1), support.people(lines[0].organization, ["+16465554000"])
    made = support.campaign(lines[0], callees, status="running")
    other = a_number(lines[0], "+12125550100")
    made.phone_numbers.add(other)
    PhoneNumber.objects.filter(account=lines[0].account).update(max_calls_per_day=1)
    launching.step(made.pk)
    now = timezone.now()
    for number, ago, callee in ((lines[0], hour, "+16465554001"), (other, 20 * hour, "+16465554002")):
        call = support.single(number, callee)
        Call.objects.filter(pk=call.pk).update(status=Status.COMPLETED, dialed_at=now - ago, terminal_at=now - ago)
    made.recipients.update(phone_number=lines[0])  # called before, from that number
    with time_machine.travel(now, tick=False):
        assert enqueueing.feed_all(made.organization_id) == 0
        assert [(told["code"], told["until"]) for told in idle_reasons(made)] == [("caller_number_day", now + 4 * hour)]
        (check,) = (check for check in explain(made.recipients.get()).checks if check.name == "caller_number_day")
        assert check.until == now + 4 * hour
    with time_machine.travel(now + 4 * hour, tick=False):
        assert enqueueing.feed_all(made.organization_id) == 1
        assert made.calls.queued().get().phone_number == other


def test_a_caller_number_rests_between_two_calls(lines: list[PhoneNumber]) -> None:
    PhoneNumber.objects.filter(pk=lines[0].pk).update(rest_seconds=30)
    numbers = [f"+16465554{n:03d}" for n in range(3)]
    made = support.campaign(lines[0], support.people(lines[0].organization, numbers), status="running")
    launching.step(made.pk)
    enqueueing.feed_all(made.organization_id)
    assert len(placing.claim(lines[0].account_id)) == 1
    placed = made.calls.get(status=Status.PLACING)
    assert placed.dialed_at is not None
    rested = placed.dialed_at + timedelta(seconds=30)
    with time_machine.travel(rested - timedelta(seconds=3), tick=False):
        assert enqueueing.feed_all(made.organization_id) == 0
        told = [(reason["code"], reason["count"], reason["until"]) for reason in idle_reasons(made)]
        assert told == [("caller_number_rest", 2, rested)]
    with time_machine.travel(rested - timedelta(seconds=1), tick=False):
        assert enqueueing.feed_all(made.organization_id) == 1
        assert made.calls.queued().get().due_at == rested, "to the moment"
    with time_machine.travel(rested, tick=False):
        assert len(placing.claim(lines[0].account_id)) == 1

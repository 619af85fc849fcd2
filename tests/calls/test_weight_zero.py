"""An assistant of weight 0 calls only while no assistant with a weight can: on every path that leads to a call."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.actions import campaign_edits, scheduled_callbacks
from calls.dialing import enqueueing, placing
from calls.forecast import forecast as forecasting
from calls.gate.selection import Choices
from calls.models import Call, CallBack, Status
from calls.reports.explain import next_call
from calls.reports.variant_comparison import compare
from campaigns import launching
from campaigns.models import Campaign, CampaignVariant, Recipient
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db

S = Recipient.Status
NUMBERS = [f"+1212555{n:04d}" for n in range(150, 158)]


@pytest.fixture
def lines(organization: Organization) -> list[PhoneNumber]:
    """Return caller numbers of three accounts with an assistant each. The campaign's own is the first."""
    organization.default_region, organization.allowed_countries = "US", ["US"]
    organization.min_gap_minutes, organization.max_attempts_per_day = 0, 100
    organization.save()
    return [support.reach(organization, "http://127.0.0.1:9", name) for name in ("allomia", "callingbox", "polyai")]


@pytest.fixture
def made(lines: list[PhoneNumber]) -> Campaign:
    """Return a running campaign with the first two assistants, and its recipients."""
    found = support.campaign(lines[0], support.people(lines[0].organization, NUMBERS), retries=5, status="running")
    found.phone_numbers.add(*lines[1:])
    CampaignVariant.objects.create(campaign=found, assistant=lines[1].account.assistants.get(), weight=1)
    launching.step(found.pk)
    support.look()
    return found


def weigh(made: Campaign, weight: int) -> None:
    """Change the weight of the variant as a team member does."""
    with campaign_edits.edit(made, actor="ada") as held:
        held.variants.update(weight=weight)


def feed(made: Campaign) -> None:
    enqueueing.feed_all(made.organization_id)


def queued(made: Campaign) -> Counter[str]:
    return Counter(made.calls.queued().values_list("assistant__name", flat=True))


def block(line: PhoneNumber, blocked: bool = True) -> None:
    ProviderAccount.objects.filter(pk=line.account_id).update(
        blocked_at=timezone.now() if blocked else None, blocked_reason="down" if blocked else ""
    )


def called_by(made: Campaign, line: PhoneNumber, **fields: Any) -> None:
    """Let all recipients have been called once by the line's assistant, and be due again."""
    assistant = line.account.assistants.get()
    made.recipients.update(
        **{"status": S.WAITING, "attempts": 1, "assistant": assistant, "phone_number": line, **fields}
    )


def test_a_first_attempt_that_waits_for_it_is_made_by_another(made: Campaign, lines: list[PhoneNumber]) -> None:
    made.recipients.update(assistant=lines[1].account.assistants.get())  # it took the assistant's turn and waits
    weigh(made, 0)
    feed(made)
    assert queued(made) == {"allomia": 8}


def test_retries_of_its_people_are_made_by_another(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1])
    weigh(made, 0)
    feed(made)
    assert queued(made) == {"allomia": 8}
    assert set(made.calls.values_list("from_number", flat=True)) == {lines[0].e164}


def test_its_people_return_with_its_weight(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1])
    weigh(made, 0)
    weigh(made, 1)
    feed(made)
    assert queued(made) == {"callingbox": 8}


def test_the_campaigns_own_assistant_is_no_exception(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[0])
    with campaign_edits.edit(made, actor="ada") as held:
        held.assistant_weight = 0
        held.save()
    feed(made)
    assert queued(made) == {"callingbox": 8}


def test_queued_calls_are_made_by_another(made: Campaign) -> None:
    feed(made)
    assert queued(made) == {"allomia": 4, "callingbox": 4}
    made.variants.update(weight=0)  # past the API and the pages, so no version of the rules tells of it
    assert enqueueing.reroute(timezone.now()) == 4
    feed(made)
    assert queued(made) == {"allomia": 8}


def test_a_claim_that_comes_before_the_engine_places_none(made: Campaign, lines: list[PhoneNumber]) -> None:
    feed(made)
    weigh(made, 0)
    assert placing.claim(lines[1].account_id) == []
    feed(made)
    assert queued(made) == {"allomia": 8}
    assert not Call.objects.filter(dialed_at__isnull=False).exists()


def test_it_stands_in_while_no_other_can_call_and_no_longer(made: Campaign, lines: list[PhoneNumber]) -> None:
    weigh(made, 0)
    block(lines[0])
    feed(made)
    assert queued(made) == {"callingbox": 8}
    assert len(placing.claim(lines[1].account_id, limit=3)) == 3  # as a stand-in it calls
    block(lines[0], False)
    assert enqueueing.reroute(timezone.now()) == 5
    feed(made)
    assert queued(made) == {"allomia": 5}


def test_the_only_usable_one_calls_though_it_has_weight_zero(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1])
    weigh(made, 0)
    block(lines[0])
    feed(made)
    assert queued(made) == {"callingbox": 8} and enqueueing.reroute(timezone.now()) == 0
    assert len(placing.claim(lines[1].account_id)) == 8


def test_a_blocked_assistant_hands_its_people_to_one_with_a_weight(made: Campaign, lines: list[PhoneNumber]) -> None:
    CampaignVariant.objects.create(campaign=made, assistant=lines[2].account.assistants.get(), weight=1)
    called_by(made, lines[0])
    weigh(made, 0)
    made.variants.filter(assistant__name="polyai").update(weight=1)
    block(lines[0])
    feed(made)
    assert queued(made) == {"polyai": 8}


def test_all_of_weight_zero_keep_their_people(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1])
    with campaign_edits.edit(made, actor="ada") as held:
        held.assistant_weight = 0
        held.save()
        held.variants.update(weight=0)
    feed(made)
    assert queued(made) == {"callingbox": 8}


def test_a_scheduled_callback_is_made_by_another(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1], status=S.DONE, next_attempt_at=None)
    first, second, *_ = made.recipients.order_by("pk")
    for recipient in (first, second):
        scheduled_callbacks.schedule(recipient, timezone.now() + timedelta(hours=1), actor="ada")
    CallBack.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert scheduled_callbacks.step(timezone.now()) == 2 and queued(made) == {"callingbox": 2}
    weigh(made, 0)
    assert placing.claim(lines[1].account_id, limit=1) == []  # the claim takes back what it sees
    assert scheduled_callbacks.step(timezone.now()) == 2  # and the engine the others
    assert queued(made) == {"allomia": 2}
    assert len(placing.claim(lines[0].account_id)) == 2
    scheduled_callbacks.step(timezone.now())
    assert set(CallBack.objects.values_list("call__assistant__name", flat=True)) == {"allomia"}


def test_remembered_turns_give_it_none(made: Campaign) -> None:
    feed(made)
    made.refresh_from_db()
    assert made.rotation
    weigh(made, 0)
    choices = Choices(Campaign.objects.get(pk=made.pk), timezone.now())
    for row in made.recipients.all():
        row.assistant_id = None
        selection = choices.select(row, row.number)
        assert selection is not None and selection.choice.assistant.name == "allomia"
        choices.take(selection)


def test_forecast_and_explanation_follow_the_rule(made: Campaign, lines: list[PhoneNumber]) -> None:
    called_by(made, lines[1])
    ProviderAccount.objects.filter(pk=lines[0].account_id).update(price_per_minute="0.10")
    ProviderAccount.objects.filter(pk=lines[1].account_id).update(price_per_minute="9.00")
    weigh(made, 0)
    call = next_call(made.recipients.select_related("contact", "campaign__organization").first(), timezone.now())  # type: ignore[arg-type]
    assert call is not None and call.assistant.name == "allomia"
    found = forecasting.forecast(Campaign.objects.get(pk=made.pk), timezone.now())
    assert support.dollars(found.cost_high) < 8 * 5 * 3 * 1  # eight people, five calls, three minutes


def test_the_comparison_counts_a_person_once_and_each_call_where_it_was_made(
    made: Campaign, lines: list[PhoneNumber]
) -> None:
    """A person that was moved counts for the assistant that decided its outcome."""
    feed(made)
    now = timezone.now()
    made.calls.filter(assistant__name="callingbox").update(status=Status.NO_ANSWER, dialed_at=now)
    made.calls.filter(assistant__name="allomia").update(status=Status.COMPLETED, dialed_at=now)
    made.recipients.filter(assistant__name="callingbox").update(status=S.WAITING, attempts=1, next_attempt_at=now)
    weigh(made, 0)
    feed(made)
    assert queued(made) == {"allomia": 4}
    made.calls.queued().update(status=Status.COMPLETED, dialed_at=now)
    rows = {row.name: (row.people, row.calls, row.completed) for row in compare(made).variants}
    assert rows == {"allomia": (8, 8, 8), "callingbox": (0, 4, 0)}

"""A caller number leaves its daily cap early: the recipients that wait for it are woken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from calls.actions import campaigns
from calls.dialing import daily_caps, enqueueing, placing
from calls.models import Status
from campaigns import launching
from campaigns.models import Campaign, CampaignVariant, Recipient
from providers.adapters.errors import NotSent, Rejected
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.waiting import eventually

pytestmark = pytest.mark.django_db
PEOPLE = [f"+16465554{n:03d}" for n in range(60)]


@pytest.fixture
def capped(organization: Organization) -> PhoneNumber:
    number = support.reach(organization, "http://127.0.0.1:9", "allomia")
    number.max_calls_per_day = 1
    number.save()
    return number


@pytest.fixture
def campaign(capped: PhoneNumber) -> Campaign:
    """Its first assistant has called one recipient; its other recipients wait until tomorrow. The other half
    are called by its second, whose number has no cap."""
    made = support.campaign(capped, support.people(capped.organization, PEOPLE), status="running")
    second = support.reach(capped.organization, "http://127.0.0.1:9", "polyai")
    made.phone_numbers.add(second)
    CampaignVariant.objects.create(campaign=made, assistant=second.account.assistants.get(), weight=1)
    launching.step(made.pk)
    enqueueing.feed_all(made.organization_id)
    placing.claim(capped.account_id)
    waiting(made).update(next_attempt_at=timezone.now())
    enqueueing.feed_all(made.organization_id)
    tomorrow = timezone.now() + timedelta(hours=23)
    put_off = waiting(made).filter(reason="caller_number_day", next_attempt_at__gt=tomorrow).count()
    assert put_off == waiting(made).count() > 10 + daily_caps.SPARE
    return made


def waiting(campaign: Campaign) -> QuerySet[Recipient]:
    return campaign.recipients.filter(status="pending")


def due(campaign: Campaign) -> int:
    return waiting(campaign).filter(next_attempt_at__lte=timezone.now()).count()


def refused(campaign: Campaign) -> None:
    call = campaign.calls.get(status=Status.PLACING)
    support.answer_placing(call, call.placing_attempts, Rejected("No."))


def test_nobody_is_woken_while_the_number_is_spent(campaign: Campaign) -> None:
    assert daily_caps.wake(timezone.now()) == 0
    assert due(campaign) == 0


def test_a_refused_call_lets_another_person_be_called_today(campaign: Campaign, capped: PhoneNumber) -> None:
    refused(campaign)
    enqueueing.feed_all(campaign.organization_id)
    assert not capped.calls.filter(status=Status.QUEUED).exists()
    assert daily_caps.wake(timezone.now()) == due(campaign) == 1 + daily_caps.SPARE
    enqueueing.feed_all(campaign.organization_id)
    assert len(placing.claim(capped.account_id)) == 1
    enqueueing.feed_all(campaign.organization_id)
    assert due(campaign) == 0  # deferred again
    assert daily_caps.wake(timezone.now()) == 0


def test_a_call_that_was_queued_from_it_goes_out(campaign: Campaign, capped: PhoneNumber) -> None:
    call = campaign.calls.get(status=Status.PLACING)
    single = support.single(capped, "+16465555000")
    placing.claim(capped.account_id)
    single.refresh_from_db()
    assert (single.status, single.status_reason) == (Status.QUEUED, "caller_number_day")
    support.answer_placing(call, call.placing_attempts, Rejected("No."))
    assert placing.claim(capped.account_id) == []
    daily_caps.wake(timezone.now())
    assert [claim.call.pk for claim in placing.claim(capped.account_id)] == [single.pk]


def test_a_call_that_was_never_sent_is_given_back_as_well(campaign: Campaign) -> None:
    call = campaign.calls.get(status=Status.PLACING)
    support.answer_placing(call, call.placing_attempts, NotSent("Nobody answers."))
    assert daily_caps.wake(timezone.now()) > 0


def test_more_may_be_called_where_staff_raise_the_cap(campaign: Campaign, capped: PhoneNumber) -> None:
    PhoneNumber.objects.filter(pk=capped.pk).update(max_calls_per_day=11)
    assert daily_caps.wake(timezone.now()) == due(campaign) == 10 + daily_caps.SPARE


@pytest.mark.parametrize("still", ["paused", "switched off", "another reason", "bound elsewhere"])
def test_others_are_left_alone(still: str, campaign: Campaign, capped: PhoneNumber) -> None:
    refused(campaign)
    if still == "paused":
        campaigns.pause(campaign, actor="test")
    elif still == "switched off":
        PhoneNumber.objects.filter(pk=capped.pk).update(is_active=False)
    elif still == "another reason":
        waiting(campaign).update(reason="calling_hours")
    else:  # their assistant has another account, whose caller numbers may all be at their cap
        other = support.reach(capped.organization, "http://127.0.0.1:9", "callingbox")
        waiting(campaign).update(assistant=other.account.assistants.get())
    assert daily_caps.wake(timezone.now()) == 0
    assert due(campaign) == 0


def test_where_no_number_has_a_cap_one_question_is_enough(
    campaign: Campaign, django_assert_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    PhoneNumber.objects.update(max_calls_per_day=None)
    with django_assert_num_queries(1):
        assert daily_caps.wake(timezone.now()) == 0


@pytest.mark.django_db(transaction=True)
def test_the_engine_asks_for_itself(recipient: Recipient, number: PhoneNumber) -> None:
    """Its recipient waits because of a call that was refused afterwards, so the number has no calls."""
    PhoneNumber.objects.filter(pk=number.pk).update(max_calls_per_day=1)
    tomorrow = timezone.now() + timedelta(hours=23)
    Recipient.objects.filter(pk=recipient.pk).update(next_attempt_at=tomorrow, reason="caller_number_day")
    with support.engine():
        eventually(lambda: recipient.calls.exists(), what="no recipient was woken")

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.launching import step
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, Recipient
from tenants.models import Organization

pytestmark = pytest.mark.django_db


def people(organization: Organization, count: int) -> list[Contact]:
    return Contact.objects.bulk_create(
        [Contact(organization=organization, phone=f"+3361{number:07d}") for number in range(count)]
    )


def put(contact_list: ContactList, contacts: list[Contact]) -> None:
    ContactListMember.objects.bulk_create(
        [ContactListMember(contact_list=contact_list, contact=contact) for contact in contacts]
    )


@pytest.fixture
def campaign(organization: Organization, contact_list: ContactList) -> Campaign:
    campaign = Campaign.objects.create(organization=organization, name="C", status=Campaign.Status.RUNNING)
    campaign.contact_lists.add(contact_list)
    return campaign


@pytest.mark.usefixtures("frozen")
def test_everybody_on_the_lists_becomes_a_recipient_once(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    contacts = people(organization, 30)
    second = ContactList.objects.create(organization=organization, name="second")
    third = ContactList.objects.create(organization=organization, name="not of this campaign")
    put(contact_list, contacts[:20])
    put(second, contacts[10:25])
    put(third, contacts[25:])
    campaign.contact_lists.add(second)
    assert step(campaign.pk)
    campaign.refresh_from_db()
    assert campaign.launched_at is not None
    recipients = Recipient.objects.filter(campaign=campaign)
    assert set(recipients.values_list("contact_id", flat=True)) == {contact.pk for contact in contacts[:25]}
    one = recipients.select_related("contact").first()
    assert one is not None
    assert (one.status, one.attempts, one.outcome, one.reason) == ("pending", 0, "", "")
    assert one.next_attempt_at == timezone.now()


def test_public_ids_are_different_and_found_again(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 50))
    step(campaign.pk)
    ids = {recipient.uuid for recipient in Recipient.objects.all()}
    assert len(ids) == 50
    for uuid in ids:
        assert Recipient.objects.filter(uuid=uuid).count() == 1


def test_launching_goes_in_steps_and_ends(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 25))
    sizes = []
    for _ in range(3):
        done = step(campaign.pk, limit=10)
        sizes.append((done, Recipient.objects.count()))
    assert sizes == [(False, 10), (False, 20), (True, 25)]


def test_launching_again_adds_nobody(organization: Organization, contact_list: ContactList, campaign: Campaign) -> None:
    put(contact_list, people(organization, 5))
    assert step(campaign.pk)
    assert step(campaign.pk)
    assert Recipient.objects.count() == 5
    Campaign.objects.update(launched_through=0, launched_at=None)  # as if the commit had been lost
    assert step(campaign.pk)
    assert Recipient.objects.count() == 5


@pytest.mark.parametrize("status", ["draft", "scheduled", "finished", "canceled"])
def test_only_a_campaign_under_way_is_launched(
    organization: Organization, contact_list: ContactList, campaign: Campaign, status: str
) -> None:
    put(contact_list, people(organization, 5))
    Campaign.objects.update(status=status)
    assert step(campaign.pk)
    assert Recipient.objects.count() == 0
    campaign.refresh_from_db()
    assert campaign.launched_at is None


def test_a_paused_campaign_is_launched_on(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 5))
    Campaign.objects.update(status="paused")
    assert step(campaign.pk)
    assert Recipient.objects.count() == 5


def test_the_first_call_is_due_when_the_campaign_starts(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 1))
    starts = timezone.now() + timedelta(days=3)
    Campaign.objects.update(starts_at=starts)
    step(campaign.pk)
    assert Recipient.objects.get().next_attempt_at == starts


def test_an_empty_list_is_launched_at_once(campaign: Campaign) -> None:
    assert step(campaign.pk)
    campaign.refresh_from_db()
    assert campaign.launched_at is not None


def test_a_campaign_that_does_not_exist_is_done(db: None) -> None:
    assert step(999_999)


def test_the_order_of_calls_is_not_the_order_of_the_list(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 200))
    step(campaign.pk)
    keys = list(Recipient.objects.order_by("contact_id").values_list("sort_key", flat=True))
    assert len(set(keys)) == 200
    assert all(0 <= key < 2**31 for key in keys)
    rising = sum(later > earlier for earlier, later in pairwise(keys))
    assert 60 < rising < 140


def test_the_number_of_queries_does_not_grow_with_the_list(
    organization: Organization, contact_list: ContactList, campaign: Campaign
) -> None:
    put(contact_list, people(organization, 3000))
    with CaptureQueriesContext(connection) as queries:
        step(campaign.pk)
    assert len(queries) <= 8
    assert Recipient.objects.count() == 3000

"""An ongoing campaign calls contacts that are added to its lists, each once, and stays open until its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from calls.actions import campaigns, erasure
from calls.dialing import enqueueing
from calls.reports.idle_reasons import idle_reasons
from calls.reports.preflight import problems
from campaigns import launching, list_members
from campaigns.do_not_call import entries
from campaigns.imports import job
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Organization
from tests.calls import support
from tests.conftest import ApiClient, KeyMaker

FIRST, SECOND, THIRD = "+12125550150", "+12125550151", "+12125550152"
S, R = Campaign.Status, Recipient.Status


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


@pytest.fixture
def group(number: PhoneNumber) -> ContactList:
    return support.people(number.organization, [FIRST])


@pytest.fixture
def running(number: PhoneNumber, group: ContactList) -> Campaign:
    return begun(support.campaign(number, group, ongoing=True))


@pytest.fixture
def program(callers: Organization, client_for: KeyMaker) -> ApiClient:
    return client_for(callers)


def begun(made: Campaign) -> Campaign:
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    made.refresh_from_db()
    return made


def of(group: ContactList, path: str = "contacts/") -> str:
    return f"/api/v1/contact-lists/{group.uuid}/{path}"


def recipients(made: Campaign) -> dict[str, str]:
    return dict(made.recipients.values_list("contact__phone", "status"))


# One contact.


def test_a_contact_that_is_added_is_called_and_a_second_time_changes_nothing(
    program: ApiClient, running: Campaign, group: ContactList
) -> None:
    Recipient.objects.update(status=R.DONE)
    lead = {"phone": SECOND, "name": "Ada", "variables": {"slot": "nine"}}
    made, again = program.post(of(group), lead), program.post(of(group), lead | {"name": "Ada L."})
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["id"] == again.json()["id"] and again.json()["name"] == "Ada L."
    assert recipients(running) == {FIRST: R.DONE, SECOND: R.PENDING}
    assert group.members.count() == 2
    enqueueing.feed(running.pk)
    [call] = running.calls.all()
    assert (call.to_number, call.contact.name) == (SECOND, "Ada L.")
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-3:] == ["contact.added", "contactlist.contacts_added", "contact.changed"]


def test_a_lead_is_of_the_lists_organization_and_needs_its_rights(
    running: Campaign, group: ContactList, client_for: KeyMaker, sister: Organization
) -> None:
    of_tenant = client_for(tenant=group.organization.tenant)
    answer = of_tenant.post(of(group), {"phone": SECOND, "organization": str(sister.uuid)})
    assert answer.status_code == 201
    assert Contact.objects.get(phone=SECOND).organization == group.organization
    assert client_for(group.organization, "call").post(of(group), {"phone": THIRD}).status_code == 403
    assert client_for(sister).post(of(group), {"phone": THIRD}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({"phone": "12"}, "phone"), ({}, "phone"), ({"phone": SECOND, "nam": "x"}, "nam"), ({"phone": 5}, "phone")],
)
def test_a_faulty_lead_adds_nobody(program: ApiClient, group: ContactList, body: Any, field: str) -> None:
    answer = program.post(of(group), body)
    assert answer.status_code == 400 and answer.json()["details"][0]["field"] == field
    assert group.members.count() == 1


def test_a_lead_that_was_sent_again_is_answered_as_before(program: ApiClient, group: ContactList) -> None:
    sent = [program.post(of(group), {"phone": SECOND}, HTTP_IDEMPOTENCY_KEY="lead 7") for _ in range(2)]
    assert [answer.status_code for answer in sent] == [201, 201]
    assert sent[1].headers["Idempotent-Replayed"] == "true"


def test_a_lead_with_a_listed_number_is_taken_in_and_never_called(
    program: ApiClient, running: Campaign, group: ContactList
) -> None:
    entries.add(group.organization, SECOND, source="test")
    assert program.post(of(group), {"phone": SECOND}).json()["do_not_call"] is True
    enqueueing.feed(running.pk)
    assert recipients(running)[SECOND] == R.SKIPPED
    assert not running.calls.filter(to_number=SECOND).exists()


def test_a_lead_with_the_number_of_somebody_erased_is_a_new_contact(
    program: ApiClient, running: Campaign, group: ContactList
) -> None:
    program.post(of(group), {"phone": SECOND, "name": "Ada"})
    gone = Contact.objects.get(phone=SECOND)
    erasure.erase(gone, actor="ada", reason="asked", never_again=False)
    answer = program.post(of(group), {"phone": SECOND})
    assert (answer.status_code, answer.json()["name"]) == (201, "")
    assert answer.json()["id"] != str(gone.uuid)


# Many contacts.


def test_contacts_that_exist_are_added_and_removed(
    program: ApiClient, running: Campaign, group: ContactList, sister: Organization
) -> None:
    new = [Contact.objects.create(organization=group.organization, phone=phone) for phone in (SECOND, THIRD)]
    ids = [str(contact.uuid) for contact in new]
    assert program.post(of(group, "add/"), {"contacts": [*ids, ids[0]]}).json() == {"contacts": 2}
    assert program.post(of(group, "add/"), {"contacts": ids}).json() == {"contacts": 0}
    assert recipients(running) == {FIRST: R.PENDING, SECOND: R.PENDING, THIRD: R.PENDING}
    assert program.post(of(group, "remove/"), {"contacts": ids[:1]}).json() == {"contacts": 1}
    assert program.delete(of(group, f"contacts/{ids[1]}/")).status_code == 204
    assert program.delete(of(group, f"contacts/{ids[1]}/")).status_code == 404
    assert group.members.count() == 1
    assert len(recipients(running)) == 3, "recipients of a started campaign stay"

    foreign = Contact.objects.create(organization=sister, phone=SECOND)
    answer = program.post(of(group, "add/"), {"contacts": [ids[0], str(foreign.uuid)]})
    assert answer.status_code == 400 and answer.json()["details"][0]["field"] == "contacts.1"
    assert program.post(of(group, "add/"), {"contacts": []}).status_code == 400
    assert program.post(of(group, "add/"), {"contacts": ids[:1] * 1001}).status_code == 400
    assert group.members.count() == 1


# Which campaigns take them.


@pytest.mark.parametrize(
    ("ongoing", "status", "taken"),
    [
        (True, S.RUNNING, True),
        (True, S.PAUSED, True),
        (False, S.RUNNING, False),
        (True, S.FINISHED, False),
        (True, S.CANCELED, False),
        (True, S.DRAFT, False),
        (True, S.SCHEDULED, False),
    ],
)
def test_only_an_ongoing_campaign_that_has_started_takes_new_contacts(
    program: ApiClient, running: Campaign, group: ContactList, ongoing: bool, status: str, taken: bool
) -> None:
    Campaign.objects.update(ongoing=ongoing, status=status)
    program.post(of(group), {"phone": SECOND})
    assert (SECOND in recipients(running)) is taken


def test_another_list_reaches_nobody(program: ApiClient, running: Campaign) -> None:
    other = ContactList.objects.create(organization=running.organization, name="Other")
    program.post(of(other), {"phone": SECOND})
    assert SECOND not in recipients(running)


def test_an_import_reaches_an_ongoing_campaign_when_it_ends(running: Campaign, group: ContactList) -> None:
    file = ContactImport.objects.create(
        organization=running.organization, contact_list=group, filename="x.csv", status="running"
    )
    late = Contact.objects.create(organization=running.organization, phone=SECOND)
    ContactListMember.objects.create(contact_list=group, contact=late)
    job._end(file, ContactImport.Status.COMPLETED)
    launching.step(running.pk)
    assert recipients(running) == {FIRST: R.PENDING, SECOND: R.PENDING}


def test_a_running_campaign_that_becomes_ongoing_takes_what_came_before(
    program: ApiClient, number: PhoneNumber, group: ContactList
) -> None:
    made = begun(support.campaign(number, group))
    program.post(of(group), {"phone": SECOND})
    assert SECOND not in recipients(made)
    assert program.patch(f"/api/v1/campaigns/{made.uuid}/", {"ongoing": True}).json()["ongoing"] is True
    launching.step(made.pk)
    assert SECOND in recipients(made)


def test_a_launched_and_an_added_recipient_have_the_same_place_in_the_order(
    program: ApiClient, running: Campaign, group: ContactList
) -> None:
    program.post(of(group), {"phone": SECOND})
    added = running.recipients.get(contact__phone=SECOND)
    added.delete()
    launching.again([running.pk])
    launching.step(running.pk)
    assert running.recipients.get(contact__phone=SECOND).sort_key == added.sort_key


# Its end.


def test_it_stays_open_until_its_end_or_until_it_is_no_longer_ongoing(running: Campaign) -> None:
    Recipient.objects.update(status=R.DONE)
    assert campaigns.finish_where_done() == 0
    assert [reason["code"] for reason in idle_reasons(running)] == ["no_contacts_left"]
    Campaign.objects.update(ends_at=timezone.now() + timedelta(hours=1))
    assert campaigns.finish_where_done() == 0
    Campaign.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert campaigns.finish_where_done() == 1


def test_it_finishes_when_it_is_no_longer_ongoing(program: ApiClient, running: Campaign) -> None:
    Recipient.objects.update(status=R.DONE)
    assert program.patch(f"/api/v1/campaigns/{running.uuid}/", {"ongoing": False}).status_code == 200
    assert campaigns.finish_where_done() == 1


def test_a_finished_campaign_is_reopened_with_the_contacts_that_came_since(
    program: ApiClient, number: PhoneNumber, group: ContactList
) -> None:
    made = begun(support.campaign(number, group))
    Recipient.objects.update(status=R.DONE)
    campaigns.finish_where_done()
    program.post(of(group), {"phone": SECOND})
    reopen = f"/api/v1/campaigns/{made.uuid}/reopen/"
    assert program.post(reopen).json()["status"] == "running"
    assert campaigns.finish_where_done() == 0, "the lists are read again first"
    launching.step(made.pk)
    assert recipients(made) == {FIRST: R.DONE, SECOND: R.PENDING}
    made.refresh_from_db()
    assert made.finished_at is None
    assert program.post(reopen).status_code == 200, "it is running already"

    Campaign.objects.update(status=S.FINISHED, ends_at=timezone.now())
    assert "end is in the past" in program.post(reopen).json()["error"]
    Campaign.objects.update(status=S.CANCELED, ends_at=None)
    assert program.post(reopen).status_code == 409


def switch_off_the_assistant(made: Campaign) -> None:
    Assistant.objects.update(is_active=False)


def empty_the_lists(made: Campaign) -> None:
    ContactListMember.objects.all().delete()


def take_the_lists(made: Campaign) -> None:
    made.contact_lists.clear()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (switch_off_the_assistant, "assistant_inactive"),
        (empty_the_lists, "no_contacts"),
        (take_the_lists, "no_contacts"),
    ],
)
def test_a_campaign_that_could_call_nobody_is_not_reopened(
    program: ApiClient, number: PhoneNumber, group: ContactList, fault: Callable[[Campaign], None], code: str
) -> None:
    made = begun(support.campaign(number, group))
    Recipient.objects.update(status=R.DONE)
    campaigns.finish_where_done()
    fault(made)
    answer = program.post(f"/api/v1/campaigns/{made.uuid}/reopen/")
    assert (answer.status_code, answer.json()["details"][0]["code"]) == (422, code)
    assert answer.json()["error"].startswith("The campaign cannot run again. Copy it, or put this right:")
    made.refresh_from_db()
    assert made.status == S.FINISHED and made.finished_at


def test_it_may_start_with_empty_lists_but_not_without_a_list(number: PhoneNumber) -> None:
    empty = ContactList.objects.create(organization=number.organization, name="Leads")
    made = support.campaign(number, empty, ongoing=True)
    assert [(found.code, found.severity) for found in problems(made)] == [("no_contacts_yet", "warning")]
    begun(made)
    assert campaigns.finish_where_done() == 0
    made.contact_lists.clear()
    assert "no_contacts" in {found.code for found in problems(made) if found.severity == "error"}


# At the same time.


def in_a_thread(work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_a_start_during_an_addition_misses_nobody(number: PhoneNumber, group: ContactList) -> None:
    """The start waits for the addition, and the launch reads what it committed."""
    made = support.campaign(number, group, ongoing=True)
    late = Contact.objects.create(organization=made.organization, phone=SECOND)
    with transaction.atomic():
        held = launching.locked_users_of(group.pk)
        list_members.add(group, [late], held, actor="ada")
        starting = in_a_thread(lambda: campaigns.start(made, actor="ada"))
    starting.join()
    launching.step(made.pk)
    assert recipients(made) == {FIRST: R.PENDING, SECOND: R.PENDING}


@pytest.mark.django_db(transaction=True)
def test_a_campaign_that_gets_the_list_during_an_addition_misses_nobody(
    number: PhoneNumber, group: ContactList
) -> None:
    """The addition cannot lock a campaign that did not have the list yet: it looks again after its commit."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    other = ContactList.objects.create(organization=group.organization, name="Other")
    made = begun(support.campaign(number, other, ongoing=True))
    late = Contact.objects.create(organization=made.organization, phone=SECOND)

    def give_the_list() -> None:
        with transaction.atomic():
            made.contact_lists.add(group)
            launching.again([made.pk])
        launching.step(made.pk)  # the launch reads the list before the addition is committed

    with transaction.atomic():
        list_members.add(group, [late], launching.locked_users_of(group.pk), actor="ada")
        giving = in_a_thread(give_the_list)
        giving.join()
    assert recipients(made) == {FIRST: R.PENDING, SECOND: R.PENDING}

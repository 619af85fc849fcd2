"""Contacts that are added to lists beside claims, launches, imports, ends and erasures. On PostgreSQL."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from calls.actions import campaigns, erasure
from calls.actions.quiescing import IllegalTransition
from calls.dialing import enqueueing, placing, reassessing
from calls.models import Call
from campaigns import contact_locks, launching, list_members
from campaigns.imports import job, upload
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.calls.test_ongoing import group, number, program
from tests.conftest import ApiClient, KeyMaker
from tests.waiting import PATIENCE

__all__ = ["group", "number", "program"]  # fixtures
FIRST, SECOND = "+12125550150", "+12125550151"

pytestmark = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
connection = connection  # named in the condition above


@pytest.fixture
def running(number: PhoneNumber, group: ContactList) -> list[Campaign]:
    """Two running campaigns with one list. The first one has been written last."""
    made = [support.campaign(number, group, ongoing=True) for _ in range(2)]
    for each in reversed(made):
        campaigns.start(each, actor="ada")
        launching.step(each.pk)
    return made


@pytest.fixture
def known(group: ContactList) -> Contact:
    return Contact.objects.create(organization=group.organization, phone=SECOND)


def lead(program: ApiClient, group: ContactList, phone: str) -> int:
    return int(program.post(f"/api/v1/contact-lists/{group.uuid}/contacts/", {"phone": phone}).status_code)


def addition(program: ApiClient, group: ContactList, contact: Contact) -> dict[str, Any]:
    path = f"/api/v1/contact-lists/{group.uuid}/add/"
    return dict(program.post(path, {"contacts": [str(contact.uuid)]}).json())


# Whoever locks several campaigns locks them in one order.


def claim(number: PhoneNumber) -> None:
    placing.claim(number.account_id)


def finish(number: PhoneNumber) -> None:
    campaigns.finish_where_done()


def start_scheduled(number: PhoneNumber) -> None:
    campaigns.start_scheduled()


def read_again(number: PhoneNumber) -> None:
    launching.again(Campaign.objects.values_list("pk", flat=True))


def notice(number: PhoneNumber) -> None:
    Organization.objects.update(min_gap_minutes=7)
    reassessing.notice_edits()


def prepare(job: Callable[[PhoneNumber], None], running: list[Campaign]) -> None:
    if job is claim:
        for each in running:
            enqueueing.feed(each.pk)
    elif job is finish:
        Recipient.objects.update(status=Recipient.Status.DONE)
        Campaign.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    elif job is start_scheduled:
        Campaign.objects.update(status=Campaign.Status.SCHEDULED)
    for each in reversed(running):
        Campaign.objects.filter(pk=each.pk).update(name="Written last if it is the first")


@pytest.mark.parametrize("job", [claim, finish, start_scheduled, read_again, notice])
def test_who_waits_for_the_first_campaign_holds_no_later_one(
    number: PhoneNumber, running: list[Campaign], job: Callable[[PhoneNumber], None]
) -> None:
    """Else it and an addition, which has the first campaign and waits for the second, wait for each other."""
    prepare(job, running)
    first, second = sorted(each.pk for each in running)
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=first)
        working = Beside(partial(job, number))
        assert working.waits_for_a_lock(), "it locks the campaigns"
        try:
            with transaction.atomic():
                Campaign.objects.select_for_update(no_key=True, nowait=True).get(pk=second)
        except OperationalError:
            pytest.fail("it holds the second campaign")
    working.join()


def test_an_addition_locks_campaigns_before_numbers_and_numbers_before_contacts(
    program: ApiClient, group: ContactList, running: list[Campaign], known: Contact
) -> None:
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=running[0].pk)
        adding = Beside(lambda: lead(program, group, SECOND))
        assert adding.waits_for_a_lock()
        Contact.objects.select_for_update(nowait=True).get(pk=known.pk)  # as an erasure does, after the numbers
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
        contact_locks.lock_numbers(group.organization_id, [SECOND])
    assert adding.join() == 200


# Additions beside what takes a contact away.


def test_who_is_deleted_during_an_addition_is_left_out(
    program: ApiClient, group: ContactList, running: list[Campaign], known: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(monkeypatch, list_members, "add", after=False) as (reached, go_on):
        adding = Beside(lambda: addition(program, group, known))
        assert reached.wait(PATIENCE), "the contact was found"
        known.delete()
        go_on.set()
        assert adding.join() == {"contacts": 0}
    assert set(ContactListMember.objects.values_list("contact__phone", flat=True)) == {FIRST}


def test_an_addition_waits_for_an_erasure_and_leaves_the_erased_out(
    program: ApiClient, group: ContactList, running: list[Campaign], known: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.single(PhoneNumber.objects.get(), SECOND, contact=known, status="completed")  # else it is deleted whole
    with held(monkeypatch, erasure, "_forget_texts", after=False) as (reached, go_on):
        erasing = Beside(lambda: erasure.erase(known, actor="ada", reason="asked", never_again=False))
        assert reached.wait(PATIENCE), "the erasure holds the contact"
        adding = Beside(lambda: addition(program, group, known))
        assert adding.waits_for_a_lock()
        go_on.set()
        erasing.join()
        assert adding.join() == {"contacts": 0}
    assert not known.memberships.exists() and not known.recipients.exists()


def test_an_erasure_that_meets_an_addition_is_refused_and_done_at_the_second_try(
    program: ApiClient, group: ContactList, running: list[Campaign], known: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = partial(erasure.erase, known, actor="ada", reason="asked", never_again=False)
    with held(monkeypatch, erasure, "_lock", after=False) as (reached, go_on):
        erasing = Beside(erase)
        assert reached.wait(PATIENCE), "the contact was taken off its lists"
        assert lead(program, group, SECOND) == 200
        go_on.set()
        with pytest.raises(IllegalTransition, match="added to a list at the same moment"):
            erasing.join()
    known.refresh_from_db()
    assert not known.on_hold
    erase()
    known.refresh_from_db()
    assert known.erased_at and not known.memberships.exists()
    assert set(known.recipients.values_list("status", flat=True)) == {Recipient.Status.WITHDRAWN}


def test_an_addition_that_failed_halfway_is_made_whole_when_it_is_sent_again(
    program: ApiClient, group: ContactList, running: list[Campaign], known: Contact
) -> None:
    ContactListMember.objects.create(contact_list=group, contact=known)
    assert addition(program, group, known) == {"contacts": 0}
    assert set(known.recipients.values_list("campaign", flat=True)) == {each.pk for each in running}


# All at once.


@pytest.mark.parametrize("each", [6, pytest.param(125, marks=pytest.mark.proof)])
def test_leads_from_eight_threads_beside_all_that_locks_make_each_a_recipient_once(
    number: PhoneNumber, group: ContactList, running: list[Campaign], client_for: KeyMaker, each: int
) -> None:
    numbers = [f"+1212{555 + block}01{ending:02}" for block in range(5) for ending in range(100)][: 4 * each]
    halves = [random.Random(thread).sample(numbers, each) for thread in range(8)]
    left = sorted({*numbers} - {phone for half in halves for phone in half})
    halves[0] += left
    client = client_for(group.organization)
    stopped: list[bool] = []
    imp = upload.start_import(group, io.BytesIO("\n".join(["Phone", *numbers[: 2 * each]]).encode()), "leads.csv")

    def send(half: list[str]) -> Counter[int]:
        return Counter(lead(client, group, phone) for phone in half)

    def engine() -> None:
        while not stopped:
            for one in running:
                launching.step(one.pk)
                enqueueing.feed(one.pk)
            launching.again([one.pk for one in running])
            placing.claim(number.account_id)
            campaigns.finish_where_done()
            reassessing.notice_edits()

    working = [Beside(engine), Beside(lambda: job.run_step(imp.pk, PATIENCE))]
    sending = [Beside(partial(send, half)) for half in halves]
    codes: Counter[int] = sum((one.join() for one in sending), Counter())
    working[1].join()
    stopped.append(True)
    working[0].join()
    assert set(codes) <= {200, 201} and codes.total() == 8 * each + len(left)
    wanted = {FIRST, *numbers}
    for campaign in running:
        launching.step(campaign.pk)
        found = Counter(campaign.recipients.values_list("contact__phone", flat=True))
        assert found == Counter(wanted), "each is a recipient once"
    assert Counter(group.contacts.values_list("phone", flat=True)) == Counter(wanted)
    queued = Counter(Call.objects.values_list("recipient", flat=True))
    assert not queued or max(queued.values()) == 1

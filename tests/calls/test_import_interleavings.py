"""A file with an opt-out column beside starts, claims and edits: nobody whom it marks is dialled afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.db import connection

from calls.actions import campaigns
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.models import Call, Status
from campaigns import further_numbers, launching
from campaigns.do_not_call import entries
from campaigns.imports import job, upload
from campaigns.imports.upsert import Upsert
from campaigns.models import Campaign, Contact, ContactImport, ContactList, Recipient
from campaigns.models.number_hash import number_hash
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.waiting import PATIENCE

connection = connection  # named in the condition below
parallel = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")

MARKED, HOME, FREE = "+12125550151", "+12125550152", "+12125550153"
FILE = f"Phone,Home phone,Do Not Call\n{MARKED},{HOME},yes\n{FREE},,no\n"


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    found = support.reach(callers, "http://127.0.0.1:9", "allomia")
    number_hash(MARKED)  # the key of the hashes is made now
    return found


def an_import(into: ContactList) -> Callable[[], Any]:
    """Return what runs the import of the file into a list."""
    imp = upload.start_import(into, io.BytesIO(FILE.encode()), "crm.csv")
    return lambda: job.run_step(imp.pk, PATIENCE)


def queued(number: PhoneNumber, contact: Contact, to: str) -> Call:
    made = support.campaign(number, support.people(number.organization, []), status=Campaign.Status.RUNNING)
    recipient = Recipient.objects.create(
        campaign=made,
        contact=contact,
        status=Recipient.Status.CALLING,
        number_position=contact.numbers.index(to),
    )
    return support.single(number, to, campaign=made, recipient=recipient, contact=contact)


def dialled() -> set[str]:
    return set(Call.objects.exclude(status__in=[Status.QUEUED, Status.CANCELED]).values_list("to_number", flat=True))


def holder(organization: Organization, how: str) -> tuple[Contact, str]:
    """Return a contact whom the file marks, and the number at which it is called."""
    if how == "its first number is marked":
        return Contact.objects.create(organization=organization, phone=MARKED), MARKED
    if how == "its first number is a further one of the row":
        return Contact.objects.create(organization=organization, phone=HOME, name="Somebody"), HOME
    contact = Contact.objects.create(organization=organization, phone="+12125550159", name="Other")
    further_numbers.replace(contact, [(HOME, "")])
    return contact, "+12125550159"


HOLDERS = (
    "its first number is marked",
    "its first number is a further one of the row",
    "a further number of it is marked",
)


@parallel
@pytest.mark.parametrize("how", HOLDERS)
def test_a_claim_waits_for_the_import_and_dials_nobody(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    contact, to = holder(number.organization, how)
    call = queued(number, contact, to)
    run = an_import(support.people(number.organization, []))
    with held(monkeypatch, entries, "add_locked", after=False) as (reached, go_on):
        importing = Beside(run)
        assert reached.wait(PATIENCE), "the import holds everyone's lock by now"
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert claiming.waits_for_a_lock()
        go_on.set()
        importing.join()
        assert claiming.join() == []
    assert Call.objects.get(pk=call.pk).ended_reason == "do_not_call"


@parallel
@pytest.mark.parametrize("how", HOLDERS)
def test_the_import_waits_for_a_claim_that_came_first(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    contact, to = holder(number.organization, how)
    call = queued(number, contact, to)
    run = an_import(support.people(number.organization, []))
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        importing = Beside(run)
        assert importing.waits_for_a_lock(), "else the phone rings after the import has said that it does not"
        go_on.set()
        assert [claim.call.pk for claim in claiming.join()] == [call.pk]
        importing.join()
    assert ContactImport.objects.get().listed == 2


@parallel
def test_new_contacts_of_a_running_campaign_appear_with_their_entry(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = support.people(number.organization, ["+12125550158"])
    made = support.campaign(number, into)
    campaigns.start(made, actor="test")
    run = an_import(into)
    with held(monkeypatch, Upsert, "write", after=True) as (reached, go_on):
        importing = Beside(run)
        assert reached.wait(PATIENCE), "written, and not committed"
        work_on(made, number)
        assert dialled() == {"+12125550158"}
        go_on.set()
        importing.join()
    work_on(made, number)
    assert dialled() == {"+12125550158", FREE}


@parallel
@pytest.mark.parametrize("edit_first", [True, False])
def test_a_contact_that_gets_a_marked_number_meanwhile_is_not_called(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, edit_first: bool
) -> None:
    contact = Contact.objects.create(organization=number.organization, phone="+12125550159", name="Other")
    queued(number, contact, contact.phone)
    run = an_import(support.people(number.organization, []))

    def edit() -> None:
        further_numbers.replace(contact, [(HOME, "")])

    first, second = (edit, run) if edit_first else (run, edit)
    module, name = (further_numbers, "check") if edit_first else (entries, "add_locked")
    with held(monkeypatch, module, name, after=False) as (reached, go_on):
        one = Beside(first)
        assert reached.wait(PATIENCE)
        two = Beside(second)
        assert two.waits_for_a_lock()
        go_on.set()
        one.join()
        two.join()
    assert placing.claim(number.account_id) == []


def work_on(made: Campaign, number: PhoneNumber) -> None:
    """Launch what is new, enqueue what is due and claim what is queued, as the engine does."""
    Campaign.objects.filter(pk=made.pk).update(launched_at=None)
    while not launching.step(made.pk):
        pass
    enqueueing.feed(made.pk)
    placing.claim(number.account_id)


STEPS = ("import", "start", "edit", "work")


@pytest.mark.django_db
@pytest.mark.parametrize("order", list(permutations(STEPS)), ids=" ".join)
def test_in_any_order_nobody_marked_is_dialled_after_the_import(number: PhoneNumber, order: tuple[str, ...]) -> None:
    """The list has the marked person already, and another person gets a marked number by an edit."""
    other = "+12125550159"
    into = support.people(number.organization, [MARKED, other])
    made = support.campaign(number, into)
    run = an_import(into)

    def edit() -> None:
        further_numbers.replace(Contact.objects.get(phone=other), [(HOME, "")])

    actions: dict[str, Callable[[], Any]] = {
        "import": run,
        "start": lambda: campaigns.start(made, actor="test"),
        "edit": edit,
        "work": lambda: work_on(made, number),
    }
    earlier: dict[str, set[str]] = {}
    for step in order:
        earlier[step] = dialled()
        actions[step]()
    work_on(made, number)
    assert dialled() & {MARKED, HOME} == earlier["import"] & {MARKED, HOME}
    both = max("import", "edit", key=order.index)  # from here on the other person has a number that is listed
    assert dialled() & {other} == earlier[both] & {other}
    assert FREE in dialled()

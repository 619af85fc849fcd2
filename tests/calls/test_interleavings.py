"""Two actions at once, held at the worst moment, in both orders. On PostgreSQL, where they really run in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections

from calls.actions import campaigns, kill_switch, single_calls
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.models import Call, Status
from calls.outcomes import recording, staff_decisions
from campaigns import further_numbers
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from campaigns.models.number_hash import number_hash
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.waiting import PATIENCE, eventually

NUMBER, SECOND, THIRD = "+12125550150", "+12125550157", "+12125550158"

pytestmark = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
connection = connection  # named in the condition above


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


class Beside:
    """Work in another thread with its own connection."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.result = work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()
            self.done.set()

    def waits_for_a_lock(self) -> bool:
        """Whether the thread waits for a lock that another connection holds."""
        eventually(lambda: self.done.is_set() or _a_connection_waits_for_a_lock(), "it neither waits nor ends")
        return not self.done.is_set()

    def join(self) -> Any:
        self._thread.join(PATIENCE)
        assert self.done.is_set(), "it hangs"
        if self.error:
            raise self.error
        return self.result


def _a_connection_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction that asks twice is told the same otherwise
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool) -> Iterator[tuple[Any, Any]]:
    """Hold the first caller of a function, before or after its work, until the test releases it."""
    reached, go_on = threading.Event(), threading.Event()
    real, first = getattr(module, name), threading.Lock()

    def stopping(*args: Any, **kwargs: Any) -> Any:
        holds = first.acquire(blocking=False)
        if not after and holds:
            reached.set()
            go_on.wait(PATIENCE)
        result = real(*args, **kwargs)
        if after and holds:
            reached.set()
            go_on.wait(PATIENCE)
        return result

    monkeypatch.setattr(module, name, stopping)
    try:
        yield reached, go_on
    finally:
        go_on.set()


def listing(how: str, number: PhoneNumber) -> None:
    if how == "alone":
        entries.add(number.organization, NUMBER, source="test")
    else:
        entries.add_many(number.organization, ["+33612340000", NUMBER], reason="", source="test")


@pytest.mark.parametrize("how", ["alone", "with others"])
@pytest.mark.parametrize("moment", ["before the facts are read", "after the facts are read"])
def test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, moment: str, how: str
) -> None:
    call = support.single(number, NUMBER)
    with held(monkeypatch, fact_sheet, "read", after=moment.startswith("after")) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        adding = Beside(lambda: listing(how, number))
        assert adding.waits_for_a_lock(), "the entry must wait for the contact's lock"
        go_on.set()
        claims = claiming.join()
        adding.join()
    # The claim came first: an entry that waits for silence sees it.
    assert [claim.call.pk for claim in claims] == [call.pk]
    assert Call.objects.get(pk=call.pk).status == Status.PLACING


@pytest.mark.parametrize(("how", "locked"), [("alone", "number_hash"), ("with others", "add_locked")])
def test_a_claim_that_comes_second_sees_the_entry(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, how: str, locked: str
) -> None:
    call = support.single(number, NUMBER)
    with held(monkeypatch, entries, locked, after=False) as (reached, go_on):
        adding = Beside(lambda: listing(how, number))
        assert reached.wait(PATIENCE), "the entry holds the contact's lock by now"
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert claiming.waits_for_a_lock(), "the claim must wait for the contact's lock"
        go_on.set()
        adding.join()
        claims = claiming.join()
    assert claims == []
    found = Call.objects.get(pk=call.pk)
    assert (found.status, found.ended_reason) == (Status.CANCELED, "do_not_call")


@pytest.fixture
def running(number: PhoneNumber) -> Campaign:
    made = support.campaign(number, support.people(number.organization, [NUMBER]))
    campaigns.start(made, actor="test")
    contact = number.organization.contacts.get(phone=NUMBER)
    recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
    support.single(number, NUMBER, campaign=made, recipient=recipient, priority=0)
    return made


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("after", [False, True])
def test_pause_answers_only_when_the_claim_it_met_is_answered(
    number: PhoneNumber, running: Campaign, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    with held(monkeypatch, fact_sheet, "read", after=after) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        pausing = Beside(lambda: campaigns.pause(running, actor="test"))
        assert pausing.waits_for_a_lock(), "the pause must wait for the campaign's lock"
        go_on.set()
        (claim,) = claiming.join()
        assert not pausing.done.wait(0.5), "a claim that may still be sent is not silence"
        placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
        pausing.join()
    assert placing.claim(number.account_id) == []


def test_after_pause_nothing_is_claimed(number: PhoneNumber, running: Campaign) -> None:
    campaigns.pause(running, actor="test")
    assert placing.claim(number.account_id) == []
    assert enqueueing.feed(running.pk) == 0


def test_the_kill_switch_waits_like_the_pause(
    number: PhoneNumber, running: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        stopping = Beside(lambda: kill_switch.stop_all_calls(number.organization, actor="test"))
        assert stopping.waits_for_a_lock(), "the switch must wait for the claim's locks"
        go_on.set()
        (claim,) = claiming.join()
        placing.record(claim, MayBeRinging("?"))
        stopping.join()
    support.single(number, "+12125550151")
    assert placing.claim(number.account_id) == []


def test_two_workers_never_claim_one_call(number: PhoneNumber) -> None:
    for ending in range(40, 80):
        support.single(number, f"+121255501{ending}")
    claims = [
        claim.call.pk
        for both in [[Beside(lambda: placing.claim(number.account_id)) for _ in range(4)] for _ in range(6)]
        for beside in both
        for claim in beside.join()
    ]
    assert len(claims) == len(set(claims)) > 0


def test_two_campaigns_never_ring_one_person_at_once(number: PhoneNumber, callers: Organization) -> None:
    other = support.reach(callers, "http://127.0.0.1:9", "polyai")
    support.single(number, NUMBER)
    contact = callers.contacts.get(phone=NUMBER)
    made = support.campaign(other, support.people(callers, [NUMBER]), status=Campaign.Status.RUNNING)
    recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
    support.single(other, NUMBER, campaign=made, recipient=recipient)
    both = [Beside(lambda account=account: placing.claim(account)) for account in (number.account_id, other.account_id)]  # type: ignore[misc]
    assert sum(len(beside.join()) for beside in both) == 1


@pytest.fixture
def shared(number: PhoneNumber) -> tuple[Contact, Contact]:
    """Two contacts with one number: the first number of the one, a further number of the other."""
    one = Contact.objects.create(organization=number.organization, phone=NUMBER)
    two = Contact.objects.create(organization=number.organization, phone=SECOND)
    further_numbers.replace(two, [(NUMBER, "")])
    number_hash(NUMBER)  # the key of the hashes is made now: a claim that makes it would hold up every listing
    return one, two


def queued(number: PhoneNumber, contact: Contact, to: str, **fields: Any) -> Call:
    """Return the queued call of a campaign of its own to one of the contact's numbers."""
    made = support.campaign(number, support.people(number.organization, []), status=Campaign.Status.RUNNING)
    place = contact.numbers.index(to)
    recipient = Recipient.objects.create(
        campaign=made, contact=contact, status=Recipient.Status.CALLING, number_position=place
    )
    return support.single(number, to, **{"campaign": made, "recipient": recipient, "contact": contact, **fields})


@pytest.mark.parametrize("moment", ["before the facts are read", "after the facts are read"])
@pytest.mark.parametrize("dialled", [SECOND, NUMBER])
def test_nobody_is_dialled_once_a_further_number_is_listed(
    number: PhoneNumber,
    shared: tuple[Contact, Contact],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    dialled: str,
) -> None:
    call = queued(number, shared[1], dialled)
    with held(monkeypatch, fact_sheet, "read", after=moment.startswith("after")) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        adding = Beside(lambda: listing("alone", number))
        assert adding.waits_for_a_lock(), "the entry must wait for everyone who has the number"
        go_on.set()
        assert [claim.call.pk for claim in claiming.join()] == [call.pk]
        adding.join()


def test_a_claim_after_the_entry_of_a_further_number_dials_nobody(
    number: PhoneNumber, shared: tuple[Contact, Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = queued(number, shared[1], SECOND)
    with held(monkeypatch, entries, "number_hash", after=False) as (reached, go_on):
        adding = Beside(lambda: listing("alone", number))
        assert reached.wait(PATIENCE)
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert claiming.waits_for_a_lock()
        go_on.set()
        adding.join()
        assert claiming.join() == []
    assert Call.objects.get(pk=call.pk).ended_reason == "do_not_call"


@pytest.mark.parametrize("gets_it_first", [True, False])
def test_a_number_is_listed_while_a_contact_gets_it(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, gets_it_first: bool
) -> None:
    contact = Contact.objects.create(organization=number.organization, phone=SECOND)
    queued(number, contact, SECOND)
    number_hash(NUMBER)

    def get_it() -> None:
        further_numbers.replace(contact, [(NUMBER, "")])

    first, second = get_it, lambda: listing("alone", number)
    module, name = (further_numbers, "check") if gets_it_first else (entries, "number_hash")
    if not gets_it_first:
        first, second = second, first
    with held(monkeypatch, module, name, after=False) as (reached, go_on):
        one = Beside(first)
        assert reached.wait(PATIENCE)
        two = Beside(second)
        assert two.waits_for_a_lock(), "who gets a number and who lists it take turns"
        go_on.set()
        one.join()
        two.join()
    assert placing.claim(number.account_id) == []


def test_a_new_contact_with_a_number_that_is_being_listed_is_not_called(
    number: PhoneNumber, shared: tuple[Contact, Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single call to a number that is only a further one: its new contact must not slip past the entry."""
    order = single_calls.Order(number.organization, number.account.assistants.get(), number, THIRD)
    further_numbers.replace(shared[1], [(NUMBER, ""), (THIRD, "")])
    with held(monkeypatch, entries, "number_hash", after=False) as (reached, go_on):
        adding = Beside(lambda: entries.add(number.organization, THIRD, source="test"))
        assert reached.wait(PATIENCE)
        ordering = Beside(lambda: single_calls.place_single(order))
        assert ordering.waits_for_a_lock()
        go_on.set()
        adding.join()
        with pytest.raises(single_calls.Refused):
            ordering.join()


@pytest.mark.parametrize(("one_at", "two_at"), [(NUMBER, NUMBER), (NUMBER, SECOND)])
def test_two_contacts_who_share_a_number_are_not_called_at_once(
    number: PhoneNumber,
    callers: Organization,
    shared: tuple[Contact, Contact],
    monkeypatch: pytest.MonkeyPatch,
    one_at: str,
    two_at: str,
) -> None:
    other = support.reach(callers, "http://127.0.0.1:9", "polyai")
    queued(number, shared[0], one_at)
    queued(other, shared[1], two_at)
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        one = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        two = Beside(lambda: placing.claim(other.account_id))
        assert two.waits_for_a_lock()
        go_on.set()
        assert len(one.join()) == 1
        assert two.join() == []


def test_everyone_with_the_number_of_a_single_call_is_locked(
    number: PhoneNumber, callers: Organization, shared: tuple[Contact, Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of the number is listed at another one while the single call is claimed."""
    support.single(number, NUMBER)
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        adding = Beside(lambda: entries.add(callers, SECOND, source="test"))
        assert adding.waits_for_a_lock()
        go_on.set()
        assert len(claiming.join()) == 1
        adding.join()


def test_opposite_orders_of_shared_numbers_do_not_deadlock(number: PhoneNumber, callers: Organization) -> None:
    """Lists, edits, single calls and claims beside each other, over contacts who share all numbers."""
    numbers = [f"+121255501{ending}" for ending in range(70, 76)]
    people = [Contact.objects.create(organization=callers, phone=phone) for phone in numbers]
    for place, contact in enumerate(people):
        further_numbers.replace(contact, [(numbers[(place + n) % 6], "") for n in (1, 2, 3)])

    def edit(contact: Contact) -> None:
        further_numbers.replace(contact, [(phone, "") for phone in reversed(contact.numbers[1:])])

    works: list[Callable[[], Any]] = [partial(edit, contact) for contact in people]
    works += [lambda: entries.add_many(callers, numbers[::-1], reason="", source="test")]
    works += [partial(entries.add, callers, phone, source="test") for phone in numbers]
    works += [lambda: placing.claim(number.account_id) for _ in range(4)]
    for contact in people:
        queued(number, contact, contact.phone)
    for beside in [Beside(work) for work in works]:
        beside.join()
    assert placing.claim(number.account_id) == []


def test_capacity_is_not_exceeded_by_two_workers(number: PhoneNumber) -> None:
    number.account.max_open_calls = 3
    number.account.save()
    for ending in range(40, 60):
        support.single(number, f"+121255501{ending}")
    both = [Beside(lambda: placing.claim(number.account_id)) for _ in range(4)]
    assert sum(len(beside.join()) for beside in both) == 3


def test_start_twice_launches_once(number: PhoneNumber) -> None:
    made = support.campaign(number, support.people(number.organization, [NUMBER]))
    both = [Beside(lambda: campaigns.start(Campaign.objects.get(pk=made.pk), actor="test")) for _ in range(4)]
    for beside in both:
        beside.join()
    assert made.organization.audit_entries.filter(action="campaign.running").count() == 1


@pytest.mark.parametrize("staff_first", [True, False])
def test_a_release_and_a_late_callback_leave_one_end(number: PhoneNumber, staff_first: bool) -> None:
    support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, MayBeRinging("?"))
    pk = claim.call.pk

    def release() -> None:
        with suppress(staff_decisions.DecisionRefused):
            staff_decisions.release(pk, actor="staff", reason="Not in the log.")

    def callback() -> None:
        recording.record(pk, Reading(CallState.COMPLETED, provider_call_id="x1"), "callback")

    both = [Beside(work) for work in ((release, callback) if staff_first else (callback, release))]
    for beside in both:
        beside.join()
    call = Call.objects.get(pk=pk)
    ends = call.events.filter(type="ended").count()
    assert call.status in (Status.CANCELED, Status.COMPLETED)
    assert ends == 1

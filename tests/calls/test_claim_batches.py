"""A claim of many calls: its statements do not grow with them, and a call that is refused costs no other call."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.actions import campaigns
from calls.dialing import asking, enqueueing, intents, placing
from calls.gate import rate_limits
from calls.gate.history import OpenCalls
from calls.models import Call, CallEvent, Status
from calls.outcomes import circuit_breaker
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from campaigns.models.number_hash import InstallationKey, forget_hash_key
from providers.adapters.errors import MayBeRinging
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Alert, Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia", calls_per_second=1000, max_open_calls=1000)


def phones(count: int, first: int = 0) -> list[str]:
    return [f"+1212555{n:04d}" for n in range(first, first + count)]


def running(number: PhoneNumber, count: int, first: int = 0, **fields: Any) -> Campaign:
    """Return a running campaign with a due recipient for each number."""
    numbers = phones(count, first)
    made = support.campaign(number, support.people(number.organization, numbers), **fields)
    Campaign.objects.filter(pk=made.pk).update(status=Campaign.Status.RUNNING, launched_at=timezone.now())
    contacts = number.organization.contacts.filter(phone__in=numbers).order_by("phone")
    Recipient.objects.bulk_create(
        Recipient(campaign=made, contact=contact, next_attempt_at=timezone.now(), sort_key=place)
        for place, contact in enumerate(contacts)
    )
    made.refresh_from_db()
    return made


def shapes(asked: CaptureQueriesContext) -> Counter[str]:
    """Return how often each kind of statement was sent. SQLite takes only so many values in one INSERT."""
    found = Counter(" ".join(query["sql"].split()[:3]).split(' "s')[0] for query in asked.captured_queries)
    return found if connection.vendor == "postgresql" else Counter(dict.fromkeys(found, 1))


def test_the_statements_of_a_step_and_of_a_claim_do_not_grow_with_the_calls(number: PhoneNumber) -> None:
    budget = {"budget": Decimal(1_000_000), "max_open_calls": 1000}
    asked: dict[str, dict[int, Counter[str]]] = {"feed": {}, "claim": {}, "defer": {}}
    for count, first in ((1, 0), (10, 500), (200, 1000)):  # the first finds caches empty
        made = running(number, count, first, **budget)
        with CaptureQueriesContext(connection) as queries:
            assert enqueueing.feed(made.pk) == count
        asked["feed"][count] = shapes(queries)
        Call.objects.queued().update(due_at=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            assert len(placing.claim(number.account_id)) == count
        asked["claim"][count] = shapes(queries)
        # The same calls once more, when none may go out: each is put off, for a moment of its own.
        Call.objects.filter(campaign=made).update(status=Status.QUEUED, due_at=timezone.now(), dialed_at=None)
        made.recipients.update(attempts=0)
        for place, contact in enumerate(Contact.objects.filter(calls__campaign=made).order_by("pk")):
            contact.hold_until = timezone.now() + timedelta(days=1, seconds=place)
            contact.on_hold = True
            contact.save()
        with CaptureQueriesContext(connection) as queries:
            assert placing.claim(number.account_id, count) == []
        asked["defer"][count] = shapes(queries)
        assert made.calls.filter(status_reason="hold").values("due_at").distinct().count() == count
        assert CallEvent.objects.filter(call__campaign=made, type="deferred").count() == count
        Call.objects.all().update(status=Status.CANCELED, due_at=None, cost_reserved=0)
    for what, found in asked.items():
        assert found[10] == found[200], what
        assert found[200].total() < 40, what


def test_each_claimed_call_is_stored_with_all_that_belongs_to_it(number: PhoneNumber) -> None:
    ProviderAccount.objects.update(price_per_minute=Decimal("0.10"), reserved_minutes=3)
    made = running(number, 30)
    enqueueing.feed(made.pk)
    before = timezone.now()
    claims = placing.claim(number.account_id)
    assert len(claims) == 30
    again = {call.pk: call for call in Call.objects.all()}
    for claim in claims:
        call = again[claim.call.pk]
        assert (call.status, call.status_reason, call.placing_attempts) == (Status.PLACING, "", claim.fence)
        assert call.dialed_at is not None and call.lease_until is not None
        assert before <= call.dialed_at == call.lease_until - intents.LEASE
        assert call.cost_reserved == Decimal("0.30") and call.campaign_version == made.version
        assert call.decision["decision"] == "allow" and len(call.decision["checks"]) > 5
        assert claim.fence == 1 and claim.call.as_order().to_number == call.to_number
    assert set(made.recipients.values_list("status", "attempts")) == {(Recipient.Status.CALLING, 1)}
    placed = CallEvent.objects.filter(type="placing").values_list("call", "from_status", "to_status", "detail")
    assert sorted(placed) == [(pk, "queued", "placing", "Attempt 1.") for pk in sorted(again)]


def test_the_fence_rises_with_each_claim(number: PhoneNumber) -> None:
    call = support.single(number, *phones(1))
    for fence in (1, 2, 3):
        [claim] = placing.claim(number.account_id)
        assert claim.fence == fence == Call.objects.get(pk=call.pk).placing_attempts
        Call.objects.update(status=Status.QUEUED, due_at=timezone.now(), dialed_at=None)
        Organization.objects.update(min_gap_minutes=0)


@pytest.mark.parametrize("conflicts", [[0], [7], [3, 4], [0, 5, 11], list(range(12))])
def test_a_call_that_a_constraint_refuses_costs_no_other_call(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, conflicts: list[int]
) -> None:
    """The gate sees an open call first; here it is blind, so that the constraint alone is left."""
    numbers = phones(12)
    made = running(number, 12)
    enqueueing.feed(made.pk)
    for place in conflicts:
        open_call = {"status": Status.RINGING, "next_read_at": timezone.now(), "provider_call_id": f"x{place}"}
        support.single(number, numbers[place], **open_call)
    monkeypatch.setattr(OpenCalls, "any_to", lambda *_: False)
    refused = {numbers[place] for place in conflicts}
    claimed = {claim.call.to_number for claim in placing.claim(number.account_id)}
    assert claimed == set(numbers) - refused
    waiting = made.calls.queued()
    assert {call.to_number for call in waiting} == refused
    for call in waiting:
        assert (call.status_reason, call.placing_attempts, call.cost_reserved) == ("open_call", 0, Decimal(0))
        assert call.dialed_at is None and call.due_at is not None and call.due_at > timezone.now()
        assert list(call.events.values_list("type", flat=True)) == ["queued", "deferred"]
    assert set(made.recipients.filter(contact__phone__in=refused).values_list("attempts", flat=True)) <= {0}
    assert set(made.recipients.exclude(contact__phone__in=refused).values_list("attempts", flat=True)) <= {1}


def test_a_recipient_with_another_call_costs_nobody_a_turn(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has just queued a call to one recipient, or placed one that the gate does not see."""
    made = running(number, 12, rotation=[])
    second = PhoneNumber.objects.create(organization=number.organization, account=number.account, e164="+16465550101")
    made.phone_numbers.add(second)
    queued, open_ = made.recipients.order_by("sort_key")[3:5]
    for recipient, fields in (
        (queued, {"status": Status.QUEUED, "due_at": timezone.now() + timedelta(hours=1)}),
        (open_, {"status": Status.RINGING, "next_read_at": timezone.now(), "provider_call_id": "x"}),
    ):
        support.single(number, recipient.contact.phone, campaign=made, recipient=recipient, **fields)
    monkeypatch.setattr(OpenCalls, "any_to", lambda *_: False)
    assert enqueueing.feed(made.pk) == 10
    others = made.recipients.exclude(pk__in=[queued.pk, open_.pk])
    assert set(others.values_list("status", flat=True)) == {Recipient.Status.CALLING}
    # A turn that is given back leaves the caller numbers apart by as much.
    used = Counter(others.values_list("phone_number__e164", flat=True))
    assert used.total() == 10 and all(4 <= used[each.e164] <= 6 for each in (number, second))
    left = made.recipients.filter(pk__in=[queued.pk, open_.pk])
    assert left.filter(status=Recipient.Status.PENDING, phone_number=None).count() == 2
    assert made.calls.count() == 12 and not CallEvent.objects.filter(call__recipient__in=[queued, open_]).exists()


def test_the_second_call_to_one_person_in_one_claim_waits(number: PhoneNumber) -> None:
    """Two campaigns have queued everyone twice. The gate finds it in memory: no statement is refused."""
    made = [running(number, 20, name=name) for name in "AB"]
    for each in made:
        assert enqueueing.feed(each.pk) == 20
    with CaptureQueriesContext(connection) as asked:
        claims = placing.claim(number.account_id)
    assert Counter(claim.call.to_number for claim in claims) == Counter(phones(20))
    assert set(Call.objects.queued().values_list("status_reason", flat=True)) == {"open_call"}
    assert not any("ROLLBACK TO" in query["sql"] for query in asked.captured_queries)


def test_those_who_wait_do_not_keep_others_waiting(number: PhoneNumber) -> None:
    """More calls than one round looks at are put off; the call behind them is claimed at once."""
    made = running(number, 30)
    enqueueing.feed(made.pk)
    Contact.objects.update(on_hold=True)
    last = support.single(number, *phones(1, 900), priority=Call.PRIORITY_BULK)
    assert [claim.call.pk for claim in placing.claim(number.account_id, limit=10)] == [last.pk]


def test_a_claim_ends_only_so_many_calls_and_the_next_one_ends_the_others(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ENDED_AT_MOST", 5)
    made = running(number, 12)
    enqueueing.feed(made.pk)
    entries.add_many(number.organization, phones(11), reason="", source="test")
    [claim] = placing.claim(number.account_id)
    assert claim.call.to_number == phones(1, 11)[0]
    assert made.calls.filter(status=Status.CANCELED).count() == 5
    assert placing.claim(number.account_id) == []
    assert made.calls.filter(status=Status.CANCELED, status_reason="do_not_call").count() == 11


def test_only_accounts_with_a_due_call_have_work(number: PhoneNumber, callers: Organization) -> None:
    now = timezone.now()
    other = support.reach(callers, "http://127.0.0.1:9", "callingbox")
    paused = running(other, 3)
    enqueueing.feed(paused.pk)
    Call.objects.update(due_at=now)
    Campaign.objects.update(status=Campaign.Status.PAUSED)
    later = support.single(number, *phones(1, 50), due_at=now + timedelta(seconds=3))
    assert placing.accounts_with_work(now) == []
    assert 1.5 < placing.until_next(now, 5.0) <= 3.0 and placing.until_next(now, 1.0) == 1.0
    assert placing.accounts_with_work(now + timedelta(seconds=4)) == [number.account_id]
    Campaign.objects.update(status=Campaign.Status.RUNNING)
    found = placing.accounts_with_work(timezone.now() + timedelta(seconds=4))
    assert found == sorted([number.account_id, other.account_id])
    later.refresh_from_db()
    assert later.status == Status.QUEUED


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_read_does_not_wait_for_a_claim(number: PhoneNumber, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim holds the account's row while it asks the gate; the reads of the account go on."""
    support.single(number, *phones(1))
    account = ProviderAccount.objects.get(pk=number.account_id)
    with held(monkeypatch, placing, "_lock_contacts", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE), "it holds the account"
        for _ in range(2):  # the first makes the bucket
            reading = Beside(lambda: rate_limits.take_for_reading(account, 3, timezone.now()))
            assert not reading.waits_for_a_lock()
            assert reading.join() == 3
        go_on.set()
        assert len(claiming.join()) == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """A claim of many calls is held at its worst moment, and something happens beside it."""

    def test_two_claimers_share_the_calls_of_an_account(
        self, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for to in phones(60):
            support.single(number, to)
        with held(monkeypatch, placing, "commit", after=True) as (reached, go_on):
            first = Beside(lambda: placing.claim(number.account_id, 40))
            assert reached.wait(PATIENCE)
            second = Beside(lambda: placing.claim(number.account_id, 40))
            assert second.waits_for_a_lock()
            go_on.set()
            claimed = [claim.call.pk for claims in (first.join(), second.join()) for claim in claims]
        assert len(claimed) == len(set(claimed)) == 60
        assert set(Call.objects.values_list("placing_attempts", flat=True)) == {1}

    def test_two_campaigns_never_ring_one_person_from_two_claims(
        self, number: PhoneNumber, callers: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = support.reach(callers, "http://127.0.0.1:9", "callingbox", calls_per_second=1000, max_open_calls=1000)
        for made in (running(number, 30, name="A"), running(other, 30, name="B")):
            assert enqueueing.feed(made.pk) == 30
        with held(monkeypatch, placing, "commit", after=True) as (reached, go_on):
            one = Beside(lambda: placing.claim(number.account_id))
            assert reached.wait(PATIENCE)
            two = Beside(lambda: placing.claim(other.account_id))
            assert two.waits_for_a_lock()
            go_on.set()
            assert (len(one.join()), two.join()) == (30, [])
        assert set(Call.objects.queued().values_list("status_reason", flat=True)) == {"open_call"}

    def test_numbers_that_are_listed_meanwhile_are_dialled_before_the_entry_or_not_at_all(
        self, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = running(number, 40)
        enqueueing.feed(made.pk)
        with held(monkeypatch, placing, "with_relations", after=True) as (reached, go_on):
            claiming = Beside(lambda: placing.claim(number.account_id, 25))
            assert reached.wait(PATIENCE), "it holds the contacts of 25 calls"
            listing = Beside(lambda: entries.add_many(number.organization, phones(40), reason="", source="test"))
            assert listing.waits_for_a_lock(), "the entries must wait for the contacts"
            go_on.set()
            assert len(claiming.join()) == 25
            listing.join()
        assert placing.claim(number.account_id) == []
        assert made.calls.filter(status=Status.CANCELED, status_reason="do_not_call").count() == 15

    def test_a_pause_that_meets_a_claim_waits_for_all_its_calls(
        self, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = running(number, 12)
        enqueueing.feed(made.pk)
        with held(monkeypatch, placing, "with_relations", after=True) as (reached, go_on):
            claiming = Beside(lambda: placing.claim(number.account_id, 10))
            assert reached.wait(PATIENCE)
            pausing = Beside(lambda: campaigns.pause(made, actor="test"))
            assert pausing.waits_for_a_lock(), "the pause must wait for the campaign's lock"
            go_on.set()
            claims = claiming.join()
            placing.record_all([(claim, MayBeRinging("?")) for claim in claims[:-1]])
            assert not pausing.done.wait(0.3), "one of its calls may still be sent"
            placing.record_all([(claims[-1], MayBeRinging("?"))])
            pausing.join()
        assert len(claims) == 10 and placing.claim(number.account_id) == []
        assert made.calls.queued().count() == 2


@pytest.mark.parametrize("lost", ["the account's credentials", "the key of the do-not-call list"])
def test_without_a_secret_that_it_needs_nothing_is_committed_and_a_person_learns_why(
    lost: str, number: PhoneNumber, settings: Any
) -> None:
    """Otherwise two hundred calls would become doubts, or be placed to numbers that may be listed."""
    call = support.single(number, "+12125550150")
    entries.add(number.organization, "+12125550151", source="test")
    kept, gone = settings.FIELD_KEYS, [Fernet.generate_key().decode()]
    with override_settings(FIELD_KEYS=gone):
        if lost == "the account's credentials":
            ProviderAccount.objects.update(credentials={"api_key": "unreadable"})
        else:
            InstallationKey.objects.update(value="00")
    forget_hash_key()
    assert placing.claim(number.account_id) == []
    call.refresh_from_db()
    assert (call.status, call.placing_attempts, call.dialed_at) == (Status.QUEUED, 0, None)
    said = Alert.objects.get().message
    if lost == "the account's credentials":
        account = ProviderAccount.objects.get()
        assert (account.blocked_code, account.blocked_until) == ("misconfigured", None)
        assert "credentials cannot be read" in account.blocked_reason and account.blocked_reason[:60] in said
    else:
        assert said.startswith("No call is placed. The key of the do-not-call list cannot be read")
    settings.FIELD_KEYS = [*kept, *gone]
    circuit_breaker.unblock(number.account_id)
    assert [claim.call.pk for claim in placing.claim(number.account_id)] == [call.pk]

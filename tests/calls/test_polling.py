"""The polling state of calls: who has a row, what a read may write to it, and which calls a claim leases."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import Model, Value
from django.db.models.signals import post_init, pre_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.following import due_reads, polling, reconciling, rescheduling
from calls.following.rescheduling import NextRead
from calls.models import Call, Polling, Status
from calls.outcomes import recording
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber, ProviderAccount, ReadBucket
from tenants.db.loaded import LoadedQuickly
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db
LEASED = timedelta(seconds=60)  # shorter than a lease, and longer than any test


@pytest.fixture
def line(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "callingbox")


def followed(line: PhoneNumber, place: int, **fields: Any) -> Call:
    now = timezone.now()
    given = {"status": Status.RINGING, "dialed_at": now, "placed_at": now, "next_read_at": now}
    given["provider_call_id"] = f"p{place}"
    return support.single(line, f"+1212555{place:04}", **{**given, **fields})


def row_of(call: Call) -> Polling:
    return Polling.objects.get(calls=call)


def delete_all_rows() -> None:
    Polling.objects.all().delete()
    connection.check_constraints()


# Who has a row.


@pytest.mark.parametrize("status", [Status.UNCONFIRMED, Status.PLACED, Status.DIALING, Status.RINGING])
def test_no_call_can_be_followed_without_a_row(line: PhoneNumber, status: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        followed(line, 1, status=status, next_read_at=None)
    call = followed(line, 2, status=status)
    with pytest.raises(IntegrityError), transaction.atomic():
        delete_all_rows()
    call.next_read_at = None
    with pytest.raises(IntegrityError), transaction.atomic():
        call.save()
    assert row_of(call).account_id == line.account_id


def test_the_row_ends_with_the_reading_and_a_new_one_has_another_key(line: PhoneNumber) -> None:
    call = followed(line, 1)
    first = row_of(call)
    recording.record(call.pk, Reading(CallState.FAILED, provider_call_id="p1"), "read")
    assert not Polling.objects.exists()
    call.refresh_from_db()
    assert (call.status, call.polling_id, call.next_read_at) == (Status.FAILED, None, None)
    call.next_read_at = timezone.now()
    call.save()
    assert row_of(call).pk != first.pk


def test_a_call_loaded_before_its_reading_ended_says_that_it_is_not_read(line: PhoneNumber) -> None:
    call = Call.objects.get(pk=followed(line, 1).pk)
    support.change(Call.objects.all(), status=Status.FAILED, next_read_at=None)
    assert call.next_read_at is None


def test_saving_a_call_undoes_no_read_that_was_claimed_meanwhile(line: PhoneNumber) -> None:
    call = Call.objects.select_related("polling").get(pk=followed(line, 1).pk)
    [due] = polling.claim()
    assert due.call == call
    leased = row_of(call)
    call.retention_at = timezone.now() + timedelta(hours=2)
    call.save()
    after = row_of(call)
    assert (after.reads, after.next_read_at) == (1, leased.next_read_at)
    assert after.retention_at == call.retention_at


# How a row becomes an object.


def test_a_loaded_object_is_the_one_that_django_makes(line: PhoneNumber, monkeypatch: pytest.MonkeyPatch) -> None:
    followed(line, 1)
    queries: list[Any] = [
        *(Call.objects.all(), Call.objects.select_related("polling", "account"), Polling.objects.all()),
        *(Call.objects.defer("decision", "updated_at"), Call.objects.only("status")),
        Call.objects.annotate(nothing=Value(1)),
    ]
    ours = [query.all().get() for query in queries]
    for model in {kind for kind in apps.get_models() if issubclass(kind, LoadedQuickly)}:
        assert not pre_init.has_listeners(model) and not post_init.has_listeners(model), model
    for model in (Call, Polling):
        monkeypatch.setattr(model, "from_db", Model.__dict__["from_db"])
    for query, one in zip(queries, ours, strict=True):
        other = query.all().get()
        assert one.get_deferred_fields() == other.get_deferred_fields()
        added = {"_stored", "_stored_polling", "_state"}
        assert [(name, value) for name, value in sorted(vars(one).items()) if name not in added] == [
            (name, value) for name, value in sorted(vars(other).items()) if name not in added
        ]
        states = [{name: value for name, value in vars(each._state).items() if value} for each in (one, other)]
        assert states[0] == states[1] and one._state.adding is other._state.adding is False


# What a read writes.


def test_a_read_writes_to_the_row_as_it_was_leased_and_to_no_other(line: PhoneNumber, subtests: Any) -> None:
    """Each answer with each thing that may happen during the read, all in one statement."""
    answers = {
        "success": lambda row, at, now: NextRead.after_success(row, at, now, now + timedelta(hours=2)),
        "error": lambda row, at, now: NextRead.after_error(row, at),
        "postponed": lambda row, at, now: NextRead.postponed(row, at),
    }
    meanwhile = ("nothing", "hint", "claimed again", "gone")
    now, before = timezone.now(), timezone.now() - timedelta(hours=1)
    cases = list(product(answers, meanwhile))
    for place in range(len(cases)):
        followed(line, place)
    Polling.objects.update(last_read_at=before, read_errors=3)
    leased = {due.call.provider_call_id: due.call.polling for due in polling.claim()}
    assert len(leased) == len(cases)
    reads, at, hinted = [], now + timedelta(minutes=7), now - timedelta(seconds=5)
    for place, (answer, what) in enumerate(cases):
        row = leased[f"p{place}"]
        assert row is not None
        reads.append(answers[answer](row, at, now))
        if what == "hint":
            Polling.objects.filter(pk=row.pk).update(next_read_at=hinted)
        elif what == "claimed again":
            Polling.objects.filter(pk=row.pk).update(reads=2, next_read_at=hinted)
        elif what == "gone":
            support.change([Call.objects.get(polling=row)], status=Status.FAILED, next_read_at=None)
    with CaptureQueriesContext(connection) as asked:
        rescheduling.store(reads)
    assert len(asked) == 1
    told = {
        "success": (now, 0, now + timedelta(hours=2)),
        "error": (before, 4, None),
        "postponed": (before, 3, None),
    }
    for place, (answer, what) in enumerate(cases):
        with subtests.test(answer=answer, meanwhile=what):
            call = Call.objects.select_related("polling").get(provider_call_id=f"p{place}")
            if what == "gone":
                assert call.polling is None
                continue
            assert call.polling is not None
            found = (call.polling.last_read_at, call.polling.read_errors, call.polling.retention_at)
            assert found == ((before, 3, None) if what == "claimed again" else told[answer])
            assert call.next_read_at == (at if what == "nothing" else hinted)
            assert call.polling.reads == (2 if what == "claimed again" else 1)


# What a claim leases.


def test_a_claim_leases_the_longest_due_and_touches_no_row_of_a_call(line: PhoneNumber) -> None:
    now = timezone.now()
    calls = [followed(line, place, next_read_at=now - timedelta(seconds=place)) for place in range(5)]
    followed(line, 9, next_read_at=now + timedelta(hours=1))
    with CaptureQueriesContext(connection) as asked:
        found = polling.claim(3)
    assert {due.call for due in found} == set(calls[2:])
    for due in found:
        row = row_of(due.call)
        assert due.call.polling is not None
        assert (row.reads, row.next_read_at) == (due.call.polling.reads, due.call.polling.next_read_at)
        assert row.reads == 1 and row.next_read_at > now + LEASED
    statements = [each["sql"] for each in asked]
    assert not [sql for sql in statements if 'UPDATE "calls_call"' in sql or 'OF "calls_call"' in sql]
    assert {due.call for due in polling.claim()} == set(calls[:2])


def one_read_left(account_id: int) -> None:
    ProviderAccount.objects.filter(pk=account_id).update(reads_per_second=1)
    ReadBucket.objects.update_or_create(account_id=account_id, defaults={"tokens": 1, "tokens_at": timezone.now()})


def test_due_rows_that_are_searched_for_take_no_place_of_a_batch_of_reads(line: PhoneNumber) -> None:
    """Nor tokens of the account: they are the longest due, and as many as the batch has places."""
    long_ago = timezone.now() - timedelta(hours=1)
    sought = [
        followed(line, place, status=Status.UNCONFIRMED, provider_call_id="", next_read_at=long_ago)
        for place in range(3)
    ]
    read = followed(line, 9)
    one_read_left(line.account_id)
    assert [due.call for due in polling.claim(2)] == [read]
    [(account, found)] = reconciling.claim(2).items()
    assert account == line.account and set(found) < set(sought) and len(found) == 2
    [(_, [last])] = reconciling.claim(2).items()
    assert {*found, last} == set(sought)
    assert reconciling.claim() == {} and polling.claim() == []


@pytest.mark.parametrize("provider", ["callingbox", "plumvoice"])
def test_a_followed_call_without_an_id_is_looked_at_again_within_a_lease(callers: Organization, provider: str) -> None:
    """Its ID may come at any moment. An unconfirmed call of Plum, which lists none, waits until its doubt ends."""
    line = support.reach(callers, "http://127.0.0.1:9", provider)
    call = followed(line, 1, provider_call_id="")
    doubt = followed(line, 2, status=Status.UNCONFIRMED, provider_call_id="")
    for calls in reconciling.claim().values():
        reconciling.record(calls, {})
    now = timezone.now()
    assert now < row_of(call).next_read_at < now + timedelta(minutes=2)
    far = timedelta(hours=25) if provider == "plumvoice" else timedelta(0)
    assert row_of(doubt).next_read_at > now + far


def test_reads_that_are_given_back_are_claimed_again_except_those_that_somebody_has_claimed(line: PhoneNumber) -> None:
    calls = [followed(line, place) for place in range(4)]
    before = timezone.now() - timedelta(hours=1)
    Polling.objects.update(last_read_at=before, read_errors=3)
    waiting = polling.claim()
    assert {due.call for due in waiting} == set(calls) and polling.claim() == []
    Polling.objects.filter(calls=calls[0]).update(next_read_at=before)  # a status callback asks for a read
    [again] = polling.claim()
    polling.give_back(waiting)
    assert {due.call for due in polling.claim()} == set(calls[1:])
    rows = Polling.objects.filter(calls__in=calls)
    assert set(rows.values_list("last_read_at", "read_errors")) == {(before, 3)}, "no read has failed"
    assert again.call == calls[0] and row_of(calls[0]).next_read_at > timezone.now() + LEASED


def test_a_call_that_lost_its_id_after_the_lease_is_not_read(line: PhoneNumber) -> None:
    call = followed(line, 1)
    [leased] = due_reads.lease({line.account_id: 1}, timezone.now(), timezone.now() + LEASED)
    Call.objects.filter(pk=call.pk).update(provider_call_id="")
    assert due_reads.load([leased]) == []


def test_accounts_share_a_batch_and_leave_what_they_cannot_use(callers: Organization, subtests: Any) -> None:
    lines = [support.reach(callers, "http://127.0.0.1:9", name) for name in ("callingbox", "allomia", "polyai")]
    first, second, third = (each.account_id for each in lines)
    for each, count in zip(lines, (1, 9, 9), strict=True):
        for place in range(count):
            followed(each, 100 * each.pk + place)
    # The batch -> by hand: what each account gets of 1, 9 and 9 due reads.
    for limit, expected in ((3, {1}), (7, {1, 3}), (12, {1, 5, 6}), (30, {1, 9})):
        with subtests.test(limit=limit), transaction.atomic():
            found = Counter(due.call.account_id for due in polling.claim(limit))
            assert sum(found.values()) == min(limit, 19)
            assert set(found.values()) == expected and found[first] == 1
            transaction.set_rollback(True)
    one_read_left(second)
    found = Counter(due.call.account_id for due in polling.claim(10))
    assert found[second] == 1 and found[third] >= 5


def test_what_a_claim_asks_does_not_grow_with_the_batch(line: PhoneNumber) -> None:
    def claimed(count: int) -> int:
        for place in range(count):
            followed(line, place + 100 * count)
        with CaptureQueriesContext(connection) as asked:
            found = polling.claim()
            handles = [(due.call.as_handle(), due.call.organization.pk, due.adapter) for due in found]
        assert len(handles) == count
        return len(asked)

    claimed(1)  # the first makes the bucket of the account's reads
    assert claimed(2) == claimed(30)


def test_due_reads_are_counted_no_further_than_asked(line: PhoneNumber) -> None:
    for place in range(4):
        followed(line, place)
    now = timezone.now()
    assert due_reads.count_by_account(now, 3) == {line.account_id: 3}
    assert due_reads.count_by_account(now, 9) == {line.account_id: 4}
    assert due_reads.count_by_account(now - timedelta(hours=1), 9) == {}


def test_the_rows_are_stored_with_room_for_their_next_version(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such settings")
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'calls_polling'")
        [(options,)] = cursor.fetchall()
    assert "fillfactor=60" in options


def test_a_claim_finds_due_rows_by_index_however_many_calls_there_are(line: PhoneNumber) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("plans of PostgreSQL")
    now, one = timezone.now(), followed(line, 0)
    shared = {
        name: getattr(one, name)
        for name in ("organization", "contact", "account", "assistant", "phone_number", "from_number")
    }
    rows = Polling.objects.bulk_create(
        Polling(account=line.account, next_read_at=now + timedelta(minutes=place - 20)) for place in range(2_000)
    )
    Call.objects.bulk_create(
        Call(**shared, to_number=f"+1646{place:07}", provider_call_id=f"f{place}", status=Status.RINGING, polling=row)
        for place, row in enumerate(rows)
    )
    Call.objects.bulk_create(
        Call(**shared, to_number=one.to_number, provider_call_id=f"e{place}", status=Status.COMPLETED)
        for place in range(8_000)
    )
    statements: tuple[tuple[str, Any], ...] = (
        (due_reads._COUNT, [now, 500, now]),
        (due_reads._LEASE_POSTGRESQL, [[line.account_id], [500], now, now + timedelta(seconds=90)]),
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE calls_polling; ANALYZE calls_call")
        for sql, given in statements:
            cursor.execute(f"EXPLAIN {sql}", given)
            plan = "\n".join(step for (step,) in cursor.fetchall())
            assert "polling_due" in plan and "one_call_per_polling" in plan and "on calls_call" in plan
            assert "Seq Scan on calls_call" not in plan

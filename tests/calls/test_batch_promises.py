"""What a batch of answers promises: nothing is lost, one bad row harms no other, few statements, locks in order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.dialing import intents, placing
from calls.following import due_reads, polling
from calls.models import Call, Polling, Status, WebhookDelivery
from calls.outcomes import batches, folding, loading, placement_results, poll_schedule, recording, writing
from campaigns.models import Campaign, DoNotCall, Recipient
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, NotSent, ProviderError, Rejected
from providers.models import PhoneNumber, ProviderAccount
from tenants import failpoints
from tenants.models import WebhookEndpoint
from tenants.models import WebhookEvent as Event
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.waiting import PATIENCE

Answer = Reading | ProviderError
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
connection = connection  # named in the condition above


def placed(place: int) -> Reading:
    return Reading(CallState.DIALING, provider_call_id=f"p-{place}", provider_status="calling")


def claims(number: PhoneNumber, count: int, **fields: Any) -> list[placing.Claim]:
    """Return claims of new calls of a running campaign."""
    unblocked(number)
    number.account.max_unconfirmed, number.account.max_open_calls = None, 1000
    number.account.save()
    phones = [f"+1212555{next(PHONES)}" for _ in range(count)]
    made = support.campaign(number, support.people(number.organization, phones), retries=3)
    Campaign.objects.filter(pk=made.pk).update(status=Campaign.Status.RUNNING)
    for contact in number.organization.contacts.filter(phone__in=phones):
        recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
        support.single(number, contact.phone, contact=contact, recipient=recipient, campaign=made, **fields)
    found: list[placing.Claim] = []
    while len(found) < count:
        number.account.refresh_from_db()
        number.account.place_tokens, number.account.place_tokens_at = 100, timezone.now()
        number.account.save()
        more = placing.claim(number.account_id)
        assert more, len(found)
        found += more
    assert len(found) == count
    return sorted(found, key=lambda claim: claim.call.pk)


def followed(number: PhoneNumber, count: int, **fields: Any) -> list[polling.DueRead]:
    """Return leased reads of calls that were placed."""
    made = claims(number, count, **fields)
    answers: list[Any] = [(claim, placed(claim.call.pk)) for claim in made]
    assert placing.record_all(answers) == []
    return leased(claim.call.pk for claim in made)


def leased(calls: Iterator[int]) -> list[polling.DueRead]:
    keys = list(Call.objects.filter(pk__in=list(calls)).values_list("polling_id", flat=True))
    until = timezone.now() + poll_schedule.READ_LEASE
    Polling.objects.filter(pk__in=keys).update(reads=F("reads") + 1, next_read_at=until)
    return [polling.DueRead(call, call.account.adapter) for call in due_reads.load(keys)]


def reading(due: polling.DueRead, state: CallState = CallState.DIALING, **fields: Any) -> Reading:
    word = "calling" if state is CallState.DIALING else state.value
    return Reading(state, provider_call_id=due.call.provider_call_id, provider_status=word, **fields)


def statuses() -> list[str]:
    return list(Call.objects.order_by("pk").values_list("status", flat=True))


@contextmanager
def refused(call: Call) -> Iterator[None]:
    """Have the database refuse every update of one call."""
    if connection.vendor == "postgresql":
        create = (
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused' "
            "USING ERRCODE = 'integrity_constraint_violation'; END $$ LANGUAGE plpgsql; "
            f"CREATE TRIGGER refuse BEFORE UPDATE ON calls_call FOR EACH ROW WHEN (OLD.id = {call.pk}) "
            "EXECUTE FUNCTION refuse()"
        )
        drop = "DROP TRIGGER refuse ON calls_call; DROP FUNCTION refuse()"
    else:
        create = (
            f"CREATE TRIGGER refuse BEFORE UPDATE ON calls_call WHEN OLD.id = {call.pk} "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        drop = "DROP TRIGGER refuse"
    with connection.cursor() as cursor:
        cursor.execute(create)
        try:
            yield
        finally:
            cursor.execute(drop)


def test_one_row_that_the_database_refuses_harms_no_other_and_is_given_back(number: PhoneNumber) -> None:
    made = claims(number, 7)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]
    with refused(made[3].call):
        left = placing.record_all(answers)
    assert left == [answers[3]]
    assert statuses() == [Status.DIALING] * 3 + [Status.PLACING] + [Status.DIALING] * 3
    assert placing.record_all(left) == []
    assert statuses() == [Status.DIALING] * 7
    assert [call.events.filter(type="status").count() for call in Call.objects.all()] == [1] * 7


def test_an_answer_that_meets_a_bug_harms_no_other_and_is_given_back(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = claims(number, 3)
    real = folding.fold

    def broken(call: Any, *args: Any) -> Any:
        if call.pk == made[1].call.pk:
            raise ZeroDivisionError("a bug")
        return real(call, *args)

    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]
    with monkeypatch.context() as patch:
        patch.setattr(recording, "fold", broken)
        assert placing.record_all(answers) == [answers[1]]
    assert statuses() == [Status.DIALING, Status.PLACING, Status.DIALING]


def test_answers_survive_a_connection_that_closes_before_the_commit(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = claims(number, 4)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]

    def close(name: str) -> None:
        if name == "outcomes.writing":
            connection.close()

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", close)
        left = placing.record_all(answers)
    assert statuses().count(Status.PLACING) == len(left)
    assert placing.record_all(left) == []
    assert statuses() == [Status.DIALING] * 4
    assert [call.events.filter(type="status").count() for call in Call.objects.all()] == [1] * 4


def test_a_call_that_changed_under_the_batch_is_recorded_alone(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locks should prevent it; the fence in the statement sees it all the same, and nothing is written twice."""
    made = claims(number, 3)
    real = writing.write

    def changed_meanwhile(gathered: Any, was: Any, now: Any) -> Any:
        Call.objects.filter(pk=made[1].call.pk).update(placing_attempts=7)
        return real(gathered, was, now)

    monkeypatch.setattr(batches, "write", changed_meanwhile)
    assert placing.record_all([(claim, placed(place)) for place, claim in enumerate(made)]) == []
    assert statuses() == [Status.DIALING, Status.PLACING, Status.DIALING]
    changed = Call.objects.get(pk=made[1].call.pk)
    assert (changed.placing_attempts, changed.polling_id) == (7, None)
    assert list(changed.events.values_list("type", flat=True))[-1] == "late_answer"
    assert Polling.objects.count() == 2


PHONES = itertools.count(1000)
SIZES = 9, 14  # a block and a pause, which cost statements of their own, come with fewer
KINDS: dict[str, Callable[[int], Answer]] = {
    "placed": placed,
    "refused": lambda place: Rejected("No such number.", status=400),
    "not sent": lambda place: NotSent("No connection."),
    "throttled": lambda place: NotSent("Slow down.", status=429, retry_after=30),
    "doubt": lambda place: MayBeRinging("The provider did not answer in time."),
}
READS: dict[str, Callable[[polling.DueRead], Answer]] = {
    "unchanged": reading,
    "moved on": lambda due: reading(due, CallState.RINGING),
    "ended": lambda due: reading(due, CallState.BUSY, ended_at=timezone.now(), provider_reason="strange words"),
    "with a remark": lambda due: reading(due, to_number="+33612345678"),
    "failed": lambda due: MayBeRinging("502", evidence=b"<html>"),
}


def test_the_number_of_statements_does_not_grow_with_the_batch(
    number: PhoneNumber, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    owner = number.organization
    WebhookEndpoint.objects.create(organization=owner, url="https://example.org/", events=list(Event))
    fields = {"callback_url": "https://example.org/ended"}
    for kind, answer in KINDS.items():
        counts = []
        for size in SIZES:
            made = [(claim, answer(claim.call.pk)) for claim in claims(number, size, **fields)]
            counts.append(statements(partial(placing.record_all, made)))
        with subtests.test(kind=kind):
            assert len(counts[0]) == len(counts[1])
    for kind, read in READS.items():
        counts = []
        [first] = followed(number, 1)  # it makes the words known
        polling.record_all([(first, reading(first, CallState.BUSY, provider_reason="strange words"), b"")])
        for size in SIZES:
            due = followed(number, size, **fields)
            items = [(each, read(each), b"{}") for each in due]
            counts.append(statements(partial(polling.record_all, items)))
        with subtests.test(kind=kind):
            assert len(counts[0]) == len(counts[1])
            if kind == "unchanged":
                [only] = counts[1]
                assert "calls_call" not in only
            lossy = [sql for sql in counts[1] if "synchronous_commit" in sql]
            assert bool(lossy) == (kind in ("moved on", "with a remark") and connection.vendor == "postgresql")
    assert [record.message for record in caplog.records if record.name == batches.__name__] == []


@on_postgresql
@pytest.mark.parametrize("late", [False, True], ids=["with the ID", "to an earlier claim"])
def test_an_answer_to_a_placing_survives_a_crash_even_when_the_call_goes_on_already(
    number: PhoneNumber, late: bool
) -> None:
    """The lease ended, a status callback without an ID moved the calls on, then comes the answer. No read tells it."""
    made = claims(number, 2)
    placement_results.reap(timezone.now() + intents.LEASE + timedelta(seconds=1))
    for claim in made:
        recording.record(claim.call.pk, Reading(CallState.IN_PROGRESS), "callback")
    if late:
        Call.objects.update(placing_attempts=F("placing_attempts") + 1)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]
    asked = statements(partial(placing.record_all, answers))
    assert statuses() == [Status.IN_PROGRESS] * 2
    assert not any("synchronous_commit" in sql for sql in asked)


def unblocked(number: PhoneNumber) -> None:
    """Forget what earlier answers have left of calls that were not placed, and of failures."""
    Call.objects.filter(status__in=(Status.UNCONFIRMED, Status.QUEUED)).delete()
    number.account.refresh_from_db()
    number.account.failures_in_a_row = 0
    number.account.blocked_at, number.account.blocked_code = None, ""
    number.account.save()


def statements(work: Callable[[], list[Any]]) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        assert work() == []
    return [query["sql"] for query in asked.captured_queries]


BREAKERS: tuple[Sequence[str], ...] = (
    ("failed", "placed", "failed"),
    ("failed",) * 7,
    ("failed",) * 6 + ("placed",),
    ("doubt",) * 4,
    ("doubt", "placed", "doubt", "failed", "doubt"),
    ("placed", "refused"),
    ("failed", "refused", "throttled"),
)


def test_the_account_is_as_after_one_answer_at_a_time(number: PhoneNumber, subtests: pytest.Subtests) -> None:
    for sequence in BREAKERS:
        found = []
        for together in (False, True):
            made = claims(number, len(sequence))
            number.account.max_unconfirmed = 2
            number.account.save()
            start = Call.objects.count()
            kinds = KINDS | {"failed": lambda place: NotSent(f"No connection {place % 10}.")}
            answers: list[Any] = [
                (claim, kinds[kind](10 * start + place))
                for place, (kind, claim) in enumerate(zip(sequence, made, strict=True))
            ]
            if together:
                assert placing.record_all(answers) == []
            else:
                for item in answers:
                    placing.record(*item)
            account = type(number.account).objects.get(pk=number.account_id)
            found.append((account.failures_in_a_row, account.blocked_code, account.blocked_reason))
        with subtests.test(sequence=sequence):
            assert found[0] == found[1]


def test_an_opt_out_in_a_batch_is_recorded_alone_under_the_contacts_lock(number: PhoneNumber) -> None:
    number.account.assistants.update(opt_out_rules=[{"field": "result.opt_out", "equals": "true"}])
    due = followed(number, 3)
    ends = [reading(each, CallState.BUSY) for each in due]
    ends[1] = replace(ends[1], result={"opt_out": True}, result_status="completed")
    assert polling.record_all([(each, end, b"{}") for each, end in zip(due, ends, strict=True)]) == []
    assert [entry.phone for entry in DoNotCall.objects.all()] == [due[1].call.to_number]
    assert statuses() == [Status.BUSY] * 3


@on_postgresql
def test_a_row_that_another_connection_holds_keeps_no_other_answer_waiting(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that was left open would turn all answers of its batch into doubts when their leases end."""
    monkeypatch.setattr(batches._Waits, "FIRST", 100)
    made = claims(number, 7)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]
    with transaction.atomic():
        list(Call.objects.select_for_update().filter(pk=made[3].call.pk))
        assert Beside(lambda: placing.record_all(answers)).join() == [answers[3]]
        assert statuses() == [Status.DIALING] * 3 + [Status.PLACING] + [Status.DIALING] * 3
    assert placing.record_all([answers[3]]) == []
    assert statuses() == [Status.DIALING] * 7


@on_postgresql
def test_answers_that_all_wait_for_one_row_are_given_back_after_few_tries(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches._Waits, "FIRST", 100)
    monkeypatch.setattr(batches._Waits, "MOST", 3)
    tries: list[int] = []

    def counted(entries: Sequence[loading.Entry]) -> loading.Loaded:
        tries.append(len(entries))
        return loading.Loaded(entries)

    monkeypatch.setattr(batches, "Loaded", counted)
    answers: list[Any] = [(claim, NotSent("refused")) for claim in claims(number, 7)]
    with transaction.atomic():
        ProviderAccount.objects.select_for_update().get(pk=number.account_id)
        left = Beside(lambda: placing.record_all(answers)).join()
        assert left == answers
        assert tries == [7, 3, 1]
    assert placing.record_all(left) == []
    assert statuses() == [Status.QUEUED] * 7


@on_postgresql
def test_a_call_that_somebody_holds_delays_no_other_answer_of_its_batch(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's connections wait for a lock for seconds. Then the batch is split: the others are stored."""
    made = claims(number, 5)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]

    def hold() -> None:
        with transaction.atomic():
            list(Call.objects.select_for_update().filter(pk=made[1].call.pk))
            holding.set()
            assert go_on.wait(PATIENCE)

    holding, go_on = threading.Event(), threading.Event()
    holder = Beside(hold)
    try:
        assert holding.wait(PATIENCE)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        assert placing.record_all(answers) == [answers[1]]
        assert statuses() == [Status.DIALING, Status.PLACING, *[Status.DIALING] * 3]
    finally:
        go_on.set()
        holder.join()
        connection.close()
    assert placing.record_all([answers[1]]) == []
    assert statuses() == [Status.DIALING] * 5


@on_postgresql
def test_the_reaper_waits_for_a_batch_and_then_finds_nothing(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = claims(number, 3)
    later = timezone.now() + intents.LEASE + timedelta(seconds=1)
    with held(monkeypatch, batches, "write", after=True) as (reached, go_on):
        storing = Beside(lambda: placing.record_all([(claim, placed(place)) for place, claim in enumerate(made)]))
        assert reached.wait(PATIENCE)
        reaping = Beside(lambda: placement_results.reap(later))
        assert reaping.waits_for_a_lock()
        go_on.set()
        assert storing.join() == []
        assert reaping.join() == 0
    assert statuses() == [Status.DIALING] * 3


@on_postgresql
def test_a_batch_waits_for_the_reaper_and_its_answers_still_count(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = claims(number, 2)
    later = timezone.now() + intents.LEASE + timedelta(seconds=1)
    with held(monkeypatch, placement_results, "mark_unconfirmed", after=True) as (reached, go_on):
        reaping = Beside(lambda: placement_results.reap(later))
        assert reached.wait(PATIENCE)
        storing = Beside(lambda: placing.record_all([(claim, placed(place)) for place, claim in enumerate(made)]))
        assert storing.waits_for_a_lock()
        go_on.set()
        reaping.join()
        assert storing.join() == []
    assert statuses() == [Status.DIALING] * 2
    assert set(Recipient.objects.values_list("status", flat=True)) == {Recipient.Status.CALLING}


@on_postgresql
@pytest.mark.parametrize("kind", ["placed", "doubt"])
def test_an_opt_out_and_a_claim_meet_an_open_batch_without_a_deadlock(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    number.account.assistants.update(opt_out_rules=[{"field": "result.opt_out", "equals": "true"}])
    made = claims(number, 3)
    queued = support.single(number, "+12125559999")
    wish = replace(placed(0), result={"opt_out": True}, result_status="completed")
    answers: list[Any] = [(claim, KINDS[kind](place)) for place, claim in enumerate(made)]
    with held(monkeypatch, batches, "write", after=False) as (reached, go_on):
        storing = Beside(lambda: placing.record_all(answers))
        assert reached.wait(PATIENCE)
        listing = Beside(lambda: recording.record(made[0].call.pk, wish, "callback"))
        assert listing.waits_for_a_lock()
        claiming = Beside(lambda: placing.claim(number.account_id))
        claiming.waits_for_a_lock()
        go_on.set()
        assert storing.join() == []
        listing.join()
        claiming.join()
    assert DoNotCall.objects.count() == 1
    assert "deadlock" not in caplog.text
    assert Call.objects.get(pk=queued.pk).status in (Status.PLACING, Status.QUEUED)


@on_postgresql
def test_two_batches_that_share_calls_take_them_in_one_order(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One holds the calls while the other, with its answers in the opposite order, waits for the first of them."""
    made = claims(number, 4)
    answers: list[Any] = [(claim, placed(place)) for place, claim in enumerate(made)]
    with held(monkeypatch, batches, "write", after=False) as (reached, go_on):
        first = Beside(lambda: placing.record_all(answers))
        assert reached.wait(PATIENCE)
        second = Beside(lambda: placing.record_all(answers[::-1]))
        assert second.waits_for_a_lock()
        go_on.set()
        assert first.join() == second.join() == []
    assert "deadlock" not in caplog.text
    assert statuses() == [Status.DIALING] * 4
    assert WebhookDelivery.objects.count() == 0

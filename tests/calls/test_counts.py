"""Counts kept by triggers equal the rows, whatever is done to the rows."""

from __future__ import annotations

import random
import re
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from calls.models import Call, PersonCount
from campaigns.models import (
    Campaign,
    Contact,
    ContactList,
    ContactListMember,
    ContactTag,
    Recipient,
    RecipientCount,
    Tag,
)
from providers.models import Assistant, PhoneNumber
from tenants.db import counters
from tenants.models import Organization
from tests.conftest import an_assistant
from tests.counting import counts_are_true, kept, true_counts

STATUSES = ("pending", "waiting", "done", "skipped")
ENDS = ("completed", "no_answer", "busy", "canceled", "failed")
UNRESOLVED = ("unknown", "expired")


class World:
    """Rows of two campaigns, and random changes of many rows in one statement."""

    def __init__(self, organization: Organization, assistant: Assistant, number: PhoneNumber, seed: int) -> None:
        self.dice, self.organization, self.number = random.Random(seed), organization, number
        self.assistants = [assistant, *Assistant.objects.exclude(pk=assistant.pk)]
        create = Campaign.objects.create
        self.campaigns = [create(organization=organization, name=n, assistant=assistant) for n in "AB"]
        self.list = ContactList.objects.create(organization=organization, name="L")
        people = [Contact(organization=organization, phone=f"+3361{seed % 10}{n:06d}") for n in range(12)]
        self.people = Contact.objects.bulk_create(people)
        self.deeds = (
            self.add_recipients, self.change_recipients, self.change_recipients, self.remove_recipients,
            self.add_calls, self.add_calls, self.end_calls, self.end_calls, self.resolve_calls, self.price_calls,
            self.change_answers, self.remove_calls, self.join, self.leave, self.tag, self.untag, self.undo,
            counters.fold,
        )  # fmt: skip

    def some(self, rows: Any) -> list[int]:
        keys = list(rows.order_by("pk").values_list("pk", flat=True))
        return self.dice.sample(keys, self.dice.randint(0, min(6, len(keys))))

    def act(self) -> str:
        deed = self.dice.choice(self.deeds)
        deed()
        return str(deed)

    def add_recipients(self) -> None:
        campaign, people = self.dice.choice(self.campaigns), self.dice.sample(self.people, 4)
        Recipient.objects.bulk_create(
            [Recipient(campaign=campaign, contact=each) for each in people], ignore_conflicts=True
        )

    def change_recipients(self) -> None:
        values = {
            "status": self.dice.choice(STATUSES),
            "reason": self.dice.choice(("", "busy", "missing_variables: slot")),
            "outcome": self.dice.choice(("", "busy")),
            "attempts": self.dice.randint(0, 2),
        }
        few = dict(self.dice.sample(sorted(values.items()), self.dice.randint(1, 4)))
        Recipient.objects.filter(pk__in=self.some(Recipient.objects.all())).update(**few)

    def remove_recipients(self) -> None:
        Recipient.objects.filter(pk__in=self.some(Recipient.objects.filter(calls=None))).delete()

    def add_calls(self) -> None:
        rows = Recipient.objects.filter(pk__in=self.some(Recipient.objects.all())).select_related("contact")
        Call.objects.bulk_create([self.a_call(row, self.dice.choice((*ENDS, *UNRESOLVED))) for row in rows])
        free = Recipient.objects.exclude(calls__status="queued")
        rows = Recipient.objects.filter(pk__in=self.some(free)).select_related("contact")
        Call.objects.bulk_create([self.a_call(row, "queued") for row in rows])

    def a_call(self, recipient: Recipient, status: str) -> Call:
        return Call(
            organization=self.organization, campaign_id=self.dice.choice((None, *[recipient.campaign_id] * 5)),
            recipient=recipient, contact=recipient.contact, to_number=recipient.contact.phone,
            account=self.number.account, assistant=self.dice.choice(self.assistants), phone_number=self.number,
            status=status, dialed_at=self.dice.choice((None, timezone.now())), answered_by=self.dice.choice(
                ("", "machine")), ended_reason=self.dice.choice(("", "voicemail")), cost_estimate=self.amount(),
        )  # fmt: skip

    def amount(self) -> Decimal | None:
        return self.dice.choice((None, Decimal(0), Decimal("0.125"), Decimal("2.5")))

    def end_calls(self) -> None:
        Call.objects.filter(pk__in=self.some(Call.objects.filter(status="queued"))).update(
            status=self.dice.choice((*ENDS, *UNRESOLVED)), dialed_at=self.dice.choice((None, timezone.now()))
        )

    def resolve_calls(self) -> None:
        keys = self.some(Call.objects.filter(status__in=UNRESOLVED))
        Call.objects.filter(pk__in=keys).update(status=self.dice.choice(ENDS), dialed_at=timezone.now())

    def price_calls(self) -> None:
        currency = self.dice.choice(("USD", "EUR"))
        Call.objects.filter(pk__in=self.some(Call.objects.all())).update(
            cost_price=self.amount(), cost_currency=currency
        )

    def change_answers(self) -> None:
        what = self.dice.choice(({"answered_by": "machine"}, {"answered_by": "human"}, {"ended_reason": ""}))
        Call.objects.filter(pk__in=self.some(Call.objects.all())).update(
            assistant=self.dice.choice(self.assistants), **what
        )

    def remove_calls(self) -> None:
        Call.objects.filter(pk__in=self.some(Call.objects.all())).delete()

    def join(self) -> None:
        people = self.dice.sample(self.people, 3)
        rows = [ContactListMember(contact_list=self.list, contact=each) for each in people]
        ContactListMember.objects.bulk_create(rows, ignore_conflicts=True)

    def leave(self) -> None:
        ContactListMember.objects.filter(pk__in=self.some(ContactListMember.objects.all())).delete()

    def tag(self) -> None:
        tags = [Tag.objects.get_or_create(organization=self.organization, name=name)[0] for name in ("VIP", "Recall")]
        rows = [ContactTag(tag=self.dice.choice(tags), contact=each) for each in self.dice.sample(self.people, 3)]
        ContactTag.objects.bulk_create(rows, ignore_conflicts=True)

    def untag(self) -> None:
        ContactTag.objects.filter(pk__in=self.some(ContactTag.objects.all())).delete()

    def undo(self) -> None:
        """Change rows in a transaction that does not commit."""
        with transaction.atomic():
            self.change_recipients()
            self.resolve_calls()
            transaction.set_rollback(True)


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 6), marks=pytest.mark.long)])
@pytest.mark.django_db
def test_any_sequence_of_changes_leaves_true_counts(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber, subtests: Any, seeds: range
) -> None:
    an_assistant(phone_number.account, name="Second")
    counting = set()
    for seed in seeds:
        with subtests.test(seed=seed):
            world, deeds = World(organization, assistant, phone_number, seed), []
            for _ in range(50):
                deeds.append(world.act())
                try:
                    counts_are_true()
                except AssertionError as error:
                    raise AssertionError(f"{error}\nafter {deeds}") from error
                counting |= {model for model, counts in true_counts().items() if counts}
    assert counting == set(true_counts()), "each table counted something"
    for model in counters.tables():
        before = kept(model)
        counters.rebuild(model)
        assert kept(model) == before, "counted anew"


@pytest.mark.django_db
def test_folding_leaves_one_row_for_a_group_and_none_for_nothing(
    organization: Organization, assistant: Assistant
) -> None:
    campaign = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    for number in range(3):
        contact = Contact.objects.create(organization=organization, phone=f"+3361234567{number}")
        Recipient.objects.create(campaign=campaign, contact=contact)
    Recipient.objects.filter(campaign=campaign).update(status="waiting")
    assert counters.fold() is False
    assert list(RecipientCount.objects.values_list("status", "recipients")) == [("waiting", 3)]
    Recipient.objects.all().delete()
    counters.fold()
    assert not RecipientCount.objects.exists()


@pytest.mark.django_db
def test_triggers_that_are_missing_are_installed_and_everything_is_counted_again(
    organization: Organization, assistant: Assistant
) -> None:
    campaign = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    trigger = next(name for name, _ in counters._triggers(RecipientCount, connection.vendor) if "insert" in name)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP FUNCTION {trigger} CASCADE" if connection.vendor == "postgresql" else f"DROP TRIGGER {trigger}"
        )
    contact = Contact.objects.create(organization=organization, phone="+33612345678")
    Recipient.objects.create(campaign=campaign, contact=contact)
    assert not RecipientCount.objects.exists(), "nobody counted"
    counters.install(RecipientCount, "default")
    counts_are_true()
    Recipient.objects.update(status="done")
    counts_are_true()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite keeps no plans")
@pytest.mark.django_db
def test_no_trigger_reads_a_table_whole() -> None:
    """Its plan lives as long as the connection, also one that was made while the table was empty."""
    with connection.cursor() as cursor:
        for model in counters.tables():
            names = [name for name, _ in counters._triggers(model, "postgresql") if "_on_truncate" not in name]
            cursor.execute("SELECT proconfig FROM pg_proc WHERE proname = ANY(%s)", [names])
            assert cursor.fetchall() == [(["enable_seqscan=off"],)] * len(names)


@pytest.mark.django_db
def test_counts_that_a_flush_left_over_are_removed(organization: Organization, assistant: Assistant) -> None:
    campaign = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    row = {"campaign": campaign, "status": "done", "recipients": -3, "tried": 0, "attempts": 0}
    RecipientCount.objects.create(**row)
    counters.install(RecipientCount, "default")
    assert not RecipientCount.objects.exists()
    contact = Contact.objects.create(organization=organization, phone="+33612345678")
    Recipient.objects.create(campaign=campaign, contact=contact)
    counters.install(RecipientCount, "default")
    assert RecipientCount.objects.get().folded is False, "nothing was counted anew"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no TRUNCATE")
def test_a_truncated_table_leaves_no_counts(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    world = World(organization, assistant, phone_number, 1)
    for _ in range(4):
        world.add_recipients()
        world.add_calls()
        world.end_calls()
    assert kept(RecipientCount)
    assert kept(PersonCount)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_recipient CASCADE")  # the calls as well
    assert not Call.objects.exists()
    counts_are_true()


@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL counts once for a statement")
@pytest.mark.parametrize("row", ["OLD", "NEW"])
def test_a_row_trigger_reads_the_other_rows_of_its_member_alone(row: str) -> None:
    """Else a change of all calls of a campaign reads each of them for each of them."""
    one = Call(campaign_id=1, assistant_id=2, recipient_id=3, status="busy", answered_by="", ended_reason="", pk=4)
    query = re.sub(rf"\b{row}\.(\w+)", lambda column: f"'{getattr(one, column[1])}'", PersonCount.counted.of_row(row))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        plan = [step for *_, step in cursor.fetchall() if step.startswith(("SEARCH r ", "SCAN r"))]
    assert len(plan) == 3, "who decides before the row, with it and without it"
    assert all("(recipient_id=?)" in step for step in plan), plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_two_calls_of_one_recipient_that_end_at_once_count_it_once(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    """Without the lock each transaction takes itself for the first, and the recipient counts twice."""
    world = World(organization, assistant, phone_number, 1)
    recipient = Recipient.objects.create(campaign=world.campaigns[0], contact=world.people[0])
    calls = [world.a_call(recipient, "unknown") for _ in range(2)]
    for call in calls:
        call.campaign, call.assistant = world.campaigns[0], assistant
        call.save()
    second = threading.Thread(target=_end, args=(calls[1].pk,))
    with transaction.atomic():
        Call.objects.filter(pk=calls[0].pk).update(status="busy", dialed_at=timezone.now())
        second.start()
        _wait_for_a_lock(second)
    second.join()
    counts_are_true()
    assert kept(PersonCount) == {(world.campaigns[0].pk, assistant.pk): (1, 0)}


def _end(pk: int) -> None:
    try:
        Call.objects.filter(pk=pk).update(status="failed", dialed_at=timezone.now())
    finally:
        connection.close()


def _wait_for_a_lock(thread: threading.Thread) -> None:
    """Return when another session waits for a lock, or the thread has ended without waiting."""
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return

"""An edit reaches who waits: whatever a decision depends on, its change makes the engine decide again at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection, models, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.actions import scheduled_callbacks
from calls.dialing import enqueueing, placing, reassessing
from calls.gate import facts as fact_sheet
from calls.gate import inputs
from calls.gate.capacity import room_of_numbers
from calls.gate.checks import CheckName
from calls.gate.selection import Choices
from calls.models import OPEN, Call, CallBack, ContactChange, Status
from calls.outcomes import recipient_progress
from calls.outcomes.units import Alone
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import CallingWindow, Campaign, CampaignVariant, Contact, Recipient, RetryRule
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization, Tenant
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.conftest import examples, undone
from tests.waiting import PATIENCE

connection = connection  # named in a condition below

S = Recipient.Status
NOW = datetime(2026, 12, 9, 17, tzinfo=UTC)  # a Wednesday, noon in New York
NUMBERS = [f"+1212555{n:04d}" for n in range(150, 155)]
DAYS = support.EVERY_DAY
ALWAYS, MORNING, EVENING, THURSDAY = (DAYS, 0, 1440), (DAYS, 480, 660), (DAYS, 1020, 1200), (["thu"], 600, 900)


@dataclass(frozen=True)
class World:
    """Everything that decisions of one campaign depend on and that somebody can edit."""

    gap: int = 0
    own_gap: int | None = None
    per_day: int = 100
    per_30_days: int | None = None
    countries: tuple[str, ...] = ("US",)
    day_budget: Decimal | None = None
    holds_campaigns: bool = True
    zone: str = ""
    window: tuple[list[str], int, int] = ALWAYS
    holidays: tuple[str, ...] = ()
    override: str = "test"
    most: int = 3
    budget: Decimal | None = None
    ends_at: datetime | None = None
    busy_wait: int | None = 60
    no_answer_wait: int | None = 1440
    other_part: bool = False
    account_budget: Decimal | None = None
    assistant_on: bool = True
    variant: bool = False
    numbers_on: tuple[bool, bool] = (True, True)
    number_caps: tuple[int | None, int | None] = (None, None)
    zones: tuple[str, ...] = ("",) * 5
    holds: tuple[datetime | bool, ...] = (False,) * 5  # False, True (until lifted), or the end
    listed: tuple[bool, ...] = (False,) * 5
    promised: tuple[bool, ...] = (False,) * 5  # by another campaign


NOBODY = (False,) * 5


def five(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*[values] * 5)


money = st.sampled_from([None, Decimal("0.01"), Decimal(1000)])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "gap": st.sampled_from([0, 60, 600, 3000]),
    "own_gap": st.sampled_from([None, 0, 200, 2000]),
    "per_day": st.sampled_from([1, 2, 100]),
    "per_30_days": st.sampled_from([None, 1, 3]),
    "countries": st.sampled_from([("US",), ("CA",)]),
    "day_budget": money,
    "holds_campaigns": st.booleans(),
    "zone": st.sampled_from(["", "Asia/Tokyo"]),
    "window": st.sampled_from([ALWAYS, MORNING, EVENING, THURSDAY]),
    "holidays": st.sampled_from([(), ("2026-12-09",), ("2026-12-09", "2026-12-10")]),
    "override": st.sampled_from(["", "test"]),
    "most": st.integers(1, 3),
    "budget": money,
    "ends_at": st.sampled_from([None, NOW + timedelta(hours=3), NOW + timedelta(days=60)]),
    "busy_wait": st.sampled_from([None, 0, 60, 4000]),
    "no_answer_wait": st.sampled_from([None, 0, 60, 4000]),
    "other_part": st.booleans(),
    "account_budget": money,
    "assistant_on": st.booleans(),
    "variant": st.booleans(),
    "numbers_on": st.tuples(st.booleans(), st.booleans()),
    "number_caps": st.tuples(st.sampled_from([None, 1]), st.sampled_from([None, 1])),
    "zones": five(st.sampled_from(["", "America/New_York", "America/Los_Angeles", "Asia/Tokyo"])),
    "holds": five(st.sampled_from([False, True, NOW + timedelta(hours=2), NOW + timedelta(days=2)])),
    "listed": five(st.booleans()),
    "promised": five(st.booleans()),
}
worlds = st.builds(World, **VALUES)


class Played:
    """A running campaign in a world. Its second and third contacts were called before, the fourth by another one."""

    def __init__(self) -> None:
        tenant = Tenant.objects.create(name="T")
        self.organization = Organization.objects.create(
            tenant=tenant, name="O", default_region="US", timezone="America/New_York"
        )
        first = support.reach(self.organization, "http://127.0.0.1:9", "allomia", price_per_minute=Decimal("0.1"))
        self.account = first.account
        second = PhoneNumber.objects.create(
            organization=self.organization, account=self.account, e164="+16465550101", external_id="x"
        )
        self.numbers = (first, second)
        self.assistant = self.account.assistants.get()
        people = support.people(self.organization, NUMBERS)
        self.campaign = support.campaign(first, people, status="running", started_at=NOW, max_attempts=3)
        self.campaign.phone_numbers.add(second)
        self.other = support.campaign(first, people, status="running", started_at=NOW)
        for campaign in (self.campaign, self.other):
            assert launching.step(campaign.pk)
        self.contacts = list(self.organization.contacts.order_by("pk"))
        # Both numbers have been used, so that a cap of one call holds everybody back, in whatever order they are asked.
        self.calls = [support.single(self.numbers[place % 2], self.contacts[place].phone) for place in (1, 2, 3)]
        self.spare = Assistant.objects.create(
            organization=self.organization, account=self.account, name="B", **support.ASSISTANTS["allomia"]
        )
        # The other campaign makes promises and calls nobody else.
        self.other.recipients.update(status=S.WITHDRAWN, next_attempt_at=None)

    def begin(self, world: World) -> Played:
        """Make the world so before anything was decided, with the calls of the last day."""
        self.become(world, replace(world, listed=NOBODY, promised=NOBODY))
        self._called()
        return self

    def become(self, world: World, before: World) -> None:
        """Edit whatever differs, as pages, programs and SQL do: by saving, by bulk updates, by deleting rows."""
        self._become_rules(world)
        self._become_lines(world)
        for place, contact in enumerate(self.contacts):
            hold = world.holds[place]
            contact.timezone, contact.on_hold = world.zones[place], bool(hold)
            contact.hold_until = hold if isinstance(hold, datetime) else None
            contact.save()
            if world.listed[place] and not before.listed[place]:
                entries.add(self.organization, contact.phone, source="staff")
            if world.promised[place] != before.promised[place]:
                self._promise(contact, wanted=world.promised[place])

    def _become_rules(self, world: World) -> None:
        Organization.objects.filter(pk=self.organization.pk).update(
            min_gap_minutes=world.gap,
            max_attempts_per_day=world.per_day,
            max_attempts_per_30_days=world.per_30_days,
            allowed_countries=list(world.countries),
            daily_budget=world.day_budget,
            callbacks_hold_campaigns=world.holds_campaigns,
        )
        campaign = Campaign.objects.get(pk=self.campaign.pk)
        campaign.timezone, campaign.holidays, campaign.legal_override = world.zone, list(world.holidays), world.override
        campaign.max_attempts, campaign.min_gap_minutes = world.most, world.own_gap
        campaign.budget, campaign.ends_at = world.budget, world.ends_at
        campaign.save()
        days, opens, closes = world.window
        campaign.windows.update(days=days, opens=opens, closes=closes)
        campaign.retry_rules.all().delete()
        for outcome, wait in (("busy", world.busy_wait), ("no_answer", world.no_answer_wait)):
            if wait is not None:
                RetryRule.objects.create(
                    campaign=campaign, outcome=outcome, wait_minutes=wait, other_time_of_day=world.other_part
                )

    def _become_lines(self, world: World) -> None:
        ProviderAccount.objects.filter(pk=self.account.pk).update(daily_budget=world.account_budget)
        Assistant.objects.filter(pk=self.assistant.pk).update(is_active=world.assistant_on)
        for number, on, cap in zip(self.numbers, world.numbers_on, world.number_caps, strict=True):
            PhoneNumber.objects.filter(pk=number.pk).update(is_active=on, max_calls_per_day=cap)
        self.campaign.variants.all().delete()
        if world.variant:
            CampaignVariant.objects.create(campaign=self.campaign, assistant=self.spare, weight=0)

    def _promise(self, contact: Contact, *, wanted: bool) -> None:
        if not wanted:
            CallBack.objects.filter(contact=contact).update(status=CallBack.Status.CANCELED)
        else:
            at, recipient = NOW + timedelta(hours=5), self.other.recipients.get(contact=contact)
            CallBack.objects.create(
                organization=self.organization,
                contact=contact,
                recipient=recipient,
                due_at=at,
                latest_at=at + timedelta(hours=1),
            )

    def _called(self) -> None:
        for call, campaign, status, hours in zip(
            self.calls,
            (self.campaign, self.campaign, self.other),
            (Status.BUSY, Status.NO_ANSWER, Status.COMPLETED),
            (3, 20, 2),
            strict=True,
        ):
            at = NOW - timedelta(hours=hours)
            recipient = campaign.recipients.get(contact=call.contact_id)
            Call.objects.filter(pk=call.pk).update(
                campaign=campaign,
                recipient=recipient,
                status=status,
                dialed_at=at,
                ended_at=at,
                terminal_at=at,
                cost_price=Decimal(1),
                cost_currency="USD",
            )
            if campaign == self.campaign:
                Recipient.objects.filter(pk=recipient.pk).update(attempts=1)
                recipient_progress.move_on(Alone(), Call.objects.get(pk=call.pk), at)

    def waiting(self) -> dict[str, Recipient]:
        found = self.campaign.recipients.exclude(status__in=(S.DONE, S.SKIPPED)).select_related("contact")
        return {recipient.contact.phone: recipient for recipient in found}

    def usable(self, now: datetime) -> bool:
        return bool(self._choices(now).usable)

    def has_room(self, now: datetime) -> bool:
        return room_of_numbers(self._choices(now), now).now > 0

    def _choices(self, now: datetime) -> Choices:
        return Choices(Campaign.objects.get(pk=self.campaign.pk), now)

    def ask_everybody(self, now: datetime) -> None:
        self.campaign.recipients.filter(status__in=Recipient.WAITING_STATUSES).update(next_attempt_at=now)

    def call(self, now: datetime) -> None:
        """Enqueue and claim what may be called now. Nothing is sent."""
        for _ in range(2):
            enqueueing.reroute(now)
            enqueueing.feed(self.campaign.pk)
            placing.claim(self.account.pk)

    def state(self, now: datetime) -> dict[str, tuple[str, ...]]:
        """What is decided about each contact: dialled, over, or waiting until when and for what."""
        found: dict[str, tuple[str, ...]] = {}
        for recipient in self.campaign.recipients.select_related("contact"):
            call = recipient.calls.exclude(status__in=(Status.CANCELED, Status.BUSY, Status.NO_ANSWER)).first()
            if recipient.status in (S.DONE, S.SKIPPED):
                found[recipient.contact.phone] = ("over",)
            elif call and call.status in OPEN:
                found[recipient.contact.phone] = ("dialled",)
            else:
                until, reason = recipient.next_attempt_at, recipient.reason
                if call:
                    until, reason = call.due_at, call.status_reason
                check = CheckName.of(reason) or CheckName.RETRY_WAIT
                is_due = until is None or until <= now  # the gate is asked when there is room
                found[recipient.contact.phone] = ("due",) if is_due else ("waits", check, str(until))
        return found


def due_at(recipient: Recipient) -> datetime:
    assert recipient.next_attempt_at is not None
    return recipient.next_attempt_at


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, db: None) -> Played:
    """A world that each example edits and then undoes. A claim runs inside the transaction that is undone."""
    atomic = transaction.atomic

    def plain(using: Any = None, savepoint: bool = True, durable: bool = False) -> Any:
        return atomic(using, savepoint)

    monkeypatch.setattr(transaction, "atomic", plain)
    with time_machine.travel(NOW, tick=False):
        return Played()


def decided_from_the_start(played: Played, world: World, now: datetime) -> dict[str, tuple[str, ...]]:
    with undone():
        played.begin(world)
        played.ask_everybody(now)
        played.call(now)
        return played.state(now)


@pytest.mark.hypothesis
@examples(4)
@given(
    before=worlds, after=worlds, edited=st.sets(st.sampled_from(sorted(VALUES)), min_size=1), minutes=st.integers(0, 90)
)
def test_after_one_look_all_is_decided_as_if_it_had_been_so_from_the_start(
    played: Played, before: World, after: World, edited: set[str], minutes: int
) -> None:
    after = replace(before, **{name: getattr(after, name) for name in edited})
    # A listed number stays listed, and a call that was refused for it is over.
    after = replace(after, listed=tuple(a or b for a, b in zip(before.listed, after.listed, strict=True)))
    later = NOW + timedelta(minutes=minutes)
    with undone():
        with time_machine.travel(NOW, tick=False):
            played.begin(before)
            support.look()
            played.ask_everybody(NOW)
            enqueueing.feed(played.campaign.pk)
        waited = set(played.waiting())
        with time_machine.travel(later, tick=False):
            played.become(after, before)
            support.look()
            played.call(later)
            found = {phone: played.state(later)[phone] for phone in waited}
            usable, has_room = played.usable(later), played.has_room(later)
    with time_machine.travel(later, tick=False):
        expected = {
            phone: state for phone, state in decided_from_the_start(played, after, later).items() if phone in waited
        }
    if not usable:  # nobody is asked about until something can call: nobody is dialled, and nobody is over
        assert {state[0] for state in found.values()} <= {"waits", "due"}
        return
    if not has_room:  # who is due is asked when there is room again
        assert "dialled" not in {state[0] for state in found.values()}
        found = {phone: state for phone, state in found.items() if state != ("due",)}
        expected = {phone: expected[phone] for phone in found if expected[phone] != ("due",)}
        found = {phone: found[phone] for phone in expected}
    assert found == expected, f"{before!r}\n{after!r}"


# What many calls share: every column of every table counts, but those that the engine writes.


def rows(played: Played) -> dict[type[models.Model], int]:
    return {
        Organization: played.organization.pk,
        ProviderAccount: played.account.pk,
        Assistant: played.assistant.pk,
        PhoneNumber: played.numbers[0].pk,
        Campaign: played.campaign.pk,
        CallingWindow: played.campaign.windows.get().pk,
        RetryRule: played.campaign.retry_rules.order_by("pk")[0].pk,
        CampaignVariant: played.campaign.variants.get().pk,
    }


def another(field: models.Field[Any, Any], value: Any) -> Any:
    """Return another value for a column."""
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.DecimalField):
        return (value or Decimal(0)) + Decimal("0.5")
    if isinstance(field, models.DateTimeField):
        return (value or NOW) + timedelta(days=1)
    if isinstance(field, models.JSONField):
        return [*value, "x"] if isinstance(value, list) else {**(value or {}), "x": "y"}
    if isinstance(field, models.IntegerField):
        return (value or 0) + 1
    return "ZZ" if field.max_length == 2 else "zz"


def test_every_column_that_is_not_the_engines_own_is_noticed(played: Played) -> None:
    with time_machine.travel(NOW, tick=False):
        played.begin(World(variant=True))
        support.look()
        noticed = 0
        for model, pk in rows(played).items():
            for field in model._meta.concrete_fields:
                if field.attname not in inputs.columns(model) or field.is_relation or field.primary_key:
                    continue
                row = model._default_manager.filter(pk=pk)
                row.update(**{field.attname: another(field, row.values_list(field.attname, flat=True).get())})
                reassessing.notice_edits()
                marked = Campaign.objects.filter(pk=played.campaign.pk, look_again_after=0)
                assert marked.update(look_again_after=None), f"{model._meta.label}.{field.attname}"
                noticed += 1
    assert noticed > 50
    assert all(
        name in {field.name for field in model._meta.get_fields()}
        for model in inputs.ENGINE
        for name in inputs.ENGINE[model]
    ), "a column that is ignored does not exist"


def test_rows_that_come_and_go_are_noticed(played: Played) -> None:
    def noticed(edit: Callable[[], Any]) -> bool:
        edit()
        reassessing.notice_edits()
        return bool(Campaign.objects.filter(pk=played.campaign.pk, look_again_after=0).update(look_again_after=None))

    with time_machine.travel(NOW, tick=False):
        played.begin(World())
        support.look()
        assert not noticed(lambda: None)
        assert noticed(lambda: CallingWindow.objects.create(campaign=played.campaign, days=DAYS, opens=5, closes=9))
        assert noticed(lambda: played.campaign.windows.all().delete())
        assert noticed(lambda: played.campaign.retry_rules.all().delete())
        assert noticed(lambda: played.campaign.phone_numbers.remove(played.numbers[1]))
        assert noticed(lambda: CampaignVariant.objects.create(campaign=played.campaign, assistant=played.spare))
        assert not noticed(lambda: None)


def test_what_the_engine_writes_is_no_edit(played: Played) -> None:
    with time_machine.travel(NOW, tick=False):
        played.begin(World())
        support.look()
        played.call(NOW)
        assert Call.objects.open().exists()
        reassessing.notice_edits()
    assert reassessing.campaigns_to_reassess() == []


# What belongs to one contact: the database records it, whoever writes it and however.


@pytest.fixture
def held_back(running: Campaign) -> Recipient:
    """A recipient who waits for tomorrow."""
    support.look()
    running.recipients.update(next_attempt_at=timezone.now() + timedelta(days=1), reason=CheckName.CALLING_HOURS)
    ContactChange.objects.all().delete()
    return running.recipients.select_related("contact").get()


EDITS: dict[str, Callable[[Contact], Any]] = {
    "saved": lambda contact: _saved(contact, timezone="America/Denver"),
    "bulk update": lambda contact: Contact.objects.update(on_hold=True),
    "SQL": lambda contact: _sql("UPDATE campaigns_contact SET language = 'fr'"),
    "variables": lambda contact: _saved(contact, variables={"slot": "9"}),
    "end of a hold": lambda contact: Contact.objects.update(hold_until=NOW),
    "do-not-call list": lambda contact: entries.add(contact.organization, contact.phone, source="staff"),
    "do-not-call file": lambda contact: entries.add_many(contact.organization, [contact.phone], reason="", source="f"),
}


def _saved(contact: Contact, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(contact, name, value)
    contact.save()


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("edit", EDITS)
def test_a_change_of_a_contact_is_recorded_and_decided_about(held_back: Recipient, edit: str) -> None:
    EDITS[edit](held_back.contact)
    assert [change.contact_id for change in ContactChange.objects.all()] == [held_back.contact_id]
    assert reassessing.reassess_contacts()
    assert not ContactChange.objects.exists()
    held_back.refresh_from_db()
    assert held_back.reason != CheckName.CALLING_HOURS or due_at(held_back) <= timezone.now()


def test_a_contact_for_whom_nothing_waits_is_not_recorded(organization: Organization) -> None:
    contact = Contact.objects.create(organization=organization, phone="+12125550199")
    _saved(contact, timezone="America/Denver")
    entries.add(organization, contact.phone, source="staff")
    assert not ContactChange.objects.exists()


def test_a_save_that_changes_nothing_is_not_recorded(held_back: Recipient) -> None:
    _saved(held_back.contact, consent_basis="form")
    assert not ContactChange.objects.exists()


def test_a_corrected_time_zone_counts_at_once(running: Campaign) -> None:
    """A New York number whose contact is in Los Angeles may be called from nine there."""
    morning = datetime(2026, 12, 9, 13, tzinfo=UTC)  # eight in New York, five in Los Angeles
    Campaign.objects.update(legal_override="", timezone="")
    running.windows.update(opens=9 * 60, closes=20 * 60)
    running.recipients.update(next_attempt_at=morning)
    Contact.objects.update(timezone="America/Los_Angeles")
    with time_machine.travel(morning, tick=False):
        support.look()
        assert enqueueing.feed(running.pk) == 0
        assert running.recipients.get().next_attempt_at == morning + timedelta(hours=4)
    with time_machine.travel(morning + timedelta(hours=2), tick=False):
        Contact.objects.update(timezone="")
        support.look()
        assert enqueueing.feed(running.pk) == 1


def test_a_queued_call_is_decided_about_again(number: PhoneNumber) -> None:
    call = support.single(number, "+12125550150")
    tomorrow = timezone.now() + timedelta(days=1)
    Call.objects.update(due_at=tomorrow, status_reason=CheckName.ORGANIZATION_BUDGET)
    support.look()
    Call.objects.update(due_at=tomorrow)
    support.look()
    call.refresh_from_db()
    assert call.due_at == tomorrow, "nothing was edited"
    Organization.objects.update(daily_budget=5)
    support.look()
    call.refresh_from_db()
    assert call.due_at <= timezone.now()


# How it goes on: in parts, under the campaign's lock, and not while nothing can be called.


def test_many_recipients_are_decided_about_in_parts(running: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassessing, "AT_ONCE", 3)
    later = timezone.now() + timedelta(days=1)
    made = Contact.objects.bulk_create(
        Contact(organization=running.organization, phone=f"+1212555{n:04}") for n in range(7)
    )
    support.look()
    Recipient.objects.bulk_create(
        Recipient(campaign=running, contact=row, reason="calling_hours", next_attempt_at=later) for row in made
    )
    Campaign.objects.update(holidays=["2030-01-01"])
    reassessing.notice_edits()
    assert [reassessing.reassess(running.pk) for _ in range(3)] == [False, False, True]
    assert not running.recipients.filter(next_attempt_at__gt=timezone.now()).exists()
    Contact.objects.update(language="fr")
    assert [reassessing.reassess_contacts() for _ in range(3)] == [False, False, True]


def test_an_edit_meanwhile_begins_anew(running: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassessing, "AT_ONCE", 1)
    support.look()
    running.recipients.update(next_attempt_at=timezone.now() + timedelta(days=1))
    Campaign.objects.update(holidays=["2030-01-01"])
    reassessing.notice_edits()
    assert not reassessing.reassess(running.pk)
    Campaign.objects.update(holidays=[])
    reassessing.notice_edits()
    assert reassessing.campaigns_to_reassess() == [running.pk]
    running.recipients.update(next_attempt_at=timezone.now() + timedelta(days=1))
    support.look()
    assert due_at(running.recipients.get()) <= timezone.now()


@pytest.mark.parametrize("column", ["is_active", "calls_stopped"])
def test_nobody_is_put_off_because_all_calls_are_stopped(held_back: Recipient, column: str) -> None:
    before = held_back.next_attempt_at
    Organization.objects.update(**{column: column == "calls_stopped"})
    support.look()
    held_back.refresh_from_db()
    assert (held_back.reason, held_back.next_attempt_at) == (CheckName.CALLING_HOURS, before)
    Organization.objects.update(**{column: column != "calls_stopped"})
    support.look()
    held_back.refresh_from_db()
    assert due_at(held_back) <= timezone.now()


def test_a_paused_campaign_is_decided_about_when_it_goes_on(held_back: Recipient) -> None:
    Campaign.objects.update(status=Campaign.Status.PAUSED)
    Organization.objects.update(min_gap_minutes=5)
    support.look()
    held_back.refresh_from_db()
    assert due_at(held_back) > timezone.now()
    Campaign.objects.update(status=Campaign.Status.RUNNING)
    support.look()
    held_back.refresh_from_db()
    assert due_at(held_back) <= timezone.now()


def test_a_retry_is_never_brought_forward(running: Campaign) -> None:
    """It waits for its rule, whatever else is edited."""
    RetryRule.objects.update(wait_minutes=600, max_attempts=3)
    enqueueing.feed(running.pk)
    assert placing.claim(running.phone_numbers.get().account_id)
    Call.objects.update(status=Status.BUSY, ended_at=timezone.now(), terminal_at=timezone.now())
    running.recipients.update(status=S.WAITING, reason="busy", next_attempt_at=timezone.now() + timedelta(minutes=600))
    for edit in ({"holidays": ["2030-01-01"]}, {"min_gap_minutes": 3}, {"timezone": "Europe/Paris"}):
        Campaign.objects.update(**edit)
        support.look()
        row = running.recipients.get()
        assert (row.reason, due_at(row) > timezone.now() + timedelta(minutes=590)) == ("busy", True), edit
    RetryRule.objects.update(wait_minutes=0)
    Campaign.objects.update(min_gap_minutes=0)
    support.look()
    assert due_at(running.recipients.get()) <= timezone.now()
    RetryRule.objects.all().delete()
    running.recipients.update(next_attempt_at=timezone.now() + timedelta(minutes=5))
    support.look()
    assert running.recipients.get().status == S.DONE, "no rule allows another call"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
@pytest.mark.parametrize("edit", ["organization", "contact"])
def test_a_step_that_decides_by_the_old_inputs_is_waited_for(
    running: Campaign, monkeypatch: pytest.MonkeyPatch, edit: str
) -> None:
    """Else the recipient would wait until tomorrow for what was lifted now."""
    support.look()
    Contact.objects.update(on_hold=True, hold_until=timezone.now() + timedelta(days=1))
    ContactChange.objects.all().delete()
    running.recipients.update(next_attempt_at=timezone.now())
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        feeding = Beside(lambda: enqueueing.feed(running.pk))
        assert reached.wait(PATIENCE)
        Contact.objects.update(on_hold=False)
        if edit == "organization":
            ContactChange.objects.all().delete()
            Organization.objects.update(min_gap_minutes=7)
        looking = Beside(support.look)
        assert looking.waits_for_a_lock(), "the look must wait for the step"
        go_on.set()
        assert feeding.join() == 0
        looking.join()
    assert due_at(running.recipients.get()) <= timezone.now()
    assert enqueueing.feed(running.pk) == 1


# One person, one promise.


@pytest.fixture
def promised(running: Campaign, number: PhoneNumber) -> CallBack:
    """A callback in an hour, promised by another campaign to the contact of `running`."""
    other = support.campaign(number, running.contact_lists.get())
    Campaign.objects.filter(pk=other.pk).update(status="running", launched_at=timezone.now())
    contact = running.recipients.get().contact
    recipient = Recipient.objects.create(campaign=other, contact=contact, next_attempt_at=timezone.now())
    return scheduled_callbacks.schedule(recipient, timezone.now() + timedelta(hours=1), actor="ada")


def test_a_scheduled_callback_holds_every_other_campaign(running: Campaign, promised: CallBack) -> None:
    running.recipients.update(next_attempt_at=timezone.now())
    assert enqueueing.feed(running.pk) == 0
    waiting = running.recipients.get()
    assert (waiting.reason, waiting.next_attempt_at) == (CheckName.SCHEDULED_CALLBACK, promised.latest_at)
    scheduled_callbacks.cancel(promised, actor="ada")
    support.look()
    assert enqueueing.feed(running.pk) == 1


def test_a_call_that_is_queued_already_waits_for_the_callback(
    running: Campaign, number: PhoneNumber, request: pytest.FixtureRequest
) -> None:
    assert enqueueing.feed(running.pk) == 1
    request.getfixturevalue("promised")
    assert placing.claim(number.account_id) == []
    assert running.calls.get().status_reason == CheckName.SCHEDULED_CALLBACK


def test_the_promised_call_itself_goes_out(running: Campaign, promised: CallBack, number: PhoneNumber) -> None:
    with time_machine.travel(promised.due_at + timedelta(seconds=1), tick=False):
        scheduled_callbacks.step(timezone.now())
        enqueueing.feed(running.pk)
        claimed = placing.claim(number.account_id)
        assert [claim.call.campaign_id for claim in claimed] == [promised.recipient.campaign_id]


def test_an_organization_can_choose_to_call_before_the_callback(running: Campaign, promised: CallBack) -> None:
    running.recipients.update(next_attempt_at=timezone.now())
    assert enqueueing.feed(running.pk) == 0
    Organization.objects.update(callbacks_hold_campaigns=False)
    support.look()
    assert enqueueing.feed(running.pk) == 1


def test_a_call_that_a_person_orders_is_not_held(promised: CallBack, number: PhoneNumber) -> None:
    support.single(number, promised.contact.phone)
    assert len(placing.claim(number.account_id)) == 1

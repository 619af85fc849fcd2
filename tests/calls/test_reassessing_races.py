"""Reassessing beside claims, among edits that never end, and after an interruption; and what a queued call copied."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from calls.actions import campaign_edits, scheduled_callbacks
from calls.dialing import enqueueing, placing, reassessing
from calls.engine.control import Control
from calls.engine.leader import Leadership
from calls.engine.upkeep import Upkeep
from calls.gate.checks import CheckName
from calls.models import Call, CallBack, Status
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.sizes import one_in
from tests.waiting import PATIENCE

connection = connection  # named in a condition below

A_DAY = timedelta(days=1)


def put_off(**fields: Any) -> Call:
    """Return the only call, queued and deferred until tomorrow."""
    Call.objects.update(due_at=timezone.now() + A_DAY, status_reason=CheckName.CALLING_HOURS, **fields)
    return Call.objects.get()


@pytest.fixture
def queued(running: Campaign) -> Call:
    """A queued call of a campaign whose inputs the engine has seen. It waits until tomorrow."""
    Contact.objects.update(name="Ada", variables={"slot": "9:30"})
    Assistant.objects.update(variables=[{"name": "slot", "required": True}])
    support.look()
    assert enqueueing.feed(running.pk) == 1
    return put_off()


# Beside a claim.


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
def test_a_claim_and_the_look_after_an_edit_never_wait_for_each_other(
    queued: Call, running: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim locks calls, then their campaigns. PostgreSQL ends one of two that wait for each other."""
    with campaign_edits.edit(running, actor="ada") as edited:
        edited.max_attempts = 2
        edited.save()
    Call.objects.update(due_at=timezone.now())
    with held(monkeypatch, placing, "_lock_contacts", after=False) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(queued.account_id))
        assert reached.wait(PATIENCE)
        looking = Beside(support.look)
        looking.waits_for_a_lock()
        go_on.set()
        assert len(claiming.join()) == 1
        looking.join()
    assert list(Call.objects.values_list("status", flat=True)) == [Status.PLACING]


# Edits that never end.


@pytest.fixture
def eleven(running: Campaign) -> list[int]:
    """The keys of eleven recipients who wait until tomorrow."""
    running.recipients.all().delete()
    support.look()
    made = Contact.objects.bulk_create(
        Contact(organization=running.organization, phone=f"+1212555{number:04}") for number in range(200, 211)
    )
    later = timezone.now() + A_DAY
    Recipient.objects.bulk_create(
        Recipient(campaign=running, contact=contact, reason="on_hold", next_attempt_at=later) for contact in made
    )
    return list(running.recipients.order_by("pk").values_list("pk", flat=True))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The keys of the recipients that are decided about, in order. The decision itself is left out."""
    found: list[int] = []
    monkeypatch.setattr(
        reassessing, "_decide_again", lambda _campaign, part, _now: found.extend(each.pk for each in part)
    )
    return found


def edit() -> None:
    Campaign.objects.update(max_attempts=F("max_attempts") + 1)
    reassessing.notice_edits()


@pytest.mark.parametrize("at_once", one_in(12, range(1, 13)))
def test_after_the_last_edit_everybody_is_decided_about_once(
    running: Campaign,
    eleven: list[int],
    seen: list[int],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(reassessing, "AT_ONCE", at_once)
    dice = random.Random(at_once)
    for parts in (dice.choices(range(7), k=4) for _ in range(8)):
        for done in parts:
            edit()
            for _ in range(done):
                reassessing.reassess(running.pk)
        edit()
        seen.clear()
        for _ in range(2 * len(eleven) + 2):
            if reassessing.reassess(running.pk):
                break
        assert sorted(seen) == eleven, parts
        assert reassessing.campaigns_to_reassess() == []


def test_the_last_recipient_is_reached_however_often_something_is_edited(
    running: Campaign, eleven: list[int], seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reassessing, "AT_ONCE", 2)
    for _ in range(12):
        edit()
        reassessing.reassess(running.pk)
    assert set(seen) == set(eleven)
    assert max(seen.count(pk) for pk in eleven) - min(seen.count(pk) for pk in eleven) <= 1


def test_a_large_campaign_delays_neither_an_edit_nor_a_small_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def note(name: str, answer: Any) -> Callable[..., Any]:
        def work(*args: Any) -> Any:
            done.append(" ".join([name, *map(str, args)]))
            return answer

        return work

    monkeypatch.setattr(reassessing, "notice_edits", note("notice", None))
    monkeypatch.setattr(reassessing, "reassess_contacts", note("contacts", True))
    monkeypatch.setattr(reassessing, "campaigns_to_reassess", lambda: [1, 2])
    monkeypatch.setattr(reassessing, "reassess", lambda pk: note("campaign", pk == 2)(pk))  # the first is never done
    control = Control()
    control.confirm(time.monotonic())

    async def at_once(work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    upkeep = Upkeep(control, Leadership("upkeep", "worker"), at_once)
    assert asyncio.run(upkeep.reassess_recipients()), "it goes on without a pause"
    assert done == ["notice", "contacts", "campaign 1", "campaign 2"]


# An engine that dies between two steps.


EDITS: dict[str, Callable[[], Any]] = {
    "organization": lambda: Organization.objects.update(min_gap_minutes=9),
    "campaign": lambda: Campaign.objects.update(holidays=["2030-01-01"]),
    "contact": lambda: Contact.objects.update(language="fr"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_interrupted_look_is_made_again(
    number: PhoneNumber, running: Campaign, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    support.look()
    enqueueing.feed(running.pk)
    put_off()
    EDITS[name]()

    def dies(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(reassessing, "_wake_calls", dies)
        with pytest.raises(SystemExit):
            support.look()
    support.look()
    assert not Call.objects.filter(due_at__gt=timezone.now()).exists()


# What was copied into a queued call.


def _appointment(**fields: Any) -> None:
    contact = Contact.objects.get()
    for name, value in fields.items():
        setattr(contact, name, value)
    contact.save()


COPIED: dict[str, tuple[Callable[[], Any], str, Any]] = {
    "variables": (lambda: _appointment(variables={"slot": "11:00"}), "dynamic_variables", {"slot": "11:00"}),
    "name": (lambda: _appointment(name="Ada Lovelace"), "customer_name", "Ada Lovelace"),
    "declared": (
        lambda: Assistant.objects.update(variables=[{"name": "first_name", "required": False}]),
        "dynamic_variables",
        {},
    ),
    "campaign's": (
        lambda: Campaign.objects.update(variables={"slot": "noon"}),
        "dynamic_variables",
        {"slot": "noon"},
    ),
    "caller number": (lambda: PhoneNumber.objects.update(e164="+16465550199"), "from_number", "+16465550199"),
    "webhook": (
        lambda: Campaign.objects.update(callback_url="https://new.example.com/"),
        "callback_url",
        "https://new.example.com/",
    ),
}


@pytest.mark.parametrize("name", COPIED)
def test_a_call_goes_out_with_the_values_of_now(queued: Call, running: Campaign, name: str) -> None:
    change, column, value = COPIED[name]
    change()
    support.look()
    enqueueing.feed(running.pk)
    [claim] = placing.claim(queued.account_id)
    assert getattr(claim.call, column) == value


def test_a_scheduled_callback_goes_out_with_the_values_of_now(queued: Call, running: Campaign) -> None:
    recipient = running.recipients.get()
    at = timezone.now() + timedelta(hours=1)
    promise = scheduled_callbacks.schedule(recipient, at, actor="ada")
    CallBack.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert scheduled_callbacks.step(timezone.now()) == 1
    _appointment(variables={"slot": "11:00"})
    support.look()
    promise.refresh_from_db()
    assert promise.call and promise.call.dynamic_variables == {"slot": "11:00"}
    [claim] = placing.claim(queued.account_id)
    assert claim.call.pk == promise.call.pk


def test_a_contact_without_a_required_value_any_more_is_not_called(queued: Call, running: Campaign) -> None:
    _appointment(variables={})
    support.look()
    assert enqueueing.feed(running.pk) == 0
    assert placing.claim(queued.account_id) == []
    recipient = running.recipients.get()
    assert (recipient.status, recipient.reason) == (Recipient.Status.SKIPPED, "missing_variables: slot")


def test_what_a_single_call_was_ordered_with_stays(number: PhoneNumber) -> None:
    support.single(number, "+12125550150", customer_name="Given", dynamic_variables={"slot": "8"})
    put_off()
    _appointment(name="Ada", variables={"slot": "9"})
    support.look()
    [claim] = placing.claim(number.account_id)
    assert (claim.call.customer_name, claim.call.dynamic_variables) == ("Given", {"slot": "8"})

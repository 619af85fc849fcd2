"""Answers stored in batches leave the rows that answers stored one at a time leave."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import models
from django.db.models import F
from django.utils import timezone

from calls.dialing import placing
from calls.following import due_reads, polling
from calls.models import Call, CallEvent, Polling, WebhookDelivery
from calls.outcomes import batches, poll_schedule
from campaigns.models import Campaign, DoNotCall, Recipient, RetryRule
from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected
from providers.models import ProviderAccount, SeenWord
from tenants.models import Alert, AuditEntry, Organization, Tenant, WebhookEndpoint
from tenants.models import WebhookEvent as Event
from tests.calls import support

SCRIPTS = 4  # in the suite; SEEDS="0 1 2 …" in the environment plays others
CALLS, ROUNDS = 14, 4
SHORTEST_NAME = 16  # of a row; shorter values hold none, and are not searched for any
Answer = Reading | ProviderError

TABLES: tuple[tuple[type[models.Model], str], ...] = (
    (Organization, "pk"),
    (ProviderAccount, "organization"),
    (Campaign, "organization"),
    (Recipient, "campaign__organization"),
    (Call, "organization"),
    (Polling, "calls__organization"),
    (CallEvent, "call__organization"),
    (WebhookDelivery, "organization"),
    (Alert, "organization"),
    (DoNotCall, "organization"),
    (SeenWord, "account__organization"),
    (AuditEntry, "organization"),
)
# Random, or of the clock.
# The breaker counts in the order in which answers are stored, and a batch stores what it sets aside last.
LEFT_OUT = {"place_tokens"} | {
    "failures_in_a_row",
    "id",
    "uuid",
    "hook_token",
    "webhook_secret",
    "credentials",
    "callback_token",
    "reference",
    "phone_hash",
}


class World:
    """An organization with two accounts, a campaign and single calls, all of them claimed."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"world {seed}")
        self.owner = Organization.objects.create(
            tenant=Tenant.objects.create(name="Callers"),
            name="Callers",
            default_region="US",
            timezone="America/New_York",
            min_gap_minutes=0,
            max_attempts_per_day=100,
            single_call_hours=Organization.SingleCallHours.ANY,
        )
        for events in (list(Event), [Event.CALL_ENDED, Event.ACCOUNT_BLOCKED])[: chance.randrange(3)]:
            WebhookEndpoint.objects.create(organization=self.owner, url="https://example.org/", events=events)
        limits = {"max_unconfirmed": chance.choice((None, 2, 5)), "price_per_minute": Decimal("0.12")}
        self.numbers = [
            support.reach(self.owner, "http://127.0.0.1:9", provider, **limits)
            for provider in ("allomia", "callingbox")
        ]
        for number in self.numbers:
            rules = [{"field": "result.opt_out", "equals": "true"}]
            number.account.assistants.update(opt_out_rules=rules)
        self.campaign = self._campaign(chance)
        self.claims = self._claimed(chance)

    def _campaign(self, chance: random.Random) -> Campaign:
        phones = [f"+12125550{place:03}" for place in range(CALLS)]
        made = support.campaign(self.numbers[0], support.people(self.owner, phones), retries=chance.choice((1, 3)))
        made.status, made.try_next_number = Campaign.Status.RUNNING, chance.random() < 0.2
        made.save()
        RetryRule.objects.create(campaign=made, outcome="voicemail", wait_minutes=5, max_attempts=2)
        if chance.random() < 0.3:
            RetryRule.objects.filter(campaign=made, outcome="busy").update(other_time_of_day=True)
        return made

    def _claimed(self, chance: random.Random) -> list[placing.Claim]:
        contacts = list(self.owner.contacts.order_by("pk"))
        for contact in contacts:
            extra: dict[str, Any] = {"callback_url": "https://example.org/ended"} if chance.random() < 0.4 else {}
            if chance.random() < 0.7:
                status = chance.choice(["calling"] * 5 + ["withdrawn"])
                recipient = Recipient.objects.create(campaign=self.campaign, contact=contact, status=status)
                extra |= {"recipient": recipient, "campaign": self.campaign}
            support.single(chance.choice(self.numbers), contact.phone, **extra)
        ProviderAccount.objects.filter(organization=self.owner).update(max_unconfirmed=None)
        before = dict(ProviderAccount.objects.values_list("pk", "max_unconfirmed"))
        claims = [claim for number in self.numbers for _ in range(5) for claim in placing.claim(number.account_id, 8)]
        ProviderAccount.objects.filter(organization=self.owner).update(max_unconfirmed=chance.choice((None, 2, 5)))
        assert len(claims) == CALLS, before
        return sorted(claims, key=lambda claim: claim.call.pk)

    def due(self) -> dict[int, polling.DueRead]:
        """Lease every call that is read, as a claim does, and return them by their place."""
        followed = Polling.objects.filter(calls__organization=self.owner).exclude(calls__provider_call_id="")
        keys = list(followed.values_list("pk", flat=True))
        Polling.objects.filter(pk__in=keys).update(
            reads=F("reads") + 1, next_read_at=timezone.now() + poll_schedule.READ_LEASE
        )
        places = {claim.call.pk: place for place, claim in enumerate(self.claims)}
        return {places[call.pk]: polling.DueRead(call, call.account.adapter) for call in due_reads.load(keys)}

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of the organization: without times and random values, and with places for keys."""
        names: dict[str, str] = {}
        places: dict[tuple[str, int], str] = {}
        found = {}
        for model, path in TABLES:
            rows = list(model._default_manager.filter(**{path: self.owner.pk}).order_by("pk").distinct())
            label = model._meta.model_name or ""
            for place, row in enumerate(rows):
                places[label, row.pk] = f"{label} {place}"
                for name in ("uuid", "reference", "callback_token", "hook_token"):
                    if value := getattr(row, name, None):
                        names[str(value)] = f"{label} {place}"
            found[label] = rows
        for contact in self.owner.contacts.order_by("pk"):
            names[str(contact.uuid)] = contact.phone
        for number in self.numbers:
            names[str(number.uuid)] = names[str(number.account.assistants.get().uuid)] = number.account.provider
        assert min(map(len, names)) >= SHORTEST_NAME
        return {label: sorted(self._told(rows, names, places), key=json.dumps) for label, rows in found.items()}

    def _told(
        self, rows: Sequence[models.Model], names: dict[str, str], places: dict[tuple[str, int], str]
    ) -> Iterator[dict[str, Any]]:
        for row in rows:
            told: dict[str, Any] = {}
            for column in row._meta.concrete_fields:
                value = getattr(row, column.attname)
                if column.name in LEFT_OUT:
                    continue
                if isinstance(column, models.ForeignKey) and column.name == "polling":
                    value = value is not None  # its rows come in another order
                elif isinstance(column, models.ForeignKey):
                    label = str(column.related_model._meta.model_name)
                    value = value and places.get((label, value), label)
                if isinstance(column, models.DateTimeField):
                    value = value is not None
                told[column.name] = _settled(value, names)
            if not told.get("event", "call.").startswith("call."):
                told["body"] = ""  # it has counts of calls at the moment, and a batch has one moment
            yield told


def _settled(value: Any, names: dict[str, str]) -> str:
    text = bytes(value).decode() if isinstance(value, bytes | memoryview) else str(value)
    if len(text) < SHORTEST_NAME:
        return text
    for name, place in names.items():
        text = text.replace(name, place)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*(Z|\+00:00)", "TIME", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)


def placing_answer(chance: random.Random, place: int) -> Answer:
    state = chance.choice((CallState.QUEUED, CallState.DIALING, CallState.DIALING, CallState.RINGING))
    placed = Reading(state, provider_call_id=f"p-{place}", provider_status=state.value)
    return chance.choice(
        (
            placed,
            placed,
            placed,
            placed,
            replace(placed, state=CallState.COMPLETED, duration_seconds=30, answered_by="human"),
            replace(placed, provider_call_id=f"P-{chance.randrange(CALLS)}"),
            replace(placed, provider_call_id=""),
            replace(placed, provider_status="hm", state=CallState.UNRECOGNISED),
            NotSent("No connection."),
            NotSent("No connection, again."),
            NotSent("Slow down.", status=429, retry_after=chance.choice((5, 30))),
            Misconfigured(chance.choice(("The key is wrong.", "No such agent.")), status=401),
            Rejected("No such number.", status=400, evidence=b"{}"),
            Rejected("No such number.", status=400),
            MayBeRinging("The provider did not answer in time."),
            MayBeRinging("502", evidence=b"<html>"),
        )
    )


def read_answer(chance: random.Random, call: Call) -> Answer:
    now = timezone.now()
    live = chance.choice((CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS))
    reading = Reading(live, provider_call_id=call.provider_call_id, provider_status=live.value)
    end = chance.choice(
        (CallState.COMPLETED, CallState.NO_ANSWER, CallState.BUSY, CallState.FAILED, CallState.CANCELED)
    )
    ended = replace(reading, state=end, provider_status=end.value, duration_seconds=20, ended_at=now)
    odd = Remark("details.cost", "about five", "not a number", taken=chance.random() < 0.5, field="cost_price")
    return chance.choice(
        (
            reading,
            reading,
            reading,
            replace(reading, answered_at=now, state=CallState.IN_PROGRESS),
            replace(reading, remarks=(odd,)),
            replace(reading, state=CallState.UNRECOGNISED, provider_status=chance.choice(("hm", "transferring"))),
            replace(reading, to_number="+33612345678"),
            replace(reading, reference="of-another"),
            ended,
            ended,
            replace(ended, price=support.usd("0.5")),
            replace(ended, state=CallState.COMPLETED, answered_by="machine", provider_reason="voicemail"),
            replace(ended, provider_reason=chance.choice(("strange words", "other words"))),
            replace(ended, result={"opt_out": True}, result_status="completed"),
            replace(ended, result={"a": "b"}, result_status="pending", settled=False),
            NotFound("Unknown call.", status=404),
            NotSent("Slow down.", status=429, retry_after=30),
            Misconfigured("The key is wrong.", status=401),
            MayBeRinging("502", evidence=b"<html>"),
        )
    )


def moments(seed: int, begin: datetime) -> Iterator[datetime]:
    """Yield the moment of each round, up to 90 seconds apart: what is believed of a time depends on ours."""
    chance = random.Random(f"moments {seed}")
    while True:
        begin += timedelta(seconds=chance.choice((0, 1, 1, 5, 90)))
        yield begin


def play(world: World, seed: int, place: Callable[[list[Any]], Any], read: Callable[[list[Any]], Any]) -> Iterator[Any]:
    """Answer all claims, then rounds of reads. Yield the rows after each round. The script follows from the seed."""
    chance = random.Random(f"script {seed}")
    answers = [(claim, placing_answer(chance, spot)) for spot, claim in enumerate(world.claims)]
    answers += [
        (replace(world.claims[spot], fence=chance.choice((0, 1, 1))), placing_answer(chance, spot))
        for spot in chance.sample(range(CALLS), 4)
    ]
    place(answers)
    yield world.rows()
    for _ in range(ROUNDS):
        due = world.due()
        items = [(due[spot], read_answer(random.Random(f"{seed} {spot} {_}"), due[spot].call), b"{}") for spot in due]
        items += items[: chance.randrange(3)]
        read(items)
        yield world.rows()


def differences(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[Any]:
    """Return the columns in which rows differ, as (column, found, wanted), and rows that are missing or too many."""
    if len(found) != len(wanted):
        return [row for row in found if row not in wanted] + [row for row in wanted if row not in found] + ["number"]
    return [
        (name, one[name], other[name])
        for one, other in zip(found, wanted, strict=True)
        for name in one
        if one[name] != other[name]
    ]


def one_at_a_time(record: Callable[..., None]) -> Callable[[list[Any]], None]:
    def store(items: list[Any]) -> None:
        for item in items:
            record(*item)

    return store


def in_batches(record_all: Callable[[Sequence[Any]], list[Any]], chance: random.Random) -> Callable[[list[Any]], None]:
    def store(items: list[Any]) -> None:
        while items:
            size = chance.randrange(1, 2 * CALLS)
            assert record_all(items[:size]) == []
            items = items[size:]

    return store


@pytest.fixture
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)


@pytest.mark.usefixtures("transactional_db", "_no_chance")
def test_a_batch_leaves_the_rows_that_one_at_a_time_leaves(
    subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in map(int, os.environ.get("SEEDS", "").split() or range(SCRIPTS)):
        begin = timezone.now()
        with time_machine.travel(begin, tick=False):  # both worlds have one clock, however long a round takes
            alone, together = World(seed), World(seed)
        sizes = random.Random(f"batches {seed}")
        expected = play(alone, seed, one_at_a_time(placing.record), one_at_a_time(polling.record))
        found = play(together, seed, in_batches(placing.record_all, sizes), in_batches(polling.record_all, sizes))
        for number, moment in zip(range(1 + ROUNDS), moments(seed, begin), strict=False):
            with time_machine.travel(moment, tick=False):
                wanted, got = next(expected), next(found)
            for table, rows in wanted.items():
                with subtests.test(seed=seed, round=number, table=table):
                    assert differences(got[table], rows) == []
    assert [record.message for record in caplog.records if record.name == batches.__name__] == []

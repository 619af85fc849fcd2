"""The model: events in any order, and the invariants after each step.

It runs real code on a real database, against providers in memory that record which phones rang (`fake_world.py`). Each
example is one transaction that is rolled back. `make proof` runs more examples than `make test`. `MODEL_EXAMPLES=2000`
runs as many, different ones each time. With an empty `MODEL_SHRINKS` the first failure is not shrunk.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as explore

from calls.actions import campaigns as campaign_actions
from calls.actions import kill_switch as kill_switch_module
from calls.actions import quiescing, single_calls
from calls.dialing import enqueueing, placing
from calls.following import polling, reconciling, status_callbacks
from calls.models import FOLLOWED, OPEN, TERMINAL, UNRESOLVED, Call, ProviderCallback, Status, WebhookDelivery
from calls.outcomes import circuit_breaker, placement_results, poll_schedule, staff_decisions
from calls.reports import preflight
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import (
    CallingWindow,
    Campaign,
    Contact,
    ContactList,
    ContactListMember,
    DoNotCall,
    Recipient,
    RetryRule,
)
from providers.adapters.base import Reading
from providers.adapters.errors import ProviderError
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization, Tenant
from tests.calls import support
from tests.calls.fake_world import FATES, LASTS, OUTCOMES, READ_FAULTS, Dial, Line, Post, World, finished
from tests.counting import counts_are_true

T = TypeVar("T")
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
SHRINKS = (Phase.shrink,) if os.environ.get("MODEL_SHRINKS", "yes") else ()
START = datetime(2026, 5, 11, 13, 5, tzinfo=UTC)  # a Monday, 9:05 in New York
NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = 9, 20
NUMBERS = tuple(f"+1212555015{digit}" for digit in range(4))
GAP = timedelta(minutes=7)
MAX_PER_DAY = 6
HOOK = "https://example.org/hook"
# No two of these add up to exactly the 5 seconds within which a claim may be sent.
# Long ones are rare, because little happens outside the window.
LEAPS = (*(1.3, 4.1, 31.3, 131.3) * 3, *(947.3, 3701.3) * 2, 7501.3, 43201.3, 95003.3, 108007.3)
R = Recipient.Status
C = Campaign.Status

CHORES = (campaign_actions.start_scheduled, campaign_actions.finish_where_done, campaign_actions.wind_up_canceled)
VERBS = ("start", "launch", "resume", "start", "launch", "pause", "resume", "cancel")

picks = st.integers(0, 11)
fates = st.sampled_from(FATES)
ends = st.sampled_from(OUTCOMES)
lengths = st.sampled_from(LASTS)
faults = st.sampled_from(READ_FAULTS)


@dataclass(frozen=True)
class Base:
    """The state in which every example starts."""

    organization: Organization
    lines: tuple[PhoneNumber, ...]  # one account each
    contacts: tuple[Contact, ...]
    contact_list: ContactList
    campaigns: tuple[Campaign, ...]


@dataclass
class Held:
    """A response on its way back, which may arrive late or never."""

    record: Callable[[], None]


def _campaign(number: PhoneNumber, contacts: ContactList, **fields: Any) -> Campaign:
    made = Campaign.objects.create(
        organization=number.organization,
        name=number.account.provider,
        assistant=number.account.assistants.get(),
        legal_override="test",
        **fields,
    )
    made.phone_numbers.add(number)
    made.contact_lists.add(contacts)
    CallingWindow.objects.create(campaign=made, days=support.EVERY_DAY, opens=OPENS * 60, closes=CLOSES * 60)
    for outcome, wait in (("no_answer", 5), ("busy", 1), ("failed", 2), ("voicemail", 10)):
        RetryRule.objects.create(campaign=made, outcome=outcome, wait_minutes=wait, max_attempts=50)
    return made


@pytest.fixture
def base(db: None, settings: Any) -> Base:
    settings.PUBLIC_BASE_URL = "https://trunkline.example.org"
    with time_machine.travel(START - timedelta(hours=1), tick=False):
        organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="Callers"),
            name="Callers",
            default_region="US",
            timezone="America/New_York",
            min_gap_minutes=GAP.seconds // 60,
            max_attempts_per_day=MAX_PER_DAY,
            single_call_hours=Organization.SingleCallHours.ANY,
        )
        limits: dict[str, dict[str, Any]] = {"callingbox": {"max_unconfirmed": 2}, "allomia": {"max_open_calls": 3}}
        lines = tuple(
            support.reach(organization, "http://127.0.0.1:9", provider, **limits.get(provider, {}))
            for provider in ("callingbox", "allomia", "polyai", "plumvoice")
        )
        contacts = tuple(Contact.objects.create(organization=organization, phone=number) for number in NUMBERS)
        listed = ContactList.objects.create(organization=organization, name="People")
        campaigns = (
            _campaign(lines[0], listed, max_attempts=3, callback_url=HOOK),
            _campaign(lines[1], listed, max_attempts=2, min_gap_minutes=30, callback_url=HOOK),
            _campaign(lines[0], listed, max_attempts=1, min_gap_minutes=0),
            _campaign(lines[2], listed, max_attempts=2, min_gap_minutes=0),
        )
    return Base(organization, lines, contacts, listed, campaigns)


@pytest.mark.parametrize(
    "examples",
    [1, pytest.param(5, marks=pytest.mark.long), pytest.param(40, marks=[pytest.mark.slow, pytest.mark.proof])],
)
def test_whatever_happens_in_whatever_order_nobody_is_rung_twice(
    base: Base, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    monkeypatch.setattr(placing, "time", SimpleNamespace(monotonic=time.time))
    monkeypatch.setattr(quiescing, "time", SimpleNamespace(monotonic=time.time, sleep=lambda _: Model.leap(0.71)))
    monkeypatch.setattr(
        poll_schedule,
        "STEPS",
        ((timedelta(hours=1), timedelta(seconds=3)), (timedelta(hours=24), timedelta(minutes=20))),
    )
    explore(
        lambda: Model(base),  # type: ignore[arg-type]  # made anew for each example, as the class would be
        settings=settings(
            max_examples=EXAMPLES or examples,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            print_blob=False,
            phases=(Phase.generate, *SHRINKS),
            suppress_health_check=list(HealthCheck),
        ),
    )


class Model(RuleBasedStateMachine):
    """The events and the invariants."""

    _clock: Any = None

    @classmethod
    def leap(cls, seconds: float) -> None:
        cls._clock.shift(seconds)

    def __init__(self, base: Base) -> None:
        super().__init__()
        self.base = base
        self.travel = time_machine.travel(START, tick=False)
        Model._clock = self.travel.start()
        self.whole = transaction.atomic()
        self.whole._from_testcase = True  # type: ignore[attr-defined]  # so that durable blocks may stand inside
        self.whole.__enter__()
        self.world = World()
        self.members = 0
        self.claims: list[tuple[placing.Claim, datetime]] = []  # committed, not sent yet
        self.answers: list[Held] = []  # of placings
        self.reads: list[Held] = []
        self.looks: list[Held] = []
        self.posts: list[Post] = []
        self.listed: set[str] = set()  # a cancellation of the call was answered
        self.silent: set[int] = set()  # campaigns whose pause or cancellation was answered
        self.stopped = False
        self.ended: dict[int, str] = {}
        self.revived: set[int] = set()
        self.launched: dict[int, int] = {}

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            transaction.set_rollback(True)
            self.whole.__exit__(None, None, None)
            self.travel.stop()

    # Contacts and campaigns.

    @initialize(count=st.integers(2, 4), started=st.integers(1, 4))
    def begin(self, count: int, started: int) -> None:
        self._import(count)
        for campaign in self.base.campaigns[:started]:
            self.start(self.base.campaigns.index(campaign))
            while not launching.step(campaign.pk, limit=2):
                pass
            enqueueing.feed(campaign.pk)

    def _import(self, count: int) -> None:
        rows = self.base.contacts[self.members : self.members + count]
        # Fixed sort keys, so that an example always runs the same way.
        ContactListMember.objects.bulk_create(
            ContactListMember(pk=row.pk, contact_list=self.base.contact_list, contact=row) for row in rows
        )
        self.members += len(rows)

    @precondition(lambda self: self.members < len(NUMBERS))
    @rule()
    def import_one(self) -> None:
        self._import(1)

    @rule(which=picks, verb=st.sampled_from(VERBS))
    def manage_campaign(self, which: int, verb: str) -> None:
        {
            "start": self.start,
            "launch": self.launch,
            "pause": self.pause,
            "resume": self.resume,
            "cancel": self.cancel,
        }[verb](which)

    def start(self, which: int) -> None:
        with suppress(quiescing.IllegalTransition, preflight.NotReady):
            campaign_actions.start(self._campaign(which), actor="test")

    def launch(self, which: int) -> None:
        launching.step(self._campaign(which).pk, limit=2)

    def pause(self, which: int) -> None:
        campaign = self._campaign(which)
        with suppress(quiescing.IllegalTransition):
            campaign_actions.pause(campaign, actor="test")
            self.silent.add(campaign.pk)

    def resume(self, which: int) -> None:
        campaign = self._campaign(which)
        with suppress(quiescing.IllegalTransition):
            campaign_actions.resume(campaign, actor="test")
            self.silent.discard(campaign.pk)

    def cancel(self, which: int) -> None:
        campaign = self._campaign(which)
        with suppress(quiescing.IllegalTransition):
            campaign_actions.cancel(campaign, actor="test")
            self.silent.add(campaign.pk)

    @rule(chore=st.sampled_from(CHORES))
    def keep_house(self, chore: Callable[[], object]) -> None:
        chore()

    @rule(
        which=picks, what=st.sampled_from(("number", "account", "everything")), no=st.sampled_from((False, False, True))
    )
    def forbid_or_allow(self, which: int, what: str, no: bool) -> None:
        if what == "account":
            self.block_account(which, no)
        elif what == "all":
            self.kill_switch(no)
        elif no:
            self._list(NUMBERS[which % len(NUMBERS)])
        elif self.listed:
            self.unlist_number(which)

    def kill_switch(self, on: bool) -> None:
        if on:
            kill_switch_module.stop_all_calls(self.base.organization, actor="test")
        else:
            kill_switch_module.allow_calls(self.base.organization, actor="test")
        self.stopped = on

    def _list(self, number: str) -> None:
        entry, _ = entries.add(self.base.organization, number, source="test")
        quiescing.silence_number(entry)
        self.listed.add(number)

    def unlist_number(self, which: int) -> None:
        number = _pick(sorted(self.listed), which)
        entries.remove(DoNotCall.objects.get(phone=number), "test", "test")
        self.listed.discard(number)

    def block_account(self, which: int, on: bool) -> None:
        account_id = self._account(which)
        if on:
            circuit_breaker.block(
                account_id, circuit_breaker.Block.UNREACHABLE, "test", timezone.now() + timedelta(minutes=1)
            )
        else:
            circuit_breaker.unblock(account_id)

    # Placing.

    @rule(which=picks, to=picks)
    def order_single(self, which: int, to: int) -> None:
        line = _pick(self.base.lines, which)
        order = single_calls.Order(
            self.base.organization, line.account.assistants.get(), line, NUMBERS[to % len(NUMBERS)], callback_url=HOOK
        )
        with suppress(single_calls.Refused, single_calls.AlreadyOpen):
            single_calls.place_single(order)

    @rule(which=picks)
    def claim(self, which: int) -> None:
        self._claim(self._account(which))

    def _claim(self, account_id: int) -> None:
        before = ProviderAccount.objects.get(pk=account_id)
        now = timezone.now()
        found = placing.claim(account_id)
        assert not (found and before.blocked(now)), "a blocked account places no call"
        for each in found:
            self._may_be_claimed(each, now)
            self.claims.append((each, now))

    @rule(which=picks, how=st.sampled_from(("pause", "list", "stop")), fate=fates, outcome=ends, lasts=lengths)
    def work_is_overtaken(self, which: int, how: str, fate: str, outcome: str, lasts: int) -> None:
        """A worker stalls between its claim and its requests. Meanwhile one of the calls is forbidden."""
        self.order_single(which, len(self.world.dials))
        self.take_up()
        if not self.claims:
            return
        call = _pick(self.claims, which)[0].call
        if how == "list":
            self._list(call.to_number)
        elif how == "pause" and call.campaign_id:
            self.pause([campaign.pk for campaign in self.base.campaigns].index(call.campaign_id))
        else:
            self.kill_switch(True)
        while self.claims:
            self._send(0, fate, outcome, lasts)

    @precondition(lambda self: self.claims)
    @rule(which=picks, fate=fates, outcome=ends, lasts=lengths)
    def send(self, which: int, fate: str, outcome: str, lasts: int) -> None:
        """Send one request. Its response is recorded now, later, or never."""
        self._send(which, fate, outcome, lasts)

    # Hypothesis prefers the rule with the fewest arguments and the first name, so this rule does useful work.
    @rule()
    def all_goes_well(self) -> None:
        self.order_single(len(self.world.dials), len(self.world.dials))
        self._work("placed", "no_answer", 8)
        self.leap(131.3)

    @rule(kind=st.sampled_from(("answers", "answers", "reads", "looks")), which=picks, again=st.booleans())
    def record_late(self, kind: str, which: int, again: bool) -> None:
        """Record it, perhaps a second time: a process that does not learn of its commit repeats it."""
        held: list[Held] = getattr(self, kind)
        if held:
            answer = _take(held, which)
            answer.record()
            if again and kind == "answers":
                held.append(answer)

    @rule(fate=fates, outcome=ends, lasts=lengths)
    def work(self, fate: str, outcome: str, lasts: int) -> None:
        """A healthy worker polls, enqueues, claims, sends and records at once."""
        self.order_single(lasts, len(self.world.dials))
        self._work(fate, outcome, lasts)

    def _work(self, fate: str, outcome: str, lasts: int) -> None:
        self.process_callbacks()
        self.read("", late=False)
        mine = len(self.claims)
        self.take_up()
        while len(self.claims) > mine:
            self._send(mine, fate, outcome, lasts)
            self.answers.pop().record()

    @rule()
    def take_up(self) -> None:
        """Enqueue, and claim all due calls. Nothing is sent yet."""
        for organization_id in enqueueing.running():
            enqueueing.feed_all(organization_id)
        for account_id in placing.accounts_with_work(timezone.now()):
            self._claim(account_id)

    @rule(fate=fates, outcome=ends, lasts=lengths, late=st.booleans())
    def work_and_stall(self, fate: str, outcome: str, lasts: int, late: bool) -> None:
        """A worker stalls after its requests: its responses arrive after the lease, or never."""
        self.order_single(lasts, len(self.world.dials))
        self.take_up()
        while self.claims:
            self._send(0, fate, outcome, lasts)
        if not late:
            self.answers.clear()
        self.leap(131.3)
        self.reap()

    def _send(self, which: int, fate: str, outcome: str, lasts: int) -> None:
        claim, claimed_at = _take(self.claims, which)
        known = len(self.world.dials)
        line = Line(self.world, claim.call, fate, outcome, lasts, claimed_at)
        answer = finished(placing.send(line.client, claim))
        self.answers.append(Held(lambda: placing.record(claim, answer)))
        for dial in self.world.dials[known:]:
            self._may_ring(dial, claim.call)

    @rule(whose=st.sampled_from(("claims", "answers", "reads", "looks", "")), sure=st.booleans())
    def crash(self, whose: str, sure: bool) -> None:
        """The process that held these claims dies, or all processes do. Uncommitted work is lost."""
        held: dict[str, list[Any]] = {
            "claims": self.claims,
            "answers": self.answers,
            "reads": self.reads,
            "looks": self.looks,
        }
        for name, lost in held.items():
            if sure and whose in ("", name):
                lost.clear()

    def reap(self) -> None:
        placement_results.reap(timezone.now())

    @rule(seconds=st.sampled_from(LEAPS))
    def time_passes(self, seconds: float) -> None:
        self.leap(seconds)

    # Following.

    @rule(fault=faults, late=st.booleans())
    def read(self, fault: str, late: bool) -> None:
        for reading in polling.claim():
            answer, raw = finished(polling.read(Line(self.world, fate=fault).client, reading))
            self.reads.append(Held(lambda reading=reading, answer=answer, raw=raw: self._read(reading, answer, raw)))  # type: ignore[misc]
            if not late:
                self.reads.pop().record()

    def _read(self, due: polling.DueRead, answer: Reading | ProviderError, raw: bytes) -> None:
        polling.record(due, answer, raw)
        if isinstance(answer, Reading) and answer.state.is_terminal:
            self._end_was_told(due.call.pk)

    @rule(fault=faults, late=st.booleans())
    def reconcile(self, fault: str, late: bool) -> None:
        for account, calls in reconciling.claim().items():
            found = asyncio.run(reconciling.search(Line(self.world, fate=fault).client, account, calls))
            self.looks.append(Held(lambda calls=calls, found=found: self._looked(calls, found)))  # type: ignore[misc]
            if not late:
                self.looks.pop().record()

    def _looked(self, calls: list[Call], found: reconciling.Found) -> None:
        reconciling.record(calls, found)
        for pk, seen in found.items():
            if len(seen) == 1 and seen[0].state.is_terminal:
                self._end_was_told(pk)

    # Callbacks.

    @precondition(lambda self: self.world.dials)
    @rule(which=picks)
    def provider_posts(self, which: int) -> None:
        """The provider writes a callback now. It arrives at any time."""
        dial = _pick(self.world.dials, which)
        now = timezone.now()
        if dial.token and (dial.provider == "callingbox" or dial.over(now)):
            self.posts.append(Post(dial, json.dumps(_body(dial, now)).encode()))

    @precondition(lambda self: self.world.dials)
    @rule(which=picks)
    def provider_contradicts_itself(self, which: int) -> None:
        """After a stored outcome, a signed callback reports another one."""
        dial = _pick(self.world.dials, which)
        stored = Call.objects.get(pk=dial.call).status
        if dial.provider == "callingbox" and stored in TERMINAL and stored not in UNRESOLVED:
            word = "failed" if dial.end != Status.FAILED else "busy"
            body = _body(replace(dial, outcome=word), timezone.now())
            self._arrive(Post(dial, json.dumps(body).encode(), forged=True))

    @rule(which=picks)
    def somebody_forges_a_callback(self, which: int) -> None:
        """An unsigned callback with a leaked token and a wrong provider id."""
        calls = list(Call.objects.filter(account__provider="allomia").order_by("pk"))
        if not calls:
            return
        call = _pick(calls, which)
        body = {"outboundCallId": "forged", "status": "completed", "callDetails": {"duration": 5}}
        status_callbacks.receive(
            "allomia", call.callback_token, {"content-type": "application/json"}, json.dumps(body).encode()
        )

    @precondition(lambda self: self.posts)
    @rule(which=picks, again=st.booleans())
    def post_arrives(self, which: int, again: bool) -> None:
        post = _take(self.posts, which)
        self._arrive(post)
        if again:
            self.posts.append(post)

    def _arrive(self, post: Post) -> None:
        status = status_callbacks.receive(post.dial.provider, post.dial.token, post.headers(timezone.now()), post.body)
        assert status == 200

    @rule()
    def process_callbacks(self) -> None:
        for pk in status_callbacks.pending():
            status_callbacks.process(pk)
            row = ProviderCallback.objects.get(pk=pk)
            told = row.account.adapter.parse_callback(row.headers, bytes(row.body))
            if row.verification == "verified" and told.state.is_terminal and row.call_id is not None:
                self._end_was_told(row.call_id)

    # Team members.

    @rule(which=picks, carelessly=st.integers(0, 3))
    def staff_releases(self, which: int, carelessly: int) -> None:
        calls = list(Call.objects.filter(status=Status.UNCONFIRMED).order_by("pk"))
        if not calls:
            return
        call = _pick(calls, which)
        dial = self.world.of(call.pk)
        if dial and carelessly:
            return
        staff_decisions.release(call.pk, actor="test", reason="It never rang.")
        if dial:
            dial.excused = True

    @rule(which=picks)
    def staff_confirms(self, which: int) -> None:
        calls = list(Call.objects.filter(status__in=(Status.UNCONFIRMED, Status.UNKNOWN)).order_by("pk"))
        if not calls:
            return
        call = _pick(calls, which)
        dial = self.world.of(call.pk)
        if dial is None:
            return
        with suppress(staff_decisions.DecisionRefused):
            staff_decisions.confirm_placed(
                call.pk, dial.provider_id, actor="test", reason="It is in the provider's log."
            )
            if self.ended.pop(call.pk, None):
                self.revived.add(call.pk)

    # What must hold when a call is claimed and when a phone rings.

    def _may_be_claimed(self, claim: placing.Claim, now: datetime) -> None:
        call = Call.objects.select_related("campaign", "recipient").get(pk=claim.call.pk)
        campaign = call.campaign
        assert call.to_number not in self.listed, "the number is on the do-not-call list"
        assert not self.stopped, "all calls are stopped"
        gap = GAP
        if campaign is not None:
            assert campaign.status == C.RUNNING, f"the campaign is {campaign.status}"
            assert OPENS <= now.astimezone(NEW_YORK).hour < CLOSES, "outside the window"
            if campaign.min_gap_minutes is not None:
                gap = timedelta(minutes=campaign.min_gap_minutes)
        before = [dial for dial in self.world.dials if dial.number == call.to_number and not dial.excused]
        assert all(dial.claimed_at + gap <= now for dial in before), "the gap"
        assert sum(dial.claimed_at > now - timedelta(days=1) for dial in before) < MAX_PER_DAY, "calls in a day"

    def _may_ring(self, dial: Dial, call: Call) -> None:
        now = dial.at
        others = [other for other in self.world.dials if other is not dial and not other.excused]
        assert all(other.call != dial.call for other in others), "second dial for one call"
        for other in others:
            if other.number == dial.number:
                assert other.over(now), "two calls to one phone at once"
                assert Call.objects.get(pk=other.call).status not in OPEN, "a dial while another is not settled"
        assert dial.number not in self.listed, "the do-not-call entry was answered"
        assert not self.stopped, '"Stop all calls" was answered'
        assert call.campaign_id not in self.silent, "the pause was answered"
        if call.recipient_id and call.campaign:
            of_recipient = Call.objects.filter(recipient=call.recipient_id).values_list("pk", flat=True)
            rung = [each for each in self.world.dials if each.call in set(of_recipient) and not each.excused]
            assert len(rung) <= call.campaign.max_attempts, "more calls than the campaign allows"

    def _end_was_told(self, pk: int) -> None:
        dial, status = self.world.of(pk), Call.objects.get(pk=pk).status
        assert dial is not None
        assert dial.excused or status == dial.end, f"the call ended as {dial.end}, but {status} is stored"

    # What must hold after every step.

    @invariant()
    def an_end_is_true_and_stays(self) -> None:
        told = Counter(WebhookDelivery.objects.values_list("call_id", flat=True))
        now = timezone.now()
        for call in Call.objects.all():
            dial, before = self.world.of(call.pk), self.ended.get(call.pk)
            if before is not None and before not in UNRESOLVED:
                assert call.status == before, f"{before} became {call.status}"
            if before in UNRESOLVED:
                assert call.status == before or (call.status in TERMINAL and call.status not in UNRESOLVED)
            if call.status not in TERMINAL:
                assert call.pk in self.revived or not told[call.pk], "a webhook reports an end that is none"
                continue
            self.ended[call.pk] = call.status
            assert told[call.pk] == bool(call.callback_url), "one webhook for each outcome"
            if call.status in UNRESOLVED or (dial and dial.excused):
                continue
            if dial is None:
                refused = call.status == Status.FAILED and call.ended_reason == "refused"
                assert refused or call.status == Status.CANCELED, f"{call.status}, but it never rang"
            else:
                assert call.status == dial.end, f"{call.status}, but it ended as {dial.end}"
                assert dial.over(now), "it has not ended yet"

    @invariant()
    def nothing_is_stuck(self) -> None:
        waits = {Status.QUEUED: "due_at", Status.PLACING: "lease_until", Status.UNCONFIRMED: "next_read_at"}
        under_way: Counter[int | None] = Counter()
        for call in Call.objects.exclude(status__in=TERMINAL):
            assert getattr(call, waits.get(Status(call.status), "next_read_at")) is not None
            under_way[call.recipient_id] += 1
            if call.status in FOLLOWED:
                assert call.provider_call_id or call.account.provider == "plumvoice", "there is no way to poll it"
        counts: Counter[int] = Counter()
        for recipient in Recipient.objects.select_related("campaign"):
            counts[recipient.campaign_id] += 1
            assert recipient.attempts >= 0
            if recipient.status in (R.CALLING, R.REVIEW):
                assert under_way[recipient.pk] == 1, f"{recipient.status} with {under_way[recipient.pk]} calls"
            if recipient.status in (R.PENDING, R.WAITING):
                assert not under_way[recipient.pk], f"{recipient.status} while a call is in progress"
                if recipient.campaign.status == C.RUNNING:
                    assert recipient.next_attempt_at is not None, "nothing will call this recipient"
        for pk, count in self.launched.items():
            assert counts[pk] == count, "the number of recipients changed"
        done = Campaign.objects.filter(launched_at__isnull=False).values_list("pk", flat=True)
        self.launched |= {pk: counts[pk] for pk in done}

    # The end of every example.

    def settle(self) -> None:
        """Without further faults, every call and campaign comes to an end."""
        self.crash("", True)
        self.kill_switch(False)
        for which in range(len(self.base.campaigns)):
            self.resume(which)
        for turn in range(150):
            for which in range(len(self.base.lines)):
                self.block_account(which, False)
            for campaign_id in campaign_actions.launching_now():
                launching.step(campaign_id)
            self.reap()
            self.process_callbacks()
            self.read("", late=False)
            self.reconcile("", late=False)
            self._work("placed", "completed", 8)
            for chore in CHORES:
                chore()
            due = self._next_event()
            if due is None:
                break
            self.leap(max(131.3 if turn < 4 else 1801.3, (due - timezone.now()).total_seconds() + 0.3))
        self.an_end_is_true_and_stays()
        self.nothing_is_stuck()
        left = Call.objects.exclude(status__in=TERMINAL).values_list("pk", "status", "due_at", "polling__next_read_at")
        counts_are_true()
        assert due is None, f"it never ends: {list(left)}"
        assert not Campaign.objects.filter(status__in=(C.RUNNING, C.PAUSED, C.SCHEDULED)).exists()

    def _next_event(self) -> datetime | None:
        live = Call.objects.exclude(status__in=TERMINAL)
        moments: list[datetime | None] = [
            moment
            for row in live.values_list("due_at", "lease_until", "polling__next_read_at", "status")
            for moment in row[:3]
        ]
        moments += Recipient.objects.filter(status__in=(R.PENDING, R.WAITING), campaign__status=C.RUNNING).values_list(
            "next_attempt_at", flat=True
        )
        now = timezone.now()
        found = [moment for moment in moments if moment]
        coming = [moment for moment in found if moment > now]
        return min(coming) if coming else now if found else None

    def _campaign(self, which: int) -> Campaign:
        return Campaign.objects.get(pk=_pick(self.base.campaigns, which).pk)

    def _account(self, which: int) -> int:
        return int(_pick(self.base.lines, which).account_id)


def _pick(from_: Any, which: int) -> Any:
    return from_[which % len(from_)]


def _take(from_: list[T], which: int) -> T:
    return from_.pop(which % len(from_))


def _body(dial: Dial, now: datetime) -> dict[str, Any]:
    """Return a callback's body: the status response, wrapped in an event at CallingBox."""
    body = dial.body(now)
    return {"type": "call.updated", "data": {"call": body}} if dial.provider == "callingbox" else body

"""A provider is down for minutes or hours: few doubts, no dial as a probe, no burst when it is back."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.actions import campaigns
from calls.dialing import enqueueing, placing
from calls.following import polling
from calls.models import Call, Polling, Status
from calls.outcomes import circuit_breaker, staff_decisions
from campaigns import launching
from campaigns.models import Campaign
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, Rejected
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support
from tests.waiting import eventually

NUMBERS = [f"+12125550{1 + tens // 10}{tens % 10}{unit}" for tens in range(8, 12) for unit in range(10)]


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    found = support.reach(callers, "http://127.0.0.1:9", "allomia", max_unconfirmed=5)
    for to in NUMBERS:
        support.single(found, to)
    return found


def everything_is_due() -> None:
    Call.objects.queued().update(due_at=timezone.now())
    ProviderAccount.objects.update(place_tokens=100, place_tokens_at=timezone.now())


def answer_all(number: PhoneNumber, answer: Any) -> int:
    """Claim due calls and answer the requests. Return the number of requests."""
    everything_is_due()
    claims = placing.claim(number.account_id)
    for claim in claims:
        placing.record(claim, answer)
    return len(claims)


def fresh(number: PhoneNumber) -> ProviderAccount:
    return ProviderAccount.objects.get(pk=number.account_id)


def test_a_provider_that_goes_silent_leaves_at_most_five_doubts(number: PhoneNumber) -> None:
    asked = sum(answer_all(number, MayBeRinging("The provider did not answer in time.")) for _ in range(20))
    assert asked == Call.objects.filter(status=Status.UNCONFIRMED).count() == 5
    assert fresh(number).blocked_code == "unreachable"


def test_two_workers_together_leave_at_most_five_doubts(number: PhoneNumber) -> None:
    everything_is_due()
    first = placing.claim(number.account_id)
    everything_is_due()
    second = placing.claim(number.account_id)
    assert len(first) + len(second) == 5, "a request on the wire counts like a doubt"


def test_an_unreachable_account_is_tried_by_a_read_and_never_by_a_dial(number: PhoneNumber) -> None:
    while not fresh(number).blocked(timezone.now()):
        answer_all(number, NotSent("No connection to the provider could be made; nothing was sent."))
    three_hours_later = timezone.now() + timedelta(hours=3)
    assert fresh(number).blocked(three_hours_later), "time alone does not unblock the account"
    assert answer_all(number, None) == 0
    assert circuit_breaker.claim_probes(timezone.now()) == []
    (probe,) = circuit_breaker.claim_probes(three_hours_later)
    assert circuit_breaker.claim_probes(three_hours_later) == [], "two workers do not probe at once"
    circuit_breaker.record_probe(probe, None, three_hours_later)
    assert not fresh(number).blocked(three_hours_later)


def test_an_account_that_is_back_is_tried_by_one_call_before_the_others(number: PhoneNumber) -> None:
    while not fresh(number).blocked(timezone.now()):
        answer_all(number, NotSent("refused"))
    circuit_breaker.record_probe(fresh(number), None, timezone.now())
    everything_is_due()
    (alone,) = placing.claim(number.account_id)
    everything_is_due()
    assert placing.claim(number.account_id) == []
    placing.record(alone, Reading(CallState.DIALING, provider_call_id="x1"))
    everything_is_due()
    assert len(placing.claim(number.account_id)) == 5


def test_failed_probes_come_further_and_further_apart_up_to_a_quarter_of_an_hour(number: PhoneNumber) -> None:
    while not fresh(number).blocked(timezone.now()):
        answer_all(number, NotSent("refused"))
    now, waits = timezone.now(), []
    for _ in range(9):
        account = fresh(number)
        circuit_breaker.record_probe(account, MayBeRinging("502"), now)
        waits.append((_until(number) - now).total_seconds())
    assert waits == sorted(waits)
    assert waits[-1] == 900
    circuit_breaker.record_probe(fresh(number), Misconfigured("Invalid or missing API key"), now)
    assert fresh(number).blocked_code == "misconfigured"


def _until(number: PhoneNumber) -> datetime:
    found = fresh(number).blocked_until
    assert found is not None
    return found


def test_a_burst_of_failures_does_not_put_the_next_try_off_for_hours(number: PhoneNumber) -> None:
    ProviderAccount.objects.update(max_unconfirmed=None)
    burst = []
    for _ in range(4):  # all these requests were on the wire when the provider went down
        everything_is_due()
        burst += placing.claim(number.account_id, 8)
    assert len(burst) == 32
    for claim in burst:
        placing.record(claim, MayBeRinging("?"))
    now = timezone.now()
    circuit_breaker.record_probe(fresh(number), MayBeRinging("502"), now)
    assert _until(number) - now <= timedelta(minutes=1)


@pytest.mark.parametrize("error", [None, NotSent("slow down", status=429), Rejected("bad request", status=400)])
def test_a_provider_that_answers_at_all_is_back(number: PhoneNumber, error: Any) -> None:
    while not fresh(number).blocked(timezone.now()):
        answer_all(number, NotSent("refused"))
    circuit_breaker.record_probe(fresh(number), error, timezone.now())
    assert not fresh(number).blocked(timezone.now())


def test_more_old_doubts_than_allowed_block_the_account_though_answers_come(number: PhoneNumber) -> None:
    for _ in range(6):
        circuit_breaker.record_probe(fresh(number), None, timezone.now())  # and the harmless read is answered
        everything_is_due()
        claims = placing.claim(number.account_id)
        for index, claim in enumerate(claims):
            good = Reading(CallState.DIALING, provider_call_id=f"x{claim.call.pk}")
            placing.record(claim, MayBeRinging("?") if index == 0 else good)
    assert fresh(number).blocked_code == "unconfirmed"
    assert Call.objects.filter(status=Status.UNCONFIRMED).count() == 6
    doubt = Call.objects.filter(status=Status.UNCONFIRMED).first()
    assert doubt is not None
    staff_decisions.release(doubt.pk, actor="staff", reason="Not in the log.")
    assert not fresh(number).blocked(timezone.now())


@pytest.mark.long
@pytest.mark.slow
def test_a_campaign_lives_through_an_outage_of_its_provider(
    callers: Organization, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "UNREACHABLE_FOR", 1.0)
    placing_tokens = support.PlacingTokens(monkeypatch, 12)  # the others wait for it until the provider is down
    number = support.reach(callers, sandbox.url, "callingbox", max_unconfirmed=5)
    made = support.campaign(number, support.people(callers, [f"+1212555{i:04}" for i in range(140, 180)]))
    campaigns.start(made, actor="test")
    with support.engine(processes=2) as engine:
        eventually(lambda: len(sandbox.journal()) >= 8)
        sandbox.control(outage=["callingbox"])
        placing_tokens.open()
        eventually(lambda: fresh(number).blocked_code == "unreachable")
        eventually(lambda: not Call.objects.filter(status=Status.PLACING).exists())
        assert Call.objects.filter(status=Status.UNCONFIRMED).count() <= 5
        rung = len(sandbox.journal())
        engine.looks_again(10)
        assert len(sandbox.journal()) == rung
        sandbox.control(outage=[])
        eventually(lambda: Campaign.objects.get(pk=made.pk).status == Campaign.Status.FINISHED)
    numbers = [dial["to_number"] for dial in sandbox.journal()]
    assert len(numbers) == len(set(numbers)), "a number was dialled twice"
    dialled_or_doubtful = set(numbers) | set(
        Call.objects.filter(status=Status.UNCONFIRMED).values_list("to_number", flat=True)
    )
    assert len(dialled_or_doubtful) == 40, "a recipient was forgotten"


def test_our_own_outage_loses_polyais_outcome_visibly_and_dials_nobody_again(callers: Organization) -> None:
    """Trunkline was down for three hours, PolyAI keeps calls for two: `expired`, never `failed`, and no retry."""
    number = support.reach(callers, "http://127.0.0.1:9", "polyai")
    made = support.campaign(number, support.people(callers, NUMBERS[:1]), retries=3)
    campaigns.start(made, actor="test")
    launching.step(made.pk)
    enqueueing.feed(made.pk)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    three_hours_ago = timezone.now() - timedelta(hours=3)
    Call.objects.update(placed_at=three_hours_ago, dialed_at=three_hours_ago)
    Polling.objects.update(last_read_at=three_hours_ago, next_read_at=timezone.now())
    (reading,) = polling.claim()
    polling.record(reading, NotFound("unknown call SID", status=404), b"")
    call = Call.objects.get()
    assert (call.status, call.ended_reason) == (Status.EXPIRED, "status_expired")
    recipient = made.recipients.get()
    assert (recipient.status, recipient.outcome) == ("done", "expired")
    assert enqueueing.feed(made.pk) == 0
    assert placing.claim(number.account_id) == []


def test_a_claim_takes_no_more_reads_of_an_account_than_it_may_have(callers: Organization) -> None:
    now = timezone.now()
    for provider in ("allomia", "polyai"):
        line = support.reach(callers, "http://127.0.0.1:9", provider)
        for n in range(12):
            to = f"+1646555{line.pk % 10}{n:03d}"
            given = {"dialed_at": now, "placed_at": now, "next_read_at": now, "provider_call_id": f"p{to}"}
            support.single(line, to, status=Status.DIALING, **given)
    slow, other = callers.provider_accounts.order_by("pk")
    found = Counter(due.call.account_id for due in polling.claim(50, {slow.pk: 3, other.pk: 10}.__getitem__))
    assert found == {slow.pk: 3, other.pk: 10}
    assert not polling.claim(50, lambda account_id: 0)

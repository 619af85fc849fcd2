"""Place calls: commit the intent, then send exactly one request, then record the answer.

Locks are taken in one order everywhere: organization, provider account, campaigns, numbers, contacts, calls. A claim
locks no numbers (docs/adr/0009-persons-and-numbers.md).
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Min
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING, SEND_WITHIN
from calls.dialing.dequeueing import follow_number, take_back
from calls.gate import budgets, pacing, rate_limits
from calls.gate import facts as fact_sheet
from calls.gate.capacity import load_of
from calls.gate.checks import CheckName
from calls.gate.decision import SOON, Decision, decide
from calls.gate.selection import BY_A_STAND_IN, Choices, why_another_way
from calls.models import Call, CallEvent, Status, record_event
from calls.outcomes import placement_results, staff_decisions
from calls.outcomes.placement_results import Placement
from campaigns.contact_locks import holder_keys
from campaigns.models import Campaign, Contact, Recipient
from providers.adapters import http
from providers.adapters.base import Provider, Reading
from providers.adapters.errors import NotSent, ProviderError
from providers.models import ProviderAccount
from tenants import failpoints
from tenants.models import Organization

logger = logging.getLogger(__name__)
BATCH = 8
LEASE = timedelta(seconds=CLUSTER_TIMING.lease)


@dataclass(frozen=True)
class Claim:
    """A call that is committed to be dialled once. The `fence` tells its answer from those of other claims."""

    call: Call
    adapter: Provider
    fence: int
    committed: float  # time.monotonic() at the `dialed_at` of its call


Answer = tuple[Claim, Reading | ProviderError]


class Overslept(NotSent):
    """This process was delayed too long between the claim and the request. The account is not to blame."""


def accounts_with_work(now: datetime) -> list[int]:
    """Return the keys of the accounts with a queued call that is due."""
    due = Call.objects.about_to_go(now)
    return list(due.order_by().values_list("account_id", flat=True).distinct())


def until_next(now: datetime, at_most: float) -> float:
    """Return the seconds until the next queued call is due, at most `at_most`, so that calls keep their pace."""
    soon = Call.objects.queued().filter(due_at__gt=now, due_at__lt=now + timedelta(seconds=at_most))
    due_at = soon.aggregate(first=Min("due_at"))["first"]
    return (due_at - now).total_seconds() if due_at else at_most


def claim(account_id: int, limit: int = BATCH) -> list[Claim]:
    """Commit up to `limit` due calls of one account to being dialled, after asking the gate under all locks.

    A call that may not be dialled now is deferred or ended with the reason. All of this is one transaction, and nothing
    is sent in it.
    """
    with transaction.atomic(durable=True):
        account = _lock_account(account_id)
        # One moment on both clocks: `wait_for_silence` counts from `dialed_at`, `send` from `committed`.
        now, started = timezone.now(), time.monotonic()
        if account is None or not account.is_active or account.blocked(now):
            return []
        batch = _candidates(account, now, min(limit, load_of(account, now).room_to_place))
        batch = _lock_contacts(batch)
        calls = _fresh(batch)
        allowed = _ask_the_gate(calls, now)
        taken = rate_limits.take_for_placing(account, len(allowed), now)
        committed = [call for call, decision in allowed[:taken] if _commit(call, decision, now)]
        pacing.record_placed(committed, now)
        if committed:
            failpoints.reach("placing.claiming")
    if connection.connection is None:
        # A connection that closes within a transaction rolls it back without an error: nothing of it may be sent.
        raise OperationalError("The connection was closed before the claim was committed.")
    if committed:
        failpoints.reach("placing.claimed")
    return [Claim(call, call.account.adapter, call.placing_attempts, started) for call in committed]


def _lock_account(account_id: int) -> ProviderAccount | None:
    owner = Organization.objects.filter(provider_accounts=account_id)
    list(owner.select_for_update(no_key=True, of=("self",)))
    return ProviderAccount.objects.select_for_update(no_key=True).filter(pk=account_id).first()


def _candidates(account: ProviderAccount, now: datetime, limit: int) -> list[Call]:
    """Return due calls by priority, then due time. Calls that another worker holds are left out."""
    if limit <= 0:
        return []
    due = account.calls.about_to_go(now).select_for_update(skip_locked=True, of=("self",))
    return list(due.order_by("-priority", "due_at", "pk")[:limit])


def _lock_contacts(batch: list[Call]) -> list[Call]:
    """Lock the campaigns, then the contacts, each by key. Facts that are read afterwards hold until the commit.

    Claims of an organization take turns on its row, so two contacts who share a number are never claimed at once. A
    single call may reach everyone who has its number, so all of them are locked. Return the calls for which all are:
    not those whose number somebody got meanwhile.
    """
    campaigns = {call.campaign_id for call in batch if call.campaign_id}
    list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=campaigns).order_by("pk").values_list("pk"))
    contacts = {call.contact_id for call in batch}
    holders = _holders(batch)
    locked = Contact.objects.select_for_update(no_key=True).filter(pk__in=contacts | holders)
    list(locked.order_by("pk").values_list("pk"))
    return batch if _holders(batch) <= holders else [call for call in batch if not call.is_single]


def _holders(batch: Sequence[Call]) -> set[int]:
    """Return the keys of the contacts that have the number of a single call of the batch, which is of one account."""
    numbers = {call.to_number for call in batch if call.is_single}
    return set(holder_keys(batch[0].organization_id, numbers)) if numbers else set()


def _fresh(batch: Sequence[Call]) -> list[Call]:
    related = ("organization", "account", "assistant", "phone_number", "contact", "campaign", "recipient")
    found = Call.objects.select_related(*related).prefetch_related("campaign__windows")
    found = found.filter(pk__in=[call.pk for call in batch], status=Status.QUEUED)
    found = found.annotate(by_a_stand_in=BY_A_STAND_IN)
    return list(found.order_by("-priority", "due_at", "pk"))


def _ask_the_gate(calls: list[Call], now: datetime) -> list[tuple[Call, Decision]]:
    """Return the calls that may be dialled. The facts of each include what this batch has allowed before it.

    A call of a campaign to a number that its contact has no longer is replaced, and so is one by an assistant of
    weight 0 where another can call.
    """
    allowed: list[tuple[Call, Decision]] = []
    lines: Counter[int] = Counter()
    in_campaign: Counter[int | None] = Counter()
    reserved: defaultdict[int | None, Decimal] = defaultdict(Decimal)
    in_this_batch = Decimal(0)  # the batch is of one account, and so of one organization
    paced: dict[int | None, datetime | None] = {}
    choices: dict[int, Choices] = {}  # by campaign, for calls by stand-ins
    batch = fact_sheet.read_as_made(calls, now)
    for call in calls:
        if call.recipient and not batch.persons.has(call):
            call.recipient.contact = call.contact
            follow_number(call, call.recipient.number, now)
            continue
        if getattr(call, "by_a_stand_in", False) and _goes_another_way(call, choices, now):
            continue
        found = batch.facts_of(call)
        facts = replace(
            found,
            number_open=found.number_open + lines[call.phone_number_id],
            campaign_open=found.campaign_open + in_campaign[call.campaign_id],
            spent=found.spent + reserved[call.campaign_id],
            daily_budgets=tuple(
                replace(daily_budget, used=daily_budget.used + in_this_batch) for daily_budget in found.daily_budgets
            ),
            campaign_next_at=paced.get(call.campaign_id, found.campaign_next_at),
            number_in_a_day=found.number_in_a_day + lines[call.phone_number_id],
            number_last_at=now if lines[call.phone_number_id] else found.number_last_at,
        )
        decision = decide(facts, now)
        if decision.verdict == "allow":
            allowed.append((call, decision))
            batch.history.open.add(call)
            lines[call.phone_number_id] += 1
            in_campaign[call.campaign_id] += 1
            reserved[call.campaign_id] += facts.reserve
            in_this_batch += facts.reserve
            if call.campaign and pacing.applies_to(call):
                paced[call.campaign_id] = pacing.next_moment(call.campaign, facts.campaign_next_at, now)
        elif decision.verdict == "defer" and decision.until is not None:
            defer(call, decision.until, decision.reason, decision.detail)
        else:
            staff_decisions.cancel(call, decision.reason, decision.detail, decision=decision.as_json(now))
    return allowed


def _goes_another_way(call: Call, choices: dict[int, Choices], now: datetime) -> bool:
    """Take back a call by an assistant of weight 0, where another can call. Return whether it was taken back.

    The engine does so for all queued calls (`enqueueing.reroute`); a claim may come before it. `choices`: those of the
    campaigns that were looked at before, because an account in trouble may leave many calls to stand-ins.
    """
    assert call.campaign is not None  # noqa: S101
    if call.campaign.pk not in choices:
        choices[call.campaign.pk] = Choices(call.campaign, now)
    why = why_another_way(choices[call.campaign.pk], call, now)
    return bool(why) and take_back(call, "rerouted", why, now)


def defer(call: Call, until: datetime, reason: str, detail: str) -> None:
    """Give a queued call a later due time. It counts neither as an attempt nor for gaps."""
    is_new = call.status_reason != reason
    Call.objects.queued().filter(pk=call.pk).update(due_at=until, status_reason=reason)
    if is_new:  # one event for each reason, however often the call is deferred for it
        record_event(call, "deferred", CallEvent.Source.ENGINE, detail)


def _commit(call: Call, decision: Decision, now: datetime) -> bool:
    """Store the intent by compare-and-set. Return False when the call was not claimed.

    A constraint that refuses it defers this call alone; the rest of the batch goes on.
    """
    try:
        with transaction.atomic():
            won = (
                Call.objects.queued()
                .filter(pk=call.pk)
                .update(
                    status=Status.PLACING,
                    status_reason="",
                    lease_until=now + LEASE,
                    dialed_at=now,
                    placing_attempts=F("placing_attempts") + 1,
                    decision=decision.as_json(now),
                    cost_reserved=budgets.reserve_of(call.account),
                    campaign_version=call.campaign.version if call.campaign else None,
                )
            )
    except IntegrityError:
        defer(call, now + SOON, CheckName.OPEN_CALL, CheckName.OPEN_CALL.words)
        return False
    if won != 1:
        return False
    call.status, call.placing_attempts = Status.PLACING, call.placing_attempts + 1
    if call.recipient_id:
        Recipient.objects.filter(pk=call.recipient_id).update(attempts=F("attempts") + 1)
    record_event(
        call, "placing", CallEvent.Source.ENGINE, f"Attempt {call.attempt}.", before=Status.QUEUED, after=Status.PLACING
    )
    return True


async def send(client: http.Client, claim: Claim) -> Reading | ProviderError:
    """Send the one request of a claim. Return a ProviderError instead of raising it, because it is an answer."""
    try:
        request = claim.adapter.place(claim.call.as_order())
        if time.monotonic() - claim.committed > SEND_WITHIN:
            return Overslept("Too much time passed between the decision and the request, so nothing was sent.")
        failpoints.reach("placing.sending")
        answer = await client.place(request)
        failpoints.reach("placing.answered")
        return claim.adapter.read_placing(answer)
    except ProviderError as error:
        return error


def record_all(answers: Sequence[Answer]) -> list[Answer]:
    """Store the answers to several placing requests. Return those that could not be stored: try them again."""
    failed = placement_results.record_all([_placement(*answer) for answer in answers], timezone.now())
    kept = {(placement.call_id, placement.fence) for placement in failed}
    left = [(claim, answer) for claim, answer in answers if (claim.call.pk, claim.fence) in kept]
    for _ in range(len(answers) - len(left)):
        failpoints.reach("placing.recorded")
    return left


def record(claim: Claim, answer: Reading | ProviderError) -> None:
    """Store the answer to one placing request, in a transaction of its own."""
    placement_results.record(_placement(claim, answer))
    failpoints.reach("placing.recorded")


def _placement(claim: Claim, answer: Reading | ProviderError) -> Placement:
    blames_account = not isinstance(answer, Overslept)
    return Placement(claim.call.pk, claim.call.account_id, claim.fence, answer, blames_account)

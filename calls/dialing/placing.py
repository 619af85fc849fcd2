"""Place calls: commit the intent, then send exactly one request, then record the answer.

Locks are taken in one order everywhere: organization, provider account, campaigns, numbers, contacts, calls. A claim
locks no numbers (docs/adr/0009-persons-and-numbers.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, Min, OuterRef, Subquery
from django.utils import timezone

from calls.deadlines import SEND_WITHIN
from calls.dialing import journalled
from calls.dialing.asking import Asking
from calls.dialing.intents import commit, defer
from calls.dialing.loading import with_relations
from calls.gate import inputs, pacing, rate_limits
from calls.gate.capacity import lines_of
from calls.models import Call
from calls.outcomes import circuit_breaker, placement_results
from calls.outcomes.placement_results import Placement
from campaigns.contact_locks import holder_keys
from campaigns.models import Campaign, Contact
from providers.adapters import http
from providers.adapters.base import Provider, Reading
from providers.adapters.errors import NotSent, ProviderError
from providers.models import Credentials, ProviderAccount
from tenants import alerts, failpoints, telemetry
from tenants.db.among import Among
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.db.loaded import relate
from tenants.journal.writer import NotWritten
from tenants.models import Organization

logger = logging.getLogger(__name__)
BATCH = 200  # calls of one claim, where the account's rate and lines allow as many
SPARE = 8  # calls that are passed to the gate beyond the account's rate, because it may put some off
OVERSLEPT = "Too much time passed between the decision and the request, so nothing was sent."
NOT_JOURNALLED = "The dial journal could not be written, so nothing was sent."
ROUNDS = 8  # of one claim, while it only puts off or ends the calls that it looks at


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
    due = Call.objects.about_to_go(now).filter(account=OuterRef("pk"))
    return list(ProviderAccount.objects.filter(Exists(due)).order_by("pk").values_list("pk", flat=True))


def until_next(now: datetime, at_most: float) -> float:
    """Return the seconds until the next queued call is due, at most `at_most`, so that calls keep their pace."""
    soon = Call.objects.queued().filter(due_at__gt=now, due_at__lt=now + timedelta(seconds=at_most))
    first = soon.filter(account=OuterRef("pk")).order_by("due_at").values("due_at")[:1]
    due_at = ProviderAccount.objects.aggregate(first=Min(Subquery(first)))["first"]
    return (due_at - now).total_seconds() if due_at else at_most


def claim(account_id: int, limit: int = BATCH) -> list[Claim]:
    """Commit up to `limit` due calls of one account to being dialled, after asking the gate under all locks.

    A call that may not be dialled now is deferred or ended with the reason. While no call may be dialled, the next ones
    are looked at, so that those who must wait do not keep the others waiting.

    Without a secret that a decision needs, no call of the account is committed, and an alert says so once a day.
    """
    if not journalled.is_ready():
        return []
    try:
        for _ in range(ROUNDS):
            claims, looked_at = _claim(account_id, limit)
            if claims or not looked_at:
                break
    except UndecryptableSecret as error:
        home = Organization.objects.get(provider_accounts=account_id)
        alerts.tell(home, f"calls.undecided:{home.uuid}:{timezone.now():%F}", f"No call is placed. {error}")
        return []
    return _journalled(claims)


def _journalled(claims: list[Claim]) -> list[Claim]:
    """Write the claims into the dial journal. If that fails, nothing is sent and they are given back.

    What cannot be given back, because the database does not answer either, is a doubt when its lease ends.
    """
    try:
        journalled.write_intents([claim.call for claim in claims])
    except NotWritten as error:
        logger.error("%s calls are not sent: %s", len(claims), error)
        if left := record_all([(claim, Overslept(NOT_JOURNALLED)) for claim in claims]):
            logger.error("%s of them cannot be given back. They become unconfirmed when their leases end.", len(left))
        return []
    return claims


def _claim(account_id: int, limit: int) -> tuple[list[Claim], int]:
    """Do one round: one transaction, in which nothing is sent. Return also how many calls it put off or ended."""
    told, began = journalled.told(), telemetry.now()
    with transaction.atomic(durable=True):
        account = _lock_account(account_id)
        # One moment on both clocks: `wait_for_silence` counts from `dialed_at`, `send` from `committed`.
        now, started = timezone.now(), time.monotonic()
        if account is None or not account.is_active or account.blocked(now):
            return [], 0
        if not account.credentials_readable:  # before anything is committed that would have to be sent
            circuit_breaker.block(account_id, ProviderAccount.Block.MISCONFIGURED, Credentials.UNREADABLE)
            return [], 0
        adapter = account.adapter
        room = min(limit, lines_of(account, now).room_to_place)
        batch = _candidates(account, now, min(room, rate_limits.free_for_placing(account, now) + SPARE))
        batch = _lock_contacts(batch)
        calls = with_relations(batch, account)
        asked = Asking(calls, now)
        taken = rate_limits.take_for_placing(account, len(asked.allowed), now)
        committed = commit(asked.allowed[:taken], now)
        defer(asked.deferred)
        pacing.record_placed(committed, now)
        if committed:
            journalled.mark(told)
            failpoints.reach("placing.claiming")
    if connection.connection is None:
        # A connection that closes within a transaction rolls it back without an error: nothing of it may be sent.
        raise OperationalError("The connection was closed before the claim was committed.")
    if committed:
        failpoints.reach("placing.claimed")
    for call in committed:
        telemetry.ended("call.claim", call.uuid, began, call=call.pk, attempt=call.placing_attempts)
    moved = len(asked.deferred) + asked.ended
    return [Claim(call, adapter, call.placing_attempts, started) for call in committed], moved


def _lock_account(account_id: int) -> ProviderAccount | None:
    """Lock the organization, then the account."""
    owners = Organization.objects.filter(provider_accounts=account_id)
    owner = owners.select_for_update(no_key=True, of=("self",)).first()
    account = ProviderAccount.objects.select_for_update(no_key=True).filter(pk=account_id).first()
    if account and owner:
        account.organization = owner
    return account


def _candidates(account: ProviderAccount, now: datetime, limit: int) -> list[Call]:
    """Return due calls by priority, then due time. Calls that another worker holds are left out.

    They are locked, so what is read with the lock holds until the commit: the latest version of each row.
    """
    if limit <= 0:
        return []
    due = account.calls.about_to_go(now).select_for_update(skip_locked=True, of=("self",)).only(*inputs.CALL)
    return list(due.order_by("-priority", "due_at", "pk")[:limit])


def _lock_contacts(batch: list[Call]) -> list[Call]:
    """Lock the campaigns, then the contacts, each by key. Facts that are read with the locks, or afterwards, hold
    until the commit. The calls get their contacts.

    Claims of an organization take turns on its row, so two contacts who share a number are never claimed at once. A
    single call may reach everyone who has its number, so all of them are locked. Return the calls for which all are:
    not those whose number somebody got meanwhile.
    """
    campaigns = {call.campaign_id for call in batch if call.campaign_id}
    list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=campaigns).order_by("pk").values_list("pk"))
    contacts = {call.contact_id for call in batch}
    holders = _holders(batch)
    locked = Contact.objects.select_for_update(no_key=True).filter(Among("pk", contacts | holders))
    people = {contact.pk: contact for contact in locked.only("uuid", *inputs.CONTACT).order_by("pk")}
    for call in batch:
        relate(call, contact=people[call.contact_id])
    return batch if _holders(batch) <= holders else [call for call in batch if not call.is_single]


def _holders(batch: Sequence[Call]) -> set[int]:
    """Return the keys of the contacts that have the number of a single call of the batch, which is of one account."""
    numbers = {call.to_number for call in batch if call.is_single}
    return set(holder_keys(batch[0].organization_id, numbers)) if numbers else set()


async def send(client: http.Client, claim: Claim) -> Reading | ProviderError:
    """Send the one request of a claim. Return a ProviderError instead of raising it, because it is an answer."""
    call = claim.call
    with telemetry.span("call.place", call.uuid, call=call.pk, attempt=claim.fence) as noted:
        answer = await _send(client, claim)
        noted["answer"] = type(answer).__name__
    return answer


async def _send(client: http.Client, claim: Claim) -> Reading | ProviderError:
    began = time.monotonic()
    try:
        request = claim.adapter.place(claim.call.as_order())
        if began - claim.committed > SEND_WITHIN:
            return Overslept(OVERSLEPT)
        failpoints.reach("placing.sending")
        # Connecting takes seconds too: whoever waits for silence has been answered by then.
        answer = await client.place(request, by=claim.committed + SEND_WITHIN)
        failpoints.reach("placing.answered")
        return claim.adapter.read_placing(answer)
    except ProviderError as error:
        late = time.monotonic() - claim.committed > SEND_WITHIN and began - claim.committed > SEND_WITHIN / 2
        return Overslept(OVERSLEPT) if late and isinstance(error, NotSent) and not error.throttled else error


def record_all(answers: Sequence[Answer]) -> list[Answer]:
    """Store the answers to several placing requests. Return those that could not be stored: try them again."""
    began = telemetry.now()
    journalled.add_answers((claim.call, claim.fence, answer) for claim, answer in answers)
    failed = placement_results.record_all([_placement(*answer) for answer in answers], timezone.now())
    kept = {(placement.call_id, placement.fence) for placement in failed}
    left = [each for each in answers if (each[0].call.pk, each[0].fence) in kept]
    for claim, _ in answers:
        if (claim.call.pk, claim.fence) not in kept:
            telemetry.ended("call.record", claim.call.uuid, began, call=claim.call.pk, attempt=claim.fence)
            failpoints.reach("placing.recorded")
    return left


def record(claim: Claim, answer: Reading | ProviderError) -> None:
    """Store the answer to one placing request, in a transaction of its own."""
    journalled.add_answers([(claim.call, claim.fence, answer)])
    placement_results.record(_placement(claim, answer))
    failpoints.reach("placing.recorded")


def _placement(claim: Claim, answer: Reading | ProviderError) -> Placement:
    blames_account = not isinstance(answer, Overslept)
    return Placement(claim.call.pk, claim.call.account_id, claim.fence, answer, blames_account)

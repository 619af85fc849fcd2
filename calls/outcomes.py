"""What becomes of a call. `record` is the only writer of a status after the placing.

Every function is one transaction and locks the call first; each may be repeated without a second effect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from calls import accounts, opt_out, outbox, schedule, tokens
from calls import facts as fact_sheet
from calls.folding import fold
from calls.models import (
    LOST,
    TERMINAL,
    Call,
    CallEvent,
    StaffDecision,
    Status,
    evidence,
)
from campaigns import retries
from campaigns.models import Campaign, Recipient, RetryRule
from providers.adapters.base import Snapshot
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from tenants import failpoints

logger = logging.getLogger(__name__)

REQUEUE_AFTER = timedelta(seconds=10)
REQUEUE_MISCONFIGURED_AFTER = timedelta(minutes=1)
SETTLING_LASTS = timedelta(minutes=30)
RESPONSE, READ, ENGINE, STAFF = (
    CallEvent.Source.RESPONSE,
    CallEvent.Source.READ,
    CallEvent.Source.ENGINE,
    CallEvent.Source.STAFF,
)


# The answers to a placing.


def placed(pk: int, fence: int, seen: Snapshot) -> None:
    """A 2xx with a usable id."""
    accounts.reached(pk)

    def answered(call: Call, person_locked: bool) -> str:
        if call.placing_attempts != fence:
            _event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: placed as {seen.provider_call_id}.")
            return call.status
        return _record(call, seen, RESPONSE, person_locked=person_locked)

    _with_person_if_need_be(pk, answered)


def requeue(pk: int, fence: int, error: NotSent, *, blames_account: bool = True) -> None:
    """Certainly nothing was placed: back to the queue, later. It never happened for caps and gaps."""
    now = timezone.now()
    wait = timedelta(seconds=error.retry_after) if error.retry_after else REQUEUE_AFTER
    with transaction.atomic():
        call = _locked(pk)
        if _undo_claim(call, fence, now + wait, "not_sent", str(error)) and blames_account:
            if error.throttled:
                tokens.close_for_placing(call.account_id, wait.total_seconds(), now)
            else:
                accounts.not_reached(call.account_id, str(error), now)


def misconfigured(pk: int, fence: int, error: Misconfigured) -> None:
    """Every call would be refused alike: the account is blocked, its campaigns pause, the call waits."""
    now = timezone.now()
    with transaction.atomic():
        call = _locked(pk)
        if _undo_claim(call, fence, now + REQUEUE_MISCONFIGURED_AFTER, "misconfigured", str(error)):
            accounts.block(call.account_id, accounts.Block.MISCONFIGURED, str(error))


def refuse(pk: int, fence: int, error: Rejected) -> None:
    """The provider refused this call in its own words. It rang nobody."""
    accounts.reached(pk)
    with transaction.atomic():
        call = _locked(pk)
        if not _may_conclude(call, fence):
            _event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: refused.")
            return
        call.dialed_at = None
        call.error_message = str(error)[:500]
        call.ended_reason = call.ended_reason or "refused"
        _finish(call, Status.FAILED, RESPONSE, str(error), raw=error.evidence)
        if call.campaign_id:
            accounts.pause_if_refused_alike(call)


def doubt(pk: int, fence: int, error: ProviderError) -> None:
    """It may be ringing. It is never dialled again by itself; evidence or a person moves it on."""
    with transaction.atomic():
        call = _locked(pk)
        if call.placing_attempts != fence or call.status != Status.PLACING:
            _event(call, "late_answer", RESPONSE, str(error), raw=error.evidence)
            return
        _doubt(call, RESPONSE, str(error), raw=error.evidence)
        accounts.not_reached(call.account_id, str(error), timezone.now())


def reap(now: datetime, limit: int = 200) -> int:
    """Claims without an answer within their lease become doubts, and nothing else."""
    stranded = list(Call.objects.stranded(now).order_by("lease_until").values_list("pk", flat=True)[:limit])
    reaped = 0
    for pk in stranded:
        with transaction.atomic():
            call = _locked(pk)
            if call.status == Status.PLACING and call.lease_until and call.lease_until < now:
                _doubt(call, ENGINE, "No answer was recorded in time; the request may have gone out.")
                reaped += 1
                failpoints.reach("outcomes.reaping")
        failpoints.reach("outcomes.reaped")
    return reaped


# Evidence about a call that was placed, or may have been.


def record(pk: int, seen: Snapshot, source: str, raw: bytes = b"") -> str:
    """Fold one piece of evidence into a call. Answers its status afterwards."""
    return _with_person_if_need_be(pk, lambda call, person: _record(call, seen, source, raw, person_locked=person))


def _with_person_if_need_be(pk: int, work: Callable[[Call, bool], str]) -> str:
    """One transaction under the call's lock. Who has to lock the person too does so first, in the order of a placing:
    rare enough that finding it out costs a transaction that is rolled back."""
    try:
        with transaction.atomic():
            return work(_locked(pk), False)
    except opt_out.NeedsPerson:
        with transaction.atomic():
            opt_out.lock_person(Call.objects.only("account", "campaign", "contact").get(pk=pk))
            return work(_locked(pk), True)


def _record(call: Call, seen: Snapshot, source: str, raw: bytes = b"", *, person_locked: bool) -> str:
    now = timezone.now()
    before = call.status
    found = fold(call, seen)
    if found.conflict:
        _event(call, "conflict", source, found.conflict, raw=raw)
    if not found.foreign:
        opt_out.honour(call, seen, source, person_locked=person_locked)
    changes = dict(found.changes)
    changes.pop("status", None)
    for name, value in changes.items():
        setattr(call, name, value)
    _follow_on(call, seen, found.status or before, now)
    if found.status in TERMINAL:
        _finish(call, Status(found.status), source, _words(seen), raw=raw)
        return call.status
    if found.status is not None:
        call.status = found.status
        call.status_reason = ""
        call.dialed_at = call.dialed_at or now
        call.placed_at = call.placed_at or now
        call.lease_until = None
        _event(call, "status", source, _words(seen), before, call.status, raw)
        if before == Status.UNCONFIRMED and call.recipient_id:
            _move_recipient(call, Recipient.Status.CALLING, only_from=Recipient.Status.REVIEW, if_going=True)
    elif seen.state.name == "UNRECOGNISED" and not _seen_before(call, seen):
        _event(call, "unrecognised", source, f"The provider says '{seen.provider_status[:100]}'.", raw=raw)
    call.save()
    outbox.tell(call)
    failpoints.reach("outcomes.recording")
    if before == Status.UNCONFIRMED and call.status != before:
        accounts.lift_if_settled(call.account_id)
    return call.status


def _follow_on(call: Call, seen: Snapshot, status: str, now: datetime) -> None:
    """When somebody looks again."""
    if status in TERMINAL:
        if not seen.state.is_terminal:
            return  # a late report of the way there says nothing of what is still awaited
        if seen.settled:
            call.next_read_at = None
            return
        call.settle_until = call.settle_until or now + SETTLING_LASTS
        waiting = call.provider_call_id and now < call.settle_until
        call.next_read_at = now + schedule.SETTLING if waiting else None
    elif call.next_read_at is None or call.status == Status.UNCONFIRMED:
        call.next_read_at = schedule.next_read(call.placed_at or now, now)
        retention = call.account.adapter.retention_seconds
        if retention:
            call.retention_at = now + timedelta(seconds=retention)


def give_up(pk: int, status: Status, detail: str) -> None:
    """No evidence will come any more: `expired` or `unknown`. Real evidence may still replace it, once."""
    with transaction.atomic():
        call = _locked(pk)
        if call.status in TERMINAL:
            return
        call.ended_reason = call.ended_reason or ("status_expired" if status == Status.EXPIRED else "poll_deadline")
        call.next_read_at = None
        _finish(call, status, ENGINE, detail)


# A person's word.


class NotPossible(Exception):
    """The call is not in a state that allows it. A sentence for the person."""


def cancel(call: Call, reason: str, detail: str, *, actor: str = "", decision: Mapping[str, Any] | None = None) -> bool:
    """End a queued call that will not be placed. False when it is not queued any more.

    `decision`: the gate's answer that ends it, kept as evidence.
    """
    with transaction.atomic():
        fresh = _locked(call.pk)
        if fresh.status != Status.QUEUED:
            return False
        fresh.status_reason = fresh.ended_reason = reason
        fresh.decision = decision or fresh.decision
        _finish(fresh, Status.CANCELED, STAFF if actor else ENGINE, f"{detail} ({actor})" if actor else detail)
        return True


def confirm_placed(pk: int, provider_call_id: str, *, actor: str, reason: str) -> None:
    """A person found the call at the provider: it is followed from now on. Raises NotPossible."""
    now = timezone.now()
    with transaction.atomic():
        call = _locked(pk)
        if call.status not in (Status.UNCONFIRMED, Status.UNKNOWN):
            raise NotPossible("Only an unconfirmed call can be said to have been placed.")
        if not provider_call_id or len(provider_call_id) > 200 or not provider_call_id.isprintable():
            raise NotPossible("Give the provider's id of the call, as its dashboard shows it.")
        taken = Call.objects.filter(account=call.account_id, provider_call_id=provider_call_id).exclude(pk=pk)
        if taken.exists():
            raise NotPossible("Another call has this provider's id already.")
        before = call.status
        _decide(call, Status.PLACED, actor, reason)
        call.provider_call_id, call.status = provider_call_id, Status.PLACED
        call.placed_at, call.next_read_at, call.terminal_at = call.placed_at or call.dialed_at or now, now, None
        try:
            with transaction.atomic():
                call.save()
        except IntegrityError as error:
            raise NotPossible("Another call to this number is open. Settle that one first.") from error
        StaffDecision.objects.filter(call=call, applied=False).update(applied=True)
        _event(call, "staff", STAFF, f"{actor}: it was placed. {reason}", before, call.status)
        outbox.tell(call)
        accounts.lift_if_settled(call.account_id)


def release(pk: int, *, actor: str, reason: str) -> None:
    """A person knows that it was not placed: this call ends, its recipient may be called again. Raises NotPossible."""
    if not reason.strip():
        raise NotPossible("Say how you know that it was not placed.")
    with transaction.atomic():
        call = _locked(pk)
        if call.status != Status.UNCONFIRMED:
            raise NotPossible("Only an unconfirmed call can be released.")
        _decide(call, Status.CANCELED, actor, reason)
        call.dialed_at = None
        call.ended_reason = "released_by_staff"
        _finish(call, Status.CANCELED, STAFF, f"{actor}: it was not placed. {reason}")


def _decide(call: Call, to: Status, actor: str, reason: str) -> None:
    frozen = call.status in TERMINAL
    StaffDecision.objects.create(
        call=call, actor=actor, reason=reason[:500], from_status=call.status, to_status=to, applied=not frozen
    )


# Below: shared steps. The call is locked.


def _locked(pk: int) -> Call:
    related = ("account", "campaign", "recipient", "organization", "assistant")
    call = Call.objects.select_related(*related).select_for_update(of=("self",)).get(pk=pk)
    if call.campaign:
        call.campaign.organization = call.organization  # the same, known already
    return outbox.remember(call)


def _may_conclude(call: Call, fence: int) -> bool:
    """Whether this claim's own answer may still decide: nothing else has, and nobody claimed again."""
    return call.placing_attempts == fence and call.status in (Status.PLACING, Status.UNCONFIRMED)


def _undo_claim(call: Call, fence: int, due_at: datetime, reason: str, detail: str) -> bool:
    if not _may_conclude(call, fence) or call.provider_call_id:
        _event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: {detail}")
        return False
    before = call.status
    try:
        with transaction.atomic():
            call.status, call.status_reason, call.due_at = Status.QUEUED, reason, due_at
            call.lease_until = call.dialed_at = call.next_read_at = None
            call.cost_reserved = Decimal(0)
            call.save()
    except IntegrityError:  # another single call to this number was queued meanwhile: that one stands for both
        call.refresh_from_db()
        call.dialed_at, call.ended_reason = None, "superseded"
        _finish(call, Status.CANCELED, ENGINE, "Another call to this number is queued already.")
        return True
    if call.recipient_id:
        mine = Recipient.objects.filter(pk=call.recipient_id)
        mine.update(attempts=F("attempts") - 1)
        mine.exclude(status=Recipient.Status.WITHDRAWN).update(status=Recipient.Status.CALLING, reason="")
    _event(call, reason, RESPONSE, detail, before, Status.QUEUED)
    return True


def _doubt(call: Call, source: str, detail: str, raw: bytes = b"") -> None:
    before = call.status
    call.status, call.status_reason = Status.UNCONFIRMED, "placing_ambiguous"
    call.lease_until = None
    call.next_read_at = schedule.next_look(call, timezone.now())
    call.error_message = call.error_message or detail[:500]
    call.save()
    _event(call, "unconfirmed", source, detail, before, call.status, raw)
    outbox.tell(call)
    _move_recipient(call, Recipient.Status.REVIEW, reason="unconfirmed")
    accounts.block_if_too_doubtful(call.account_id)


def _finish(call: Call, status: Status, source: str, detail: str, raw: bytes = b"") -> None:
    """The end, in one transaction: status, times, cost, recipient, outbox."""
    now = timezone.now()
    before = call.status
    call.status = status
    call.terminal_at = now
    call.lease_until = None
    if not call.ended_reason:
        call.ended_reason = {Status.COMPLETED: "", Status.NO_ANSWER: "no_answer", Status.BUSY: "busy"}.get(status, "")
    _settle(call)
    call.save()
    StaffDecision.objects.filter(call=call, applied=False).update(applied=True)
    _event(call, "ended", source, detail, before, status, raw)
    _move_on(call, now)
    if call.callback_url and before not in LOST:
        outbox.add_callback(call)
    outbox.tell(call)
    if before == Status.UNCONFIRMED:
        accounts.lift_if_settled(call.account_id)
    failpoints.reach("outcomes.ending")


def _settle(call: Call) -> None:
    price = call.account.price_per_minute
    if call.cost is None and price is not None:
        seconds = call.billed_duration_seconds or call.duration_seconds or 0
        call.cost = (price * seconds / 60).quantize(Decimal("0.000001")) if call.dialed_at else Decimal(0)
        call.cost_currency = call.account.price_per_minute_currency
    call.cost_reserved = Decimal(0)


def _move_on(call: Call, now: datetime) -> None:
    """The recipient's fate after this call: another attempt, or done."""
    recipient, campaign = call.recipient, call.campaign
    if recipient is None or campaign is None or recipient.status == Recipient.Status.WITHDRAWN:
        return
    recipient.refresh_from_db(fields=["attempts", "status"])
    if call.status == Status.CANCELED:
        _after_cancel(call, recipient, campaign, now)
        return
    again = _next_attempt(call, recipient, campaign, now) if campaign.status in GOING else None
    recipient.outcome = call.status
    recipient.reason = "voicemail" if call.is_voicemail else call.ended_reason[:200]
    recipient.status = Recipient.Status.WAITING if again else Recipient.Status.DONE
    recipient.next_attempt_at = max(again, now) if again else None
    recipient.save(update_fields=["outcome", "reason", "status", "next_attempt_at"])


def _next_attempt(call: Call, recipient: Recipient, campaign: Campaign, now: datetime) -> datetime | None:
    rules = [retry_rule(rule) for rule in campaign.retry_rules.all()]
    again = retries.next_attempt(
        rules,
        call.status,
        call.is_voicemail,
        recipient.attempts,
        campaign.max_attempts,
        call.ended_at or now,
        min_gap_of(campaign),
    )
    rule = retries.rule_after(rules, call.status, call.is_voicemail)
    if again is None or rule is None or not rule.other_time_of_day:
        return again
    [facts] = fact_sheet.load([call], now)  # the hours and zones that the gate will ask
    last = call.dialed_at or call.ended_at or now
    return retries.at_another_time_of_day(
        max(again, now), last, facts.hours, facts.zones, facts.not_after, recipient.contact_id
    )


GOING = (Campaign.Status.RUNNING, Campaign.Status.PAUSED)


def _after_cancel(call: Call, recipient: Recipient, campaign: Campaign, now: datetime) -> None:
    recipient.reason = call.ended_reason[:200]
    if call.ended_reason == "released_by_staff" and campaign.status in GOING:
        recipient.status, recipient.next_attempt_at = Recipient.Status.WAITING, now
        recipient.attempts = max(0, recipient.attempts - 1)
    elif call.ended_reason in {"campaign", "campaign_canceled"}:
        touched = recipient.attempts > 0
        recipient.status = Recipient.Status.DONE if touched else Recipient.Status.WITHDRAWN
    elif call.ended_reason == "no_open_window":
        recipient.status = Recipient.Status.DONE
    else:
        recipient.status = Recipient.Status.DONE if recipient.attempts else Recipient.Status.SKIPPED
    if recipient.status == Recipient.Status.DONE and not recipient.outcome:
        recipient.outcome = Status.CANCELED
    recipient.save(update_fields=["reason", "status", "next_attempt_at", "attempts", "outcome"])


def retry_rule(rule: RetryRule) -> retries.Rule:
    """A stored rule as the pure one."""
    return retries.Rule(
        outcome=rule.outcome,
        wait=timedelta(minutes=rule.wait_minutes),
        max_attempts=rule.max_attempts,
        multiplier=rule.multiplier,
        max_wait=None if rule.max_wait_minutes is None else timedelta(minutes=rule.max_wait_minutes),
        other_time_of_day=rule.other_time_of_day,
    )


def min_gap_of(campaign: Campaign) -> timedelta:
    minutes = campaign.min_gap_minutes
    return timedelta(minutes=campaign.organization.min_gap_minutes if minutes is None else minutes)


def _move_recipient(
    call: Call, status: str, *, reason: str = "", only_from: str | None = None, if_going: bool = False
) -> None:
    if not call.recipient_id or (if_going and call.campaign and call.campaign.status not in GOING):
        return
    found = Recipient.objects.filter(pk=call.recipient_id).exclude(status=Recipient.Status.WITHDRAWN)
    if only_from:
        found = found.filter(status=only_from)
    found.update(status=status, reason=reason)


def _event(
    call: Call, type_: str, source: str, detail: str = "", before: str = "", after: str = "", raw: bytes = b""
) -> None:
    CallEvent.objects.create(
        call=call,
        type=type_,
        source=source,
        detail=evidence(detail)[:2000],
        from_status=before,
        to_status=after,
        raw=evidence(raw) if raw else "",
    )


def _seen_before(call: Call, seen: Snapshot) -> bool:
    return call.events.filter(type="unrecognised", detail__contains=f"'{seen.provider_status[:100]}'").exists()


def _words(seen: Snapshot) -> str:
    said = f"The provider says '{seen.provider_status[:100]}'." if seen.provider_status else ""
    return f"{said} {seen.ended_reason}".strip()

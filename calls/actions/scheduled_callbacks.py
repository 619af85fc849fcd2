"""Call-backs: somebody asked to be called at a time. Promised, queued when due, and kept or missed, said aloud.

While one is due its recipient is set aside for it (waiting, without a next attempt), so that no retry comes before it
and the campaign is not over.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from calls.actions.quiescing import IllegalNow
from calls.actions.single_calls import Refused
from calls.dialing import enqueueing
from calls.dialing.dequeueing import take_back
from calls.gate.checks import CheckName
from calls.gate.selection import values_for
from calls.models import OPEN, Call, CallBack, CallEvent, Status, record_event
from calls.outcomes import staff_decisions
from calls.reports import explain
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.windows import candidate_zones, is_open, local_text, next_opening
from tenants import alerts, audit_log

logger = logging.getLogger(__name__)
S = Recipient.Status
B = CallBack.Status
TOLERANCE = timedelta(minutes=30)
AT_ONCE = 500
CANCELED_BY_SOMEBODY = ("canceled_by_request", "canceled_by_staff", "call_back_canceled")
GOING = (Campaign.Status.RUNNING, Campaign.Status.PAUSED)
IDLE = (S.PENDING, S.WAITING, S.DONE, S.SKIPPED)
RELATED = ("contact", "recipient__contact", "recipient__campaign__organization", "call", "organization")


def promise(
    recipient: Recipient, at: datetime, *, actor: str, note: str = "", tolerance: timedelta = TOLERANCE
) -> CallBack:
    """Call this person at `at`, at most `tolerance` later. It takes the place of a retry.

    Raises Refused where a rule forbids it, IllegalNow where the campaign or recipient is over or has one due already.
    """
    now = timezone.now()
    campaign = Campaign.objects.select_related("organization").get(pk=recipient.campaign_id)
    if campaign.status not in GOING:
        raise IllegalNow(f"A {campaign.status} campaign calls nobody back; start or resume it first.")
    _refuse_time(campaign, recipient.contact, at, now)
    detail = "The person asked to be called later; the call-back takes its place."
    for call in Call.objects.queued().filter(recipient=recipient, asked_for=False):
        take_back(call, "call_back", detail, now)
    with transaction.atomic():
        contact = Contact.objects.select_for_update(no_key=True).get(pk=recipient.contact_id)
        held = Recipient.objects.select_for_update().get(pk=recipient.pk)
        if held.status == S.WITHDRAWN:
            raise IllegalNow("This person was withdrawn from the campaign.")
        if entries.listed(contact.organization_id, [contact.phone], max(now, at)):
            raise Refused("This number is on the do-not-call list.", CheckName.DO_NOT_CALL)
        if contact.held(at):
            raise Refused("This person is on hold then; lift the hold first.", CheckName.HOLD, contact.hold_until)
        found = CallBack(
            organization=campaign.organization,
            contact=contact,
            recipient=held,
            due_at=at,
            latest_at=at + tolerance,
            note=note,
            created_by=actor,
        )
        try:
            with transaction.atomic():
                found.save()
        except IntegrityError as error:
            raise IllegalNow("A call-back is promised to this person already; cancel that one first.") from error
        _set_aside(found, held)
        _note(found, "promise", actor, {"at": at.isoformat(), "note": note})
    return found


def cancel(call_back: CallBack, *, actor: str, reason: str = "") -> None:
    """The person shall not be called back after all. Raises IllegalNow when it is kept, missed or under way."""
    with transaction.atomic():
        found = _locked(call_back.pk)
        if found is None or found.status != B.DUE:
            raise IllegalNow("This call-back is not due any more.")
        if found.call and found.call.status in OPEN:
            raise IllegalNow("The person is being called at this moment.")
    # The call's lock is taken before that of the call-back, as everywhere.
    if found.call and not _drop(found.call, "call_back_canceled", "The call-back was canceled."):
        raise IllegalNow("The person is being called at this moment.")
    with transaction.atomic():
        if (found := _locked(call_back.pk)) is None:
            return
        if found.status == B.DUE:
            _end(found, B.CANCELED, reason or f"Canceled by {actor}.", timezone.now())
        _note(found, "cancel", actor, {})
    call_back.refresh_from_db()


def step(now: datetime) -> int:
    """What the engine does about call-backs, again and again. Answers how many were queued."""
    settle(now)
    return queue_due(now)


def queue_due(now: datetime) -> int:
    """Call-backs whose time has come become calls that go before all other calls of campaigns."""
    unprepared = CallBack.objects.filter(status=B.DUE, status_before="", recipient__status__in=IDLE)
    for pk in unprepared.values_list("pk", flat=True)[:AT_ONCE]:
        with transaction.atomic():
            found = _locked(pk)
            if found and found.status == B.DUE:
                _set_aside(found, Recipient.objects.select_for_update().get(pk=found.recipient_id))
    due = CallBack.objects.filter(
        status=B.DUE,
        due_at__lte=now,
        latest_at__gt=now,
        call=None,
        recipient__status__in=IDLE,
        recipient__campaign__status=Campaign.Status.RUNNING,
    )
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(_queue(pk, now) for pk in ids)


def settle(now: datetime) -> None:
    """Kept where its call was placed in time, missed where its time passed without."""
    called = Q(call__isnull=False) & ~Q(call__status__in=[Status.QUEUED, Status.PLACING])
    gone = Q(recipient__campaign__status__in=[Campaign.Status.CANCELED, Campaign.Status.FINISHED])
    ripe = CallBack.objects.filter(called | gone | Q(latest_at__lte=now), status=B.DUE)
    for pk in list(ripe.order_by("latest_at").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            _settle(pk, now)
        except Exception:  # one that cannot be settled must not keep the others waiting
            logger.exception("Call-back %s could not be settled", pk)


def _settle(pk: int, now: datetime) -> None:
    known = CallBack.objects.select_related(*RELATED).get(pk=pk)
    late = known.latest_at <= now
    if late and known.call and known.call.status == Status.QUEUED:
        why = _why_queued(known.call)
        _drop(known.call, CheckName.TOO_LATE, "The time of the call-back passed.")
    else:
        why = _why(known, now)
    with transaction.atomic():
        found = _locked(pk)
        if found is None or found.status != B.DUE:
            return
        call, campaign = found.call, found.recipient.campaign
        if call and call.status in (Status.QUEUED, Status.PLACING):
            return  # somebody else has it: looked at again
        if call and call.dialed_at and call.status != Status.UNCONFIRMED:
            in_time = found.due_at <= call.dialed_at <= found.latest_at
            _end(found, B.KEPT if in_time else B.MISSED, "" if in_time else "It was called too late.", now)
        elif call and call.status == Status.UNCONFIRMED:
            if late:
                _end(found, B.MISSED, "Nobody knows whether it was called: the call is unconfirmed.", now)
        elif call and call.ended_reason in CANCELED_BY_SOMEBODY:
            _end(found, B.CANCELED, "Its call was canceled.", now)
        elif campaign.status not in GOING:
            _end(found, B.CANCELED, f"The campaign was {campaign.get_status_display().lower()}.", now)
        elif late or call:
            _end(found, B.MISSED, why, now)


def _queue(pk: int, now: datetime) -> int:
    with transaction.atomic():
        found = _locked(pk)
        if found is None or found.status != B.DUE or found.call_id:
            return 0
        recipient = Recipient.objects.select_related("contact", "campaign__organization").get(pk=found.recipient_id)
        if recipient.status not in IDLE or Call.objects.filter(recipient=recipient, status__in=OPEN).exists():
            return 0  # it waits for the call under way
        call = explain.next_call(recipient, now)
        if call is None:
            return 0
        call.dynamic_variables, missing = values_for(recipient.campaign, call)
        if missing:
            return 0  # `settle` says why, unless somebody gives them in time
        call.priority, call.asked_for = Call.PRIORITY_CALL_BACK, True
        call.due_at, call.not_before, call.not_after = now, found.due_at, found.latest_at
        try:
            with transaction.atomic():
                call.save()
        except IntegrityError:  # a queued call of the recipient: it is dealt with first
            return 0
        CallBack.objects.filter(pk=pk).update(call=call)
        enqueueing.mark_calling(call)
        record_event(
            call,
            "queued",
            CallEvent.Source.ENGINE,
            f"The person asked to be called back at {found.due_there(now)}.",
            after=Status.QUEUED,
        )
    return 1


def _refuse_time(campaign: Campaign, contact: Contact, at: datetime, now: datetime) -> None:
    if at <= now:
        raise Refused("This is in the past.", "past")
    if campaign.ends_at and at >= campaign.ends_at:
        raise Refused(
            f"The campaign ends before, at {local_text(campaign.ends_at, campaign.zone, now)}.", CheckName.TOO_LATE
        )
    zones = candidate_zones(contact.timezone, contact.phone, campaign.zone)
    hours = (legal_hours(contact.phone),)
    if not campaign.legal_override and not is_open(hours, zones, at):
        message = f"This is outside the legal calling hours in {', '.join(zones)}."
        raise Refused(message, CheckName.CALLING_HOURS, next_opening(hours, zones, at))


def _set_aside(found: CallBack, recipient: Recipient) -> None:
    """Nothing calls the person before. Whoever is being called is set aside when that call is over."""
    if recipient.status not in IDLE:
        return
    found.status_before, found.next_attempt_before = recipient.status, recipient.next_attempt_at
    found.save(update_fields=["status_before", "next_attempt_before"])
    Recipient.objects.filter(pk=recipient.pk).update(status=S.WAITING, reason="call_back", next_attempt_at=None)


def _end(found: CallBack, status: CallBack.Status, reason: str, now: datetime) -> None:
    found.status, found.reason, found.ended_at = status, reason[:500], now
    found.save(update_fields=["status", "reason", "ended_at"])
    if status != B.KEPT:
        _give_back(found, now)
    if status == B.MISSED:
        who, when = str(found.contact), found.due_there(now)
        words = f"{who} asked to be called back at {when} and was not. {reason}"
        alerts.tell(found.organization, f"call_back.missed:{found.uuid}", words, str(found.uuid))


def _give_back(found: CallBack, now: datetime) -> None:
    """Nobody was called: the recipient goes on from where it was."""
    if not found.status_before or (found.call and found.call.status != Status.CANCELED):
        return
    aside = Q(status=S.WAITING, next_attempt_at=None, reason="call_back")
    if found.call:
        aside |= Q(status__in=[S.DONE, S.SKIPPED])  # where the end of that call left it
    going = found.status_before in (S.PENDING, S.WAITING)
    Recipient.objects.filter(aside, pk=found.recipient_id).update(
        status=found.status_before, reason="", next_attempt_at=(found.next_attempt_before or now) if going else None
    )


def _drop(call: Call, reason: str, detail: str) -> bool:
    """End the queued call of a call-back. False when it is queued no more and was not ended either."""
    staff_decisions.cancel(call, reason, detail)
    call.refresh_from_db()
    return call.status == Status.CANCELED


def _why(found: CallBack, now: datetime) -> str:
    """Why nobody was called, in words."""
    call, campaign = found.call, found.recipient.campaign
    if call is not None:
        last = call.events.filter(type="ended").last()
        return call.error_message or (last.detail if last else "") or "Its call was not placed."
    if campaign.status == Campaign.Status.PAUSED:
        return "The campaign was paused."
    if found.recipient.status in (S.CALLING, S.REVIEW):
        return "Another call to the person was under way."
    made = explain.next_call(found.recipient, now)
    if made is None:
        return "The campaign had no caller number to call from."
    _, missing = values_for(campaign, made)
    return f"The assistant needs {', '.join(missing)}." if missing else "The engine did not run."


def _why_queued(call: Call) -> str:
    """What the gate said last, or why it was not asked."""
    if call.campaign and call.campaign.status == Campaign.Status.PAUSED:
        return "The campaign was paused."
    last = call.events.exclude(detail="").exclude(type="queued").last()
    return last.detail if last else "No line was free in time."


def _locked(pk: int) -> CallBack | None:
    """The call-back, locked after its recipient, as `promise` does; with what it is about as it is now."""
    list(Recipient.objects.select_for_update(of=("self",)).filter(call_backs=pk).values_list("pk"))
    return CallBack.objects.select_related(*RELATED).select_for_update(of=("self",)).filter(pk=pk).first()


def _note(found: CallBack, what: str, actor: str, detail: dict[str, str]) -> None:
    audit_log.record(
        found.organization, actor=actor, action=f"call_back.{what}", subject=str(found.uuid), detail=detail
    )

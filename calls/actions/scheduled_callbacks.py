"""Scheduled callbacks: call a contact at the time the contact asked for. Each is kept, or missed with an alert.

While a callback is due, its recipient is parked: waiting, without a next attempt. So no retry comes before it,
and the campaign does not finish.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from calls.actions.quiescing import IllegalTransition
from calls.actions.single_calls import Refused
from calls.dialing import fates, turns
from calls.dialing.campaign_locks import locked_campaign
from calls.dialing.dequeueing import dequeue, take_back
from calls.gate.checks import CheckName
from calls.gate.selection import PERHAPS_STUCK, Choices, choices_of, values_for, why_another_way
from calls.models import OPEN, Call, CallBack, CallEvent, Status, record_event
from calls.outcomes import staff_decisions
from calls.reports import explain
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.spoken import Spoken
from campaigns.rules.whereabouts import candidate_zones
from campaigns.rules.windows import is_open, local_text, next_opening
from tenants import alerts, audit_log

logger = logging.getLogger(__name__)
RecipientStatus = Recipient.Status
CallbackStatus = CallBack.Status
TOLERANCE = timedelta(minutes=30)
AT_ONCE = 500
CANCELED_ON_PURPOSE = ("canceled_by_request", "canceled_by_staff", "call_back_canceled")
IDLE = (*Recipient.WAITING_STATUSES, RecipientStatus.DONE, RecipientStatus.SKIPPED)
RELATED = ("contact", "recipient__contact", "recipient__campaign__organization", "call", "organization")


def schedule(
    recipient: Recipient, at: datetime, *, actor: str, note: str = "", tolerance: timedelta = TOLERANCE
) -> CallBack:
    """Schedule a callback at `at`, or at most `tolerance` later. It replaces a retry.

    Raises Refused when a rule forbids it. Raises IllegalTransition when the campaign is over, the recipient is
    withdrawn, or the recipient has a callback due already.
    """
    now = timezone.now()
    campaign = Campaign.objects.select_related("organization").get(pk=recipient.campaign_id)
    if campaign.status not in Campaign.STARTED:
        raise IllegalTransition(f"A {campaign.status} campaign has no callbacks; start or resume it first.")
    _refuse_time(campaign, recipient, at, now)
    detail = "The contact asked to be called later; the scheduled callback replaces this call."
    for call in Call.objects.queued().filter(recipient=recipient, asked_for=False):
        dequeue(call, "call_back", detail, now)
    with transaction.atomic():
        contact = Contact.objects.select_for_update(no_key=True).get(pk=recipient.contact_id)
        held = Recipient.objects.select_for_update().get(pk=recipient.pk)
        if held.status == RecipientStatus.WITHDRAWN:
            raise IllegalTransition("This recipient was withdrawn from the campaign.")
        if entries.listed(contact.organization_id, contact.numbers, max(now, at)):
            raise Refused("This number is on the do-not-call list.", CheckName.DO_NOT_CALL)
        if contact.held(at):
            raise Refused("This contact is on hold then; lift the hold first.", CheckName.HOLD, contact.hold_until)
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
            raise IllegalTransition("This contact has a scheduled callback already; cancel that one first.") from error
        _park(found, held)
        _audit(found, "promise", actor, {"at": at.isoformat()}, {"note": note})
    return found


def cancel(callback: CallBack, *, actor: str, reason: str = "") -> None:
    """Cancel a scheduled callback. Raises IllegalTransition when it is kept or missed, or its call is open."""
    with transaction.atomic():
        found = _locked(callback.pk)
        if found is None or found.status != CallbackStatus.DUE:
            raise IllegalTransition("This scheduled callback is not due any more.")
        if found.call and found.call.status in OPEN:
            raise IllegalTransition("The contact is being called at this moment.")
    # The call is locked before the callback, as everywhere.
    if found.call and not _drop(found.call, "call_back_canceled", "The scheduled callback was canceled."):
        raise IllegalTransition("The contact is being called at this moment.")
    with transaction.atomic():
        if (found := _locked(callback.pk)) is None:
            return
        if found.status == CallbackStatus.DUE:
            _end(found, CallbackStatus.CANCELED, reason or f"Canceled by {actor}.", timezone.now())
        _audit(found, "cancel", actor, {})
    callback.refresh_from_db()


def step(now: datetime) -> int:
    """Do one step of the engine for scheduled callbacks. Return how many calls were queued."""
    settle(now)
    reroute(now)
    return queue_due(now)


def reroute(now: datetime) -> int:
    """Take back queued calls of callbacks that cannot go out as they are, where the campaign can call another way.

    The callback is queued again at once. Return how many calls were taken back.
    """
    stuck = Call.objects.queued().filter(PERHAPS_STUCK, call_back__status=CallbackStatus.DUE)
    stuck = stuck.filter(call_back__latest_at__gt=now, campaign__status=Campaign.Status.RUNNING)
    related = ("account", "assistant", "phone_number", "campaign__organization", "call_back")
    rerouted = 0
    choices: dict[int, Choices] = {}
    for call in stuck.select_related(*related)[:AT_ONCE]:
        campaign = call.campaign
        if campaign is None:
            continue
        if campaign.pk not in choices:
            choices[campaign.pk] = Choices(campaign, now)
        if why := why_another_way(choices[campaign.pk], call, now):
            rerouted += _take_back(call, campaign.pk, why, now)
    return rerouted


def _take_back(call: Call, campaign_id: int, detail: str, now: datetime) -> bool:
    with transaction.atomic():
        # In the order of a claim, because dequeueing gives turns back: call, campaign, recipient.
        if not Call.objects.queued().select_for_update(skip_locked=True, of=("self",)).filter(pk=call.pk).first():
            return False
        locked_campaign(campaign_id)
        found = _locked(call.call_back.pk)
        if found is None or found.status != CallbackStatus.DUE or found.call_id != call.pk:
            return False
        return take_back(call, "rerouted", detail, now)


def queue_due(now: datetime) -> int:
    """Queue calls for the callbacks that are due, before all other calls of campaigns. Return how many."""
    unparked = CallBack.objects.filter(status=CallbackStatus.DUE, status_before="", recipient__status__in=IDLE)
    for pk in unparked.values_list("pk", flat=True)[:AT_ONCE]:
        with transaction.atomic():
            found = _locked(pk)
            if found and found.status == CallbackStatus.DUE:
                _park(found, Recipient.objects.select_for_update().get(pk=found.recipient_id))
    due = CallBack.objects.filter(
        status=CallbackStatus.DUE,
        due_at__lte=now,
        latest_at__gt=now,
        call=None,
        recipient__status__in=IDLE,
        recipient__campaign__status=Campaign.Status.RUNNING,
    )
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(_queue(pk, now) for pk in ids)


def settle(now: datetime) -> None:
    """End callbacks: kept when the call was placed in time, missed when the time passed without a call."""
    called = Q(call__isnull=False) & ~Q(call__status__in=[Status.QUEUED, Status.PLACING])
    over = Q(recipient__campaign__status__in=[Campaign.Status.CANCELED, Campaign.Status.FINISHED])
    to_settle = CallBack.objects.filter(called | over | Q(latest_at__lte=now), status=CallbackStatus.DUE)
    for pk in list(to_settle.order_by("latest_at").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            _settle(pk, now)
        except Exception:  # a callback that cannot be settled must not delay the others
            logger.exception("Scheduled callback %s could not be settled", pk)


def _settle(pk: int, now: datetime) -> None:
    known = CallBack.objects.select_related(*RELATED).get(pk=pk)
    late = known.latest_at <= now
    if late and known.call and known.call.status == Status.QUEUED:
        why_missed = _why_still_queued(known.call)
        _drop(known.call, CheckName.TOO_LATE, "The time of the scheduled callback passed.")
    else:
        why_missed = _why_not_called(known, now)
    with transaction.atomic():
        found = _locked(pk)
        if found is None or found.status != CallbackStatus.DUE:
            return
        call, campaign = found.call, found.recipient.campaign
        if call and call.status in (Status.QUEUED, Status.PLACING):
            return  # another worker has the call; a later step settles the callback
        if call and call.dialed_at and call.status != Status.UNCONFIRMED:
            in_time = found.due_at <= call.dialed_at <= found.latest_at
            if in_time:
                _end(found, CallbackStatus.KEPT, "", now)
            else:
                _end(found, CallbackStatus.MISSED, "The call was placed too late.", now)
        elif call and call.status == Status.UNCONFIRMED:
            if late:
                _end(found, CallbackStatus.MISSED, "The call is unconfirmed: it may or may not have been placed.", now)
        elif call and call.ended_reason in CANCELED_ON_PURPOSE:
            _end(found, CallbackStatus.CANCELED, "Its call was canceled.", now)
        elif campaign.status not in Campaign.STARTED:
            _end(found, CallbackStatus.CANCELED, f"The campaign was {campaign.get_status_display().lower()}.", now)
        elif late or call:
            _end(found, CallbackStatus.MISSED, why_missed, now)


def _queue(pk: int, now: datetime) -> int:
    with transaction.atomic():
        campaign_id = CallBack.objects.filter(pk=pk).values_list("recipient__campaign", flat=True).first()
        if campaign_id is None:
            return 0
        campaign = locked_campaign(campaign_id)  # a first call takes turns
        found = _locked(pk)
        if found is None or found.status != CallbackStatus.DUE or found.call_id:
            return 0
        recipient = Recipient.objects.select_related("contact").get(pk=found.recipient_id)
        recipient.campaign = campaign
        if recipient.status not in IDLE or Call.objects.filter(recipient=recipient, status__in=OPEN).exists():
            return 0  # the callback waits until the open call has ended
        choices = choices_of(campaign, now)
        call = choices.call_for(recipient) if campaign.assistant else None
        if call is None:
            return 0
        spoken = values_for(campaign, call)
        if spoken.reason:
            _tell_of_values(found, spoken, now)
            return 0  # when the values are not put right in time, `settle` stores this as the reason
        call.customer_name, call.dynamic_variables = spoken.name, spoken.values
        call.priority, call.asked_for = Call.PRIORITY_SCHEDULED_CALLBACK, True
        call.due_at, call.not_before, call.not_after = now, found.due_at, found.latest_at
        try:
            with transaction.atomic():
                call.save()
        except IntegrityError:  # the recipient has a queued call, which comes first
            return 0
        CallBack.objects.filter(pk=pk).update(call=call)
        fates.call(call)
        fates.store([recipient])
        turns.store(choices)
        record_event(
            call,
            "queued",
            CallEvent.Source.ENGINE,
            f"The contact asked to be called back at {found.due_there(now)}.",
            after=Status.QUEUED,
        )
    return 1


def _tell_of_values(found: CallBack, spoken: Spoken, now: datetime) -> None:
    """Raise an alert, once, while there is time to put right what keeps the callback from being placed."""
    until = local_text(found.latest_at, found.organization.timezone, now)
    message = f"The callback to {found.contact} waits, until {until} at the latest. {spoken.sentence}"
    alerts.tell(found.organization, f"call_back.held:{found.uuid}", message, str(found.uuid))


def _refuse_time(campaign: Campaign, recipient: Recipient, at: datetime, now: datetime) -> None:
    if at <= now:
        raise Refused("This is in the past.", "past")
    if campaign.ends_at and at >= campaign.ends_at:
        raise Refused(
            f"The campaign ends before, at {local_text(campaign.ends_at, campaign.zone, now)}.", CheckName.TOO_LATE
        )
    number = recipient.number
    zones = candidate_zones(recipient.contact.timezone, number, campaign.zone_rule)
    hours = (legal_hours(number),)
    if not campaign.legal_override and not is_open(hours, zones, at):
        message = f"This is outside the legal calling hours in {', '.join(zones)}."
        raise Refused(message, CheckName.CALLING_HOURS, next_opening(hours, zones, at))


def _park(found: CallBack, recipient: Recipient) -> None:
    """Park the recipient, so that no other call comes before. A recipient with an open call is parked after it ends."""
    if recipient.status not in IDLE:
        return
    found.status_before, found.next_attempt_before = recipient.status, recipient.next_attempt_at
    found.save(update_fields=["status_before", "next_attempt_before"])
    Recipient.objects.filter(pk=recipient.pk).update(
        status=RecipientStatus.WAITING, reason="call_back", next_attempt_at=None
    )


def _end(found: CallBack, status: CallBack.Status, reason: str, now: datetime) -> None:
    found.status, found.reason, found.ended_at = status, reason[:500], now
    found.save(update_fields=["status", "reason", "ended_at"])
    if status != CallbackStatus.KEPT:
        _restore(found, now)
    if status == CallbackStatus.MISSED:
        when = found.due_there(now)
        message = f"{found.contact} asked to be called back at {when} and was not. {reason}"
        alerts.tell(found.organization, f"call_back.missed:{found.uuid}", message, str(found.uuid))


def _restore(found: CallBack, now: datetime) -> None:
    """Give a parked recipient the status it had before, unless a call of the callback was placed."""
    if not found.status_before or (found.call and found.call.status != Status.CANCELED):
        return
    parked = Q(status=RecipientStatus.WAITING, next_attempt_at=None, reason="call_back")
    if found.call:
        parked |= Q(status__in=[RecipientStatus.DONE, RecipientStatus.SKIPPED])  # as the canceled call left it
    going = found.status_before in Recipient.WAITING_STATUSES
    Recipient.objects.filter(parked, pk=found.recipient_id).update(
        status=found.status_before, reason="", next_attempt_at=(found.next_attempt_before or now) if going else None
    )


def _drop(call: Call, reason: str, detail: str) -> bool:
    """End the queued call of a callback. Return whether the call is canceled; it may have been placed meanwhile."""
    staff_decisions.cancel(call, reason, detail)
    call.refresh_from_db()
    return call.status == Status.CANCELED


def _why_not_called(found: CallBack, now: datetime) -> str:
    """Return why no call was placed, as a sentence."""
    call, campaign = found.call, found.recipient.campaign
    if call is not None:
        last = call.events.filter(type="ended").last()
        return call.error_message or (last.detail if last else "") or "Its call was not placed."
    if campaign.status == Campaign.Status.PAUSED:
        return "The campaign was paused."
    if found.recipient.status in (RecipientStatus.CALLING, RecipientStatus.REVIEW) and not found.recipient.held:
        return "Another call to the contact was open."
    made = explain.next_call(found.recipient, now)
    if made is None:
        return "The campaign had no caller number to call from."
    return values_for(campaign, made).sentence or "The engine did not run."


def _why_still_queued(call: Call) -> str:
    """Return why a call stayed in the queue, as a sentence: the gate's last reason, or why the gate was not asked."""
    if call.campaign and call.campaign.status == Campaign.Status.PAUSED:
        return "The campaign was paused."
    last = call.events.exclude(detail="").exclude(type="queued").last()
    return last.detail if last else "No line was free in time."


def _locked(pk: int) -> CallBack | None:
    """Lock a callback after its recipient, in the same order as `schedule`, and return it with its relations."""
    list(Recipient.objects.select_for_update(of=("self",)).filter(call_backs=pk).values_list("pk"))
    return CallBack.objects.select_related(*RELATED).select_for_update(of=("self",)).filter(pk=pk).first()


def _audit(
    found: CallBack, what: str, actor: str, detail: Mapping[str, str], personal: Mapping[str, str] | None = None
) -> None:
    audit_log.record(
        found.organization,
        actor=actor,
        action=f"call_back.{what}",
        subject=str(found.uuid),
        detail=detail,
        personal=personal,
    )

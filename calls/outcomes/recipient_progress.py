"""Move a recipient on when its call ends: retry by the rules, done, skipped or withdrawn."""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta

from django.db.models import F

from calls.gate import facts as fact_sheet
from calls.gate import retry_waits
from calls.gate.checks import CheckName
from calls.models import Call, CallBack, Status
from calls.models.statuses import RELEASED_BY_STAFF
from calls.outcomes.units import Unit
from campaigns.models import Campaign, Recipient
from campaigns.models.campaign import min_gap_of
from campaigns.phones import is_in_use


def move_on(unit: Unit, call: Call, now: datetime, *, late: bool = False) -> None:
    """Set the recipient's status after this call has ended: waiting for another attempt, or done.

    `late`: the call had been given up, and its real end came afterwards.
    """
    recipient, campaign = call.recipient, call.campaign
    if recipient is None or campaign is None or recipient.status == Recipient.Status.WITHDRAWN:
        return
    if late and _goes_on_otherwise(call):
        return
    unit.refresh(recipient)
    if recipient.status == Recipient.Status.WITHDRAWN:
        return
    if call.status == Status.CANCELED:
        _after_cancel(call, recipient, campaign, now)
        unit.save_recipient(recipient, ["reason", "status", "next_attempt_at", "attempts", "outcome"])
        return
    again, position = None, recipient.number_position
    if campaign.status in Campaign.STARTED:
        again, position = _next_attempt(call, recipient, campaign, now)
    recipient.outcome = call.status
    recipient.reason = "voicemail" if call.is_voicemail else call.ended_reason[:200]
    recipient.status = Recipient.Status.WAITING if again else Recipient.Status.DONE
    recipient.next_attempt_at = max(again, now) if again else None
    recipient.number_position = position
    unit.save_recipient(recipient, ["outcome", "reason", "status", "next_attempt_at", "number_position"])


def reconsider(unit: Unit, call: Call, now: datetime) -> None:
    """Move the recipient on again: only now is it known that a voicemail answered this call, which was its last.

    A recipient who was called again meanwhile, or whom a team member moved, stays where it is.
    """
    if call.recipient is None:
        return
    recipient = Recipient.objects.select_for_update(no_key=True).get(pk=call.recipient.pk)
    later = Call.objects.filter(recipient=recipient, pk__gt=call.pk)
    if (recipient.status, recipient.outcome) == (Recipient.Status.DONE, call.status) and not later.exists():
        move_on(unit, call, now)


def placed_after_all(unit: Unit, call: Call, end: Status | None, now: datetime) -> None:
    """Move the recipient of a released call on: evidence shows now that its phone rang. `end`: how it ended, if known.

    Without an end the contact may be on the phone, so the next attempt waits as long as the longest call lasts.
    """
    waiting = Recipient.objects.filter(pk=call.recipient_id or 0, status=Recipient.Status.WAITING)
    if not waiting.exists() or _goes_on_otherwise(call):
        return
    if call.dialed_at is None:  # once for the call
        again = now + timedelta(minutes=call.account.longest_call_minutes)
        waiting.update(attempts=F("attempts") + 1, next_attempt_at=again)
    if end not in (None, Status.CANCELED) and not waiting.filter(outcome=end).exists():
        ended = copy(call)
        ended.status, ended.terminal_at, ended.dialed_at, ended.ended_reason = end, now, call.dialed_at or now, ""
        move_on(unit, ended, now)


def _goes_on_otherwise(call: Call) -> bool:
    """Return whether a later call or a scheduled callback decides what comes next for the recipient."""
    later = Call.objects.filter(recipient=call.recipient_id, pk__gt=call.pk).exclude(status=Status.CANCELED)
    promised = CallBack.objects.filter(recipient=call.recipient_id, status=CallBack.Status.DUE)
    return later.exists() or promised.exists()


def _next_attempt(call: Call, recipient: Recipient, campaign: Campaign, now: datetime) -> tuple[datetime | None, int]:
    """Return when the recipient is called again, and at which of the contact's numbers. None: it is not."""
    rules, last, place = retry_waits.rules_of(campaign), retry_waits.Ended.of(call), recipient.number_position
    if not campaign.try_next_number:
        return _moment(retry_waits.retry_after(last, rules, recipient.attempts), call, campaign, now), place
    past = retry_waits.past_calls([recipient.pk])[recipient.pk]
    to_it = retry_waits.calls_to(call.to_number, past)
    again = _moment(retry_waits.retry_after(last, rules, recipient.attempts, to_it), call, campaign, now)
    if again or not last.unanswered:
        return again, place
    following, called = copy(call), {each.to_number for each in past}
    for place, number in enumerate(recipient.contact.numbers):
        if number not in called and is_in_use(number):
            following.to_number = number
            retry = retry_waits.retry_after(last, rules, recipient.attempts, to_it=0)
            return _moment(retry, following, campaign, now), place
    return None, recipient.number_position


def _moment(retry: retry_waits.Retry, call: Call, campaign: Campaign, now: datetime) -> datetime | None:
    """Return when a call like this one may be made at the earliest. None: no further call is allowed."""
    if not retry.allows_another(campaign):
        return None
    gap = min_gap_of(call.organization, campaign)
    if retry.rule is None or not retry.rule.other_time_of_day:
        return retry.earliest(gap, (), (), None)
    [facts] = fact_sheet.load([call], now)  # the hours and zones that the gate will check
    return retry.earliest(gap, facts.hours, facts.zones, facts.not_after)


def _after_cancel(call: Call, recipient: Recipient, campaign: Campaign, now: datetime) -> None:
    recipient.reason = call.ended_reason[:200]
    if call.ended_reason == RELEASED_BY_STAFF and campaign.status in Campaign.STARTED:
        recipient.status, recipient.next_attempt_at = Recipient.Status.WAITING, now
        recipient.attempts = max(0, recipient.attempts - 1)
    elif call.ended_reason in {CheckName.CAMPAIGN, "campaign_canceled"}:
        called = recipient.attempts > 0
        recipient.status = Recipient.Status.DONE if called else Recipient.Status.WITHDRAWN
    elif call.ended_reason == CheckName.NO_OPEN_WINDOW:
        recipient.status = Recipient.Status.DONE
    else:
        recipient.status = Recipient.Status.DONE if recipient.attempts else Recipient.Status.SKIPPED
    if recipient.status == Recipient.Status.DONE and not recipient.outcome:
        recipient.outcome = Status.CANCELED


def set_recipient_status(
    unit: Unit, call: Call, status: str, *, reason: str = "", only_from: str | None = None, if_going: bool = False
) -> None:
    """Set the status of the call's recipient, unless it is withdrawn.

    `only_from`: change nothing when the recipient has another status. `if_going`: change nothing when the campaign is
    neither running nor paused.
    """
    if not call.recipient_id or (if_going and call.campaign and call.campaign.status not in Campaign.STARTED):
        return
    recipient = call.recipient
    assert recipient is not None  # noqa: S101
    unit.refresh(recipient)
    if recipient.status != Recipient.Status.WITHDRAWN and only_from in (None, recipient.status):
        recipient.status, recipient.reason = status, reason
        unit.save_recipient(recipient, ["status", "reason"])

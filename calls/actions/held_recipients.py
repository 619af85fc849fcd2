"""Decide about recipients that are held for a value that nobody means to speak: one of them, or many at once."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Case, QuerySet, Value, When
from django.utils import timezone

from calls.actions.quiescing import IllegalTransition
from calls.dialing import held_values
from calls.dialing.campaign_locks import locked_campaign
from campaigns.models import Campaign, Recipient
from campaigns.rules.spoken import REASON
from tenants import audit_log

OVER = Case(
    When(attempts=0, then=Value(Recipient.Status.SKIPPED)), default=Value(Recipient.Status.DONE.value)
)  # a recipient that was called is done


class Verdict(StrEnum):
    SEND = "send"  # call, with the values as they are
    SKIP = "skip"  # do not call


def held_of(campaign: Campaign, variable: str = "") -> QuerySet[Recipient]:
    """Return the held recipients of a campaign. `variable`: only those held for this value and no other."""
    held = campaign.recipients.filter(Recipient.HELD)
    return held.filter(reason=f"{REASON}: {variable}") if variable else held


def decide_all(campaign: Campaign, verdict: Verdict, *, actor: str, variable: str = "") -> int:
    """Decide about the held recipients of a campaign. Return how many there were.

    Raises IllegalTransition when the campaign is over: then nobody is called any more.
    """
    with transaction.atomic():
        held = locked_campaign(campaign.pk)
        _refuse(held)
        decided = _decide(held_of(held, variable), verdict, timezone.now())
        detail = {"recipients": decided, "variable": variable}
        audit_log.record(
            held.organization, actor=actor, action=f"campaign.held_{verdict}", subject=str(held.uuid), detail=detail
        )
    return decided


def decide(recipient: Recipient, verdict: Verdict, *, actor: str) -> None:
    """Decide about one held recipient. Raises IllegalTransition when it is not held or its campaign is over."""
    with transaction.atomic():
        campaign = locked_campaign(recipient.campaign_id)
        _refuse(campaign)
        if not _decide(held_of(campaign).filter(pk=recipient.pk), verdict, timezone.now()):
            raise IllegalTransition("This recipient is not held for a value any more.")
        audit_log.record(
            campaign.organization,
            actor=actor,
            action=f"recipient.held_{verdict}",
            subject=str(recipient.uuid),
            detail={"reason": recipient.reason},
        )
    recipient.refresh_from_db()


def _refuse(campaign: Campaign) -> None:
    if campaign.status not in Campaign.STARTED:
        raise IllegalTransition(f"A {campaign.status} campaign calls nobody; its held recipients stay as they are.")


def _decide(held: QuerySet[Recipient], verdict: Verdict, now: datetime) -> int:
    if verdict is Verdict.SEND:
        return held_values.release(held, now, values_approved=True)
    return held.update(status=OVER, next_attempt_at=None, waits_in="")

"""Start, pause, resume and cancel campaigns: compare-and-set and idempotent.

Pause and cancel return when no further call of the campaign can be placed.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from calls.actions.quiescing import IllegalTransition, wait_for_silence
from calls.dialing.intents import LEASE
from calls.gate.checks import CheckName
from calls.models import Call, CallBack, CallEvent, Status
from calls.outcomes import staff_decisions
from calls.reports.preflight import IMPORTING, NotReady, problems
from calls.webhooks import outbox
from campaigns import launching, versions
from campaigns.models import Campaign, Contact, ContactImport, Recipient
from campaigns.wording import recipients
from tenants import alerts, audit_log
from tenants.journal.notes import note

CampaignStatus = Campaign.Status
# Recipients of a canceled campaign that are nobody's turn any more, and how many are ended in one statement.
IDLE = Q(status__in=Recipient.WAITING_STATUSES) | Recipient.HELD
AT_ONCE = 5_000


def start(campaign: Campaign, *, actor: str) -> None:
    """Start a draft: it is running at once, or scheduled when `starts_at` is in the future.

    Raises NotReady, IllegalTransition.
    """
    campaign.refresh_from_db()
    if campaign.status in {CampaignStatus.RUNNING, CampaignStatus.SCHEDULED}:
        return
    if campaign.status != CampaignStatus.DRAFT:
        raise IllegalTransition(f"A {campaign.status} campaign cannot be started.")
    _refuse_unready(campaign)
    now = timezone.now()
    if campaign.starts_at and campaign.starts_at > now:
        _change(campaign, {CampaignStatus.DRAFT}, CampaignStatus.SCHEDULED, actor=actor)
    else:
        _change(campaign, {CampaignStatus.DRAFT}, CampaignStatus.RUNNING, actor=actor, started_at=now)


def _refuse_unready(campaign: Campaign, *sentence: str) -> None:
    """Raise NotReady if the preflight finds errors, with its own sentence unless another one is given."""
    found = problems(campaign)
    if any(problem.severity == "error" for problem in found):
        raise NotReady(found, *sentence)


def launching_now() -> list[int]:
    """Return the keys of started campaigns whose recipients are still being added."""
    started = Campaign.objects.filter(status__in=Campaign.STARTED, launched_at=None)
    return list(started.values_list("pk", flat=True))


def start_scheduled() -> None:
    """Start the scheduled campaigns that are due."""
    now = timezone.now()
    due = Campaign.objects.filter(Q(starts_at=None) | Q(starts_at__lte=now), status=CampaignStatus.SCHEDULED)
    outbox.move_campaigns(due, CampaignStatus.RUNNING, started_at=now)


def resume(campaign: Campaign, *, actor: str) -> None:
    """Resume a paused campaign; one that has never started is scheduled again. Raises IllegalTransition."""
    if campaign.starts_at and campaign.starts_at > timezone.now() and not campaign.started_at:
        _change(campaign, {CampaignStatus.PAUSED}, CampaignStatus.SCHEDULED, actor=actor)
    else:
        _change(
            campaign,
            {CampaignStatus.PAUSED},
            CampaignStatus.RUNNING,
            actor=actor,
            started_at=campaign.started_at or timezone.now(),
        )


def reopen(campaign: Campaign, *, actor: str) -> None:
    """Run a finished campaign again, with the contacts that were added to its lists since.

    No recipient is called again: those who are done stay done. Raises NotReady, IllegalTransition.
    """
    campaign.refresh_from_db()
    if campaign.ends_at and campaign.ends_at <= timezone.now():
        raise IllegalTransition("The campaign's end is in the past. Copy the campaign to call again.")
    if campaign.status == CampaignStatus.FINISHED:
        _refuse_unready(campaign, "The campaign cannot run again. Copy it, or put this right:")
    fields: dict[str, Any] = {"finished_at": None, **launching.FROM_THE_START}
    _change(campaign, {CampaignStatus.FINISHED}, CampaignStatus.RUNNING, actor=actor, **fields)


def pause(campaign: Campaign, *, actor: str) -> None:
    """Pause a campaign. Return when no call of it can be placed any more. Raises IllegalTransition."""
    _change(campaign, {CampaignStatus.RUNNING, CampaignStatus.SCHEDULED}, CampaignStatus.PAUSED, actor=actor)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def pause_all(reason: str, *, actor: str) -> int:
    """Pause what runs or is scheduled, of all organizations, while no worker runs. Return how many campaigns."""
    live = {CampaignStatus.RUNNING, CampaignStatus.SCHEDULED}
    paused = 0
    for campaign in Campaign.objects.filter(status__in=live).select_related("organization").order_by("pk"):
        with suppress(IllegalTransition):  # somebody ended it meanwhile
            _change(campaign, live, CampaignStatus.PAUSED, actor=actor, status_reason=reason)
            paused += 1
    return paused


def cancel(campaign: Campaign, *, actor: str) -> None:
    """Cancel a campaign for good. Return when no call of it can be placed any more. Raises IllegalTransition.

    Queued calls are canceled and recipients without an attempt withdrawn. Open calls are followed to their end.
    """
    _change(
        campaign,
        {CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED},
        CampaignStatus.CANCELED,
        actor=actor,
        finished_at=timezone.now(),
    )
    wind_up(campaign)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def wind_up(campaign: Campaign, limit: int = 10_000) -> None:
    """End the queued calls and idle recipients of a canceled campaign.

    The engine comes back for calls over `limit`, and for what a limit of time cut off.
    """
    for call in Call.objects.queued().filter(campaign=campaign)[:limit]:
        staff_decisions.cancel(call, "campaign_canceled", "The campaign was canceled.")
    idle = Recipient.objects.filter(IDLE, campaign=campaign).order_by("pk")
    first = 0
    while keys := list(idle.filter(pk__gt=first).values_list("pk", flat=True)[:AT_ONCE]):
        some = Recipient.objects.filter(IDLE, campaign=campaign, pk__gt=first, pk__lte=keys[-1])
        some.filter(attempts=0).update(
            status=Recipient.Status.WITHDRAWN, reason="campaign_canceled", next_attempt_at=None
        )
        some.filter(attempts__gt=0).update(status=Recipient.Status.DONE, next_attempt_at=None)
        first = keys[-1]


def wind_up_canceled() -> None:
    """Wind up canceled campaigns that still have queued calls or idle recipients."""
    queued = Call.objects.queued().filter(campaign__status=CampaignStatus.CANCELED).values("campaign")
    idle = Recipient.objects.filter(IDLE, campaign=OuterRef("pk"))
    canceled = Campaign.objects.filter(status=CampaignStatus.CANCELED)
    for campaign in canceled.filter(Q(pk__in=queued) | Exists(idle)):
        wind_up(campaign)


def finish_where_done() -> int:
    """Finish running campaigns with no recipients left to call. Return how many. Finished is a query, not a timer."""
    live = [Recipient.Status.PENDING, Recipient.Status.CALLING, Recipient.Status.WAITING]
    # A recipient that is held for a value is still to be called, until the campaign's end.
    may_wait = Recipient.HELD & (Q(campaign__ends_at=None) | Q(campaign__ends_at__gt=timezone.now()))
    left = Recipient.objects.filter(Q(status__in=live) | may_wait, campaign=OuterRef("pk"))
    callbacks = CallBack.objects.filter(recipient__campaign=OuterRef("pk"), status=CallBack.Status.DUE)
    imports = ContactImport.objects.filter(
        contact_list__campaigns=OuterRef("pk"), status__in=IMPORTING, created_at__lt=OuterRef("launched_at")
    )
    goes_on = Q(ongoing=True) & (Q(ends_at=None) | Q(ends_at__gt=timezone.now()))
    nothing_left = (
        *(~Exists(left), ~Exists(callbacks), ~Exists(imports), ~Exists(_silent_calls(timezone.now()))),
        ~goes_on,
    )
    launched = Campaign.objects.filter(*nothing_left, status=CampaignStatus.RUNNING, launched_at__isnull=False)
    with transaction.atomic():
        done = list(launched.values_list("pk", flat=True))
        if not done:
            return 0
        finishing = launched.filter(pk__in=done)
        finished = outbox.move_campaigns(finishing, CampaignStatus.FINISHED, finished_at=timezone.now())
        ended = Campaign.objects.filter(pk__in=done, status=CampaignStatus.FINISHED)
        for campaign in ended.select_related("organization"):
            _tell_of_uncalled(campaign)
    return finished


def _silent_calls(now: datetime) -> QuerySet[Call]:
    """Return the calls of the outer campaign whose lease has just ended without an answer.

    A worker that was held up may still learn that nothing was sent: the call is queued again then, and its campaign has
    to be running. For such a worker the campaign waits as long again as the lease.
    """
    reaped = CallEvent.objects.filter(call=OuterRef("pk"), type="unconfirmed", source=CallEvent.Source.ENGINE)
    doubted = Call.objects.filter(campaign=OuterRef("pk"), status=Status.UNCONFIRMED)
    return doubted.filter(Exists(reaped.filter(at__gt=now - LEASE, at__gte=OuterRef("dialed_at"))))


def _tell_of_uncalled(campaign: Campaign) -> None:
    """Raise an alert about recipients who were never called because the campaign's end came first."""
    done = Recipient.Status.DONE
    uncalled = campaign.recipients.filter(status=done, reason=CheckName.NO_OPEN_WINDOW, attempts=0).count()
    if uncalled:
        message = (
            f"“{campaign.name[:100]}” ended before it could call {recipients(uncalled)}. The campaign's page lists "
            "them under the reason “No calling window was left”."
        )
        alerts.tell(campaign.organization, f"campaign.uncalled:{campaign.uuid}", message, str(campaign.uuid))


def _change(
    campaign: Campaign, allowed: Iterable[str], to: str, *, actor: str, status_reason: str = "", **fields: object
) -> None:
    """Change the status by compare-and-set. A campaign that has the status already is no error.

    Raises IllegalTransition when the present status is not among `allowed`.
    """
    with transaction.atomic():
        won = Campaign.objects.filter(pk=campaign.pk, status__in=list(allowed)).update(
            status=to, status_reason=status_reason, **fields
        )
        campaign.refresh_from_db()
        if not won and campaign.status != to:
            verb = {
                CampaignStatus.RUNNING: "resumed",
                CampaignStatus.PAUSED: "paused",
                CampaignStatus.CANCELED: "canceled",
            }.get(CampaignStatus(to), "started")
            raise IllegalTransition(f"A {campaign.status} campaign cannot be {verb}.")
        if won and CampaignStatus.DRAFT in allowed and to != CampaignStatus.CANCELED:
            versions.begin(campaign, actor=actor)
        if won:
            audit_log.record(
                campaign.organization,
                actor=actor,
                action=f"campaign.{to}",
                subject=str(campaign.uuid),
                detail={"object": campaign.name} | ({"reason": status_reason} if status_reason else {}),
            )
            outbox.publish_campaign_status(campaign.pk)
            note(campaign.organization, "campaign", campaign=str(campaign.uuid), status=to)


def may_delete(contact: Contact) -> bool:
    """Return whether no call and no recipient refers to the contact."""
    return not (contact.calls.exists() or contact.recipients.exists())

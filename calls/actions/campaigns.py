"""Start, pause, resume, cancel: compare-and-set, idempotent. And the switches that must be silent when they answer."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from calls.actions.quiescing import IllegalNow, wait_for_silence
from calls.models import Call, CallBack
from calls.outcomes import staff_decisions
from calls.reports.preflight import IMPORTING, NotReady, problems
from calls.webhooks import outbox
from campaigns import versions
from campaigns.models import Campaign, Contact, ContactImport, Recipient
from tenants import audit_log

S = Campaign.Status


def start(campaign: Campaign, *, actor: str) -> None:
    """Draft becomes running, or scheduled when its time is to come. Raises NotReady, IllegalNow."""
    campaign.refresh_from_db()
    if campaign.status in {S.RUNNING, S.SCHEDULED}:
        return
    if campaign.status != S.DRAFT:
        raise IllegalNow(f"A {campaign.status} campaign cannot be started.")
    found = problems(campaign)
    if any(problem.severity == "error" for problem in found):
        raise NotReady(found)
    now = timezone.now()
    if campaign.starts_at and campaign.starts_at > now:
        _change(campaign, {S.DRAFT}, S.SCHEDULED, actor=actor)
    else:
        _change(campaign, {S.DRAFT}, S.RUNNING, actor=actor, started_at=now)


def launching_now() -> list[int]:
    """Started campaigns whose recipients are still being filled in."""
    going = Campaign.objects.filter(status__in=[S.RUNNING, S.PAUSED], launched_at=None)
    return list(going.values_list("pk", flat=True))


def start_scheduled() -> None:
    """Campaigns whose time has come."""
    now = timezone.now()
    due = Campaign.objects.filter(Q(starts_at=None) | Q(starts_at__lte=now), status=S.SCHEDULED)
    outbox.move_campaigns(due, S.RUNNING, started_at=now)


def resume(campaign: Campaign, *, actor: str) -> None:
    if campaign.starts_at and campaign.starts_at > timezone.now() and not campaign.started_at:
        _change(campaign, {S.PAUSED}, S.SCHEDULED, actor=actor)
    else:
        _change(campaign, {S.PAUSED}, S.RUNNING, actor=actor, started_at=campaign.started_at or timezone.now())


def pause(campaign: Campaign, *, actor: str) -> None:
    """Returns when nothing of the campaign can be placed any more."""
    _change(campaign, {S.RUNNING, S.SCHEDULED}, S.PAUSED, actor=actor)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def cancel(campaign: Campaign, *, actor: str) -> None:
    """For good: queued calls are canceled, recipients not yet dialled withdrawn, open calls followed to their end."""
    _change(campaign, {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED}, S.CANCELED, actor=actor, finished_at=timezone.now())
    wind_up(campaign)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def wind_up(campaign: Campaign, limit: int = 10_000) -> None:
    """What a canceled campaign leaves behind: a bounded part at a time, the engine comes back for the rest."""
    for call in Call.objects.queued().filter(campaign=campaign)[:limit]:
        staff_decisions.cancel(call, "campaign_canceled", "The campaign was canceled.")
    idle = campaign.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])
    idle.filter(attempts=0).update(status=Recipient.Status.WITHDRAWN, reason="campaign_canceled", next_attempt_at=None)
    idle.filter(attempts__gt=0).update(status=Recipient.Status.DONE, next_attempt_at=None)


def wind_up_canceled() -> None:
    """The rest of what canceled campaigns left behind."""
    left = Call.objects.queued().filter(campaign__status=S.CANCELED).values("campaign")
    for campaign in Campaign.objects.filter(pk__in=left):
        wind_up(campaign)


def finish_where_done() -> int:
    """Campaigns nobody of is left to call. Finished is a query, not a timer."""
    live = [Recipient.Status.PENDING, Recipient.Status.CALLING, Recipient.Status.WAITING]
    left = Recipient.objects.filter(campaign=OuterRef("pk"), status__in=live)
    promised = CallBack.objects.filter(recipient__campaign=OuterRef("pk"), status=CallBack.Status.DUE)
    coming = ContactImport.objects.filter(
        contact_list__campaigns=OuterRef("pk"), status__in=IMPORTING, created_at__lt=OuterRef("launched_at")
    )
    over = (~Exists(left), ~Exists(promised), ~Exists(coming))
    launched = Campaign.objects.filter(*over, status=S.RUNNING, launched_at__isnull=False)
    return outbox.move_campaigns(launched, S.FINISHED, finished_at=timezone.now())


def _change(campaign: Campaign, allowed: Iterable[str], to: str, *, actor: str, **fields: object) -> None:
    """Compare-and-set. Reaching a status twice is no error; a status that forbids it is IllegalNow."""
    with transaction.atomic():
        won = Campaign.objects.filter(pk=campaign.pk, status__in=list(allowed)).update(
            status=to, status_reason="", **fields
        )
        campaign.refresh_from_db()
        if not won and campaign.status != to:
            verb = {S.RUNNING: "resumed", S.PAUSED: "paused", S.CANCELED: "canceled"}.get(S(to), "started")
            raise IllegalNow(f"A {campaign.status} campaign cannot be {verb}.")
        if won and S.DRAFT in allowed and to != S.CANCELED:
            versions.begin(campaign, actor=actor)
        if won:
            audit_log.record(campaign.organization, actor=actor, action=f"campaign.{to}", subject=str(campaign.uuid))
            outbox.tell_of_campaign(campaign.pk)


def may_delete(contact: Contact) -> bool:
    """Whether nothing refers to the person."""
    return not (contact.calls.exists() or contact.recipients.exists())

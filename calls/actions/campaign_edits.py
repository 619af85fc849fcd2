"""Change the rules of a campaign, started or not. Each change is versioned and in force for every later placing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from calls.actions.quiescing import IllegalTransition
from calls.dialing.dequeueing import dequeue
from calls.gate.checks import CheckName
from calls.models import Call
from calls.reports import preflight
from calls.reports.preflight import NotReady
from campaigns import launching, versions
from campaigns.models import Campaign, CampaignVersion, Recipient
from tenants import audit_log

CampaignStatus = Campaign.Status
OVER = (CampaignStatus.FINISHED, CampaignStatus.CANCELED)
STARTED = (CampaignStatus.RUNNING, CampaignStatus.PAUSED)
# These may change only while the campaign is paused: a recipient keeps the assistant of its first call.
NEVER_WHILE_RUNNING = frozenset({"assistant", "starts_at"})
# A change of these neither moves a recipient's due time nor would make a queued call differently.
WITHOUT_EFFECT_ON_WAITING = frozenset(
    {"name", "priority", "calls_per_minute", "max_open_calls", "max_attempts", "retry_rules", "contact_lists"}
)
# The gate's reasons to defer a recipient. Waits between two attempts have the outcome as their reason; none is cut.
GATE_REASONS = [name for name in CheckName if name.traits.woken_by_edit]
RECIPIENTS_AT_ONCE = 10_000


@contextmanager
def edit(campaign: Campaign, *, actor: str) -> Iterator[Campaign]:
    """Make what the block writes one change of the campaign's rules. Yield the locked campaign.

    Raises IllegalTransition, NotReady; then nothing is changed. A claim locks the same row, so each claim is decided
    either by the old rules or by the new ones.
    """
    with transaction.atomic():
        held = versions.locked(campaign.pk)
        before, faults = versions.rules_of(held), _faults(held)
        yield held
        after = versions.rules_of(held)
        changed = versions.changes(before, after)
        if not changed:
            return
        _refuse(held, changed, faults)
        if "legal_override" in changed:
            audit_log.record(
                held.organization,
                actor=actor,
                action="campaign.legal_override",
                subject=str(held.uuid),
                detail={"reason": after["legal_override"]},
            )
        if held.status == CampaignStatus.DRAFT:
            return
        versions.record(held, before, after, actor=actor)
        if held.status in STARTED:
            if "contact_lists" in changed:
                launching.again([held.pk])
            if set(changed) - WITHOUT_EFFECT_ON_WAITING:
                Campaign.objects.filter(pk=held.pk).update(look_again_after=0)


def _faults(campaign: Campaign) -> set[str]:
    return {found.code for found in preflight.problems(campaign) if found.severity == "error"}


def _refuse(held: Campaign, changed: dict[str, list[Any]], faults: set[str]) -> None:
    if held.status in OVER:
        raise IllegalTransition(f"A {held.status} campaign cannot be changed.")
    if held.status not in STARTED:
        return
    if held.status == CampaignStatus.RUNNING and (names := sorted(NEVER_WHILE_RUNNING & set(changed))):
        raise IllegalTransition(f"Pause the campaign to change {', '.join(names)}.")
    lists = changed.get("contact_lists")
    if lists and set(lists[0]) - set(lists[1]):
        raise IllegalTransition(
            "A list cannot be removed from a campaign that has started, because its contacts are recipients already. "
            "Withdraw the recipients who must not be called."
        )
    fresh = Campaign.objects.select_related("organization", "assistant__account").get(pk=held.pk)
    new = [
        found
        for found in preflight.problems(fresh)
        if found.severity == "error" and found.code not in faults  # faults from before may be fixed one at a time
    ]
    if new:
        raise NotReady(new, "With this change the campaign could not call anyone.")


def refresh(campaign: Campaign, *, actor: str) -> None:
    """Add contacts that were added to the campaign's lists since the start, each once. Raises IllegalTransition."""
    with transaction.atomic():
        held = versions.locked(campaign.pk)
        if held.status not in STARTED:
            raise IllegalTransition(
                f"New contacts can be added to a running or paused campaign, not a {held.status} one."
            )
        launching.again([held.pk])
        audit_log.record(held.organization, actor=actor, action="campaign.refresh", subject=str(held.uuid))
    campaign.refresh_from_db()


def campaigns_to_reassess() -> list[int]:
    """Return the keys of campaigns whose rules changed and whose waiting recipients are not all reassessed since."""
    return list(
        Campaign.objects.filter(status__in=STARTED, look_again_after__isnull=False).values_list("pk", flat=True)
    )


def reassess_recipients(campaign_id: int, now: datetime | None = None) -> bool:
    """Make recipients due that the old rules deferred, a bounded part at a time. Return whether all are done.

    It may be repeated, because the gate defers again what still has to wait. A change meanwhile starts it anew.
    """
    now = now or timezone.now()
    campaign = Campaign.objects.filter(pk=campaign_id, look_again_after__isnull=False).first()
    if campaign is None or campaign.look_again_after is None:
        return True
    if campaign.look_again_after == 0:
        _dequeue_outdated(campaign, now)
    waiting = campaign.recipients.filter(
        pk__gt=campaign.look_again_after,
        status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING],
        next_attempt_at__gt=now,
        reason__in=GATE_REASONS,
    )
    part = list(waiting.order_by("pk").values_list("pk", flat=True)[:RECIPIENTS_AT_ONCE])
    if part:
        waiting.filter(pk__lte=part[-1]).update(next_attempt_at=now)
    done = len(part) < RECIPIENTS_AT_ONCE
    same = Campaign.objects.filter(pk=campaign_id, look_again_after=campaign.look_again_after, version=campaign.version)
    return bool(same.update(look_again_after=None if done else part[-1])) and done


def _dequeue_outdated(campaign: Campaign, now: datetime) -> None:
    """Dequeue calls made by the old rules: their number, variables or due time may be wrong now."""
    changed_at = CampaignVersion.objects.filter(campaign=campaign).aggregate(at=Max("at"))["at"] or now
    outdated = Call.objects.queued().filter(campaign=campaign, asked_for=False, created_at__lt=changed_at)
    for call in outdated.exclude(recipient=None):
        dequeue(call, "rules_changed", "The campaign's rules were changed; another call replaces this one.", now)

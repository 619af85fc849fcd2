"""Changing the rules of a campaign, started or not: in one place, versioned, in force for every placing afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from calls.actions.quiescing import IllegalNow
from calls.dialing.dequeueing import take_back
from calls.gate.checks import CheckName
from calls.models import Call
from calls.reports import preflight
from calls.reports.preflight import NotReady
from campaigns import launching, versions
from campaigns.models import Campaign, CampaignVersion, Recipient
from tenants import audit_log

S = Campaign.Status
OVER = (S.FINISHED, S.CANCELED)
STARTED = (S.RUNNING, S.PAUSED)
# A recipient keeps the assistant of its first call, and the start is over: these change in a pause alone.
NEVER_WHILE_RUNNING = frozenset({"assistant", "starts_at"})
# After these nobody's next moment is another, and no call that is queued would be made differently.
WITHOUT_EFFECT_ON_WHO_WAITS = frozenset(
    {"name", "priority", "calls_per_minute", "max_open_calls", "max_attempts", "retry_rules", "contact_lists"}
)
# The gate's reasons to put somebody off. A wait between two calls is told by the outcome before it: it is never cut.
PUT_OFF = [name for name in CheckName if name.traits.woken_by_edit]
PEOPLE_AT_ONCE = 10_000


@contextmanager
def edit(campaign: Campaign, *, actor: str) -> Iterator[Campaign]:
    """What is written inside is one change of a campaign's rules. Raises IllegalNow, NotReady; nothing is kept then.

    Placing locks the same row: a claim has either committed under the rules before, or is decided by the new ones.
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
        if held.status == S.DRAFT:
            return
        versions.record(held, before, after, actor=actor)
        if held.status in STARTED:
            if "contact_lists" in changed:
                launching.again([held.pk])
            if set(changed) - WITHOUT_EFFECT_ON_WHO_WAITS:
                Campaign.objects.filter(pk=held.pk).update(look_again_after=0)


def _faults(campaign: Campaign) -> set[str]:
    return {found.code for found in preflight.problems(campaign) if found.severity == "error"}


def _refuse(held: Campaign, changed: dict[str, list[Any]], faults: set[str]) -> None:
    if held.status in OVER:
        raise IllegalNow(f"A {held.status} campaign cannot be changed.")
    if held.status not in STARTED:
        return
    if held.status == S.RUNNING and (names := sorted(NEVER_WHILE_RUNNING & set(changed))):
        raise IllegalNow(f"Pause the campaign to change {', '.join(names)}.")
    lists = changed.get("contact_lists")
    if lists and set(lists[0]) - set(lists[1]):
        raise IllegalNow(
            "A list cannot be taken from a campaign that has started: its people are recipients already. "
            "Withdraw those who shall not be called."
        )
    fresh = Campaign.objects.select_related("organization", "assistant__account").get(pk=held.pk)
    new = [
        found
        for found in preflight.problems(fresh)
        if found.severity == "error" and found.code not in faults  # what was wrong before may be mended step by step
    ]
    if new:
        raise NotReady(new, "With this change the campaign could call nobody.")


def refresh(campaign: Campaign, *, actor: str) -> None:
    """Take in people added to its lists since the start; nobody twice. Raises IllegalNow."""
    with transaction.atomic():
        held = versions.locked(campaign.pk)
        if held.status not in STARTED:
            raise IllegalNow(f"A {held.status} campaign takes nobody in; only a running or paused one does.")
        launching.again([held.pk])
        audit_log.record(held.organization, actor=actor, action="campaign.refresh", subject=str(held.uuid))
    campaign.refresh_from_db()


def to_look_at_again() -> list[int]:
    """Campaigns whose rules changed and whose waiting people have not all been looked at since."""
    return list(
        Campaign.objects.filter(status__in=STARTED, look_again_after__isnull=False).values_list("pk", flat=True)
    )


def look_again(campaign_id: int, now: datetime | None = None) -> bool:
    """Who was put off by the old rules is due now, a bounded part at a time. True when all of them are.

    May be repeated: whoever still has to wait is put off again by the gate. A change meanwhile begins anew.
    """
    now = now or timezone.now()
    campaign = Campaign.objects.filter(pk=campaign_id, look_again_after__isnull=False).first()
    if campaign is None or campaign.look_again_after is None:
        return True
    if campaign.look_again_after == 0:
        _take_back_queued(campaign, now)
    waiting = campaign.recipients.filter(
        pk__gt=campaign.look_again_after,
        status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING],
        next_attempt_at__gt=now,
        reason__in=PUT_OFF,
    )
    part = list(waiting.order_by("pk").values_list("pk", flat=True)[:PEOPLE_AT_ONCE])
    if part:
        waiting.filter(pk__lte=part[-1]).update(next_attempt_at=now)
    done = len(part) < PEOPLE_AT_ONCE
    mine = Campaign.objects.filter(pk=campaign_id, look_again_after=campaign.look_again_after, version=campaign.version)
    return bool(mine.update(look_again_after=None if done else part[-1])) and done


def _take_back_queued(campaign: Campaign, now: datetime) -> None:
    """Calls made by the old rules: from another number, saying something else, or put off too long."""
    changed_at = CampaignVersion.objects.filter(campaign=campaign).aggregate(at=Max("at"))["at"] or now
    stale = Call.objects.queued().filter(campaign=campaign, asked_for=False, created_at__lt=changed_at)
    for call in stale.exclude(recipient=None):
        take_back(call, "rules_changed", "The campaign's rules were changed; another call takes its place.", now)

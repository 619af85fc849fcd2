"""Change the rules of a campaign, started or not. Each change is versioned and in force for every later placing.

Who waits is decided about again by the engine (`dialing/reassessing.py`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from calls.actions.quiescing import IllegalTransition
from calls.reports import preflight
from calls.reports.preflight import NotReady
from campaigns import launching, versions
from campaigns.models import Campaign
from tenants import audit_log
from tenants.journal.notes import note

CampaignStatus = Campaign.Status
# These may change only while the campaign is paused: a recipient keeps the assistant of its first call.
NEVER_WHILE_RUNNING = frozenset({"assistant", "starts_at"})
# Choices that are kept with a reason: the action in the audit log, and the fields with their names there.
WITH_REASON: Mapping[str, Mapping[str, str]] = {
    "legal_override": {"legal_override": "reason"},
    "campaign_zone": {"campaign_zone_countries": "countries", "campaign_zone_reason": "reason"},
}


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
        record_choices(held, after, changed, actor=actor)
        if held.status == CampaignStatus.DRAFT:
            return
        versions.record(held, before, after, actor=actor)
        # It may forbid calls. By this line a restored database, which has the former rules, is noticed.
        note(held.organization, "campaign_edited", campaign=str(held.uuid))
        takes_more = "contact_lists" in changed or "segments" in changed or changed.get("ongoing") == [False, True]
        if held.status in Campaign.STARTED and takes_more:
            launching.again([held.pk])


def record_choices(campaign: Campaign, rules: Mapping[str, Any], changed: Container[str], *, actor: str) -> None:
    """Write into the audit log what changed among the choices that a team member must give a reason for."""
    for action, fields in WITH_REASON.items():
        if any(name in changed for name in fields):
            audit_log.record(
                campaign.organization,
                actor=actor,
                action=f"campaign.{action}",
                subject=str(campaign.uuid),
                detail={label: rules[name] for name, label in fields.items()},
            )


def record_first_choices(campaign: Campaign, *, actor: str) -> None:
    """Write into the audit log the choices with a reason that a new campaign was created with."""
    rules = {name: getattr(campaign, name) for fields in WITH_REASON.values() for name in fields}
    record_choices(campaign, rules, [name for name, value in rules.items() if value], actor=actor)


def _faults(campaign: Campaign) -> set[str]:
    return {found.code for found in preflight.problems(campaign) if found.severity == "error"}


def _refuse(held: Campaign, changed: dict[str, list[Any]], faults: set[str]) -> None:
    if held.status in Campaign.OVER:
        raise IllegalTransition(f"A {held.status} campaign cannot be changed.")
    if held.status not in Campaign.STARTED:
        return
    if held.status == CampaignStatus.RUNNING and (names := sorted(NEVER_WHILE_RUNNING & set(changed))):
        raise IllegalTransition(f"Pause the campaign to change {', '.join(names)}.")
    for name, word in (("contact_lists", "list"), ("segments", "segment")):
        before, after = changed.get(name, ((), ()))
        if set(before) - set(after):
            raise IllegalTransition(
                f"A {word} cannot be removed from a campaign that has started, because its contacts are recipients "
                "already. Withdraw the recipients who must not be called."
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
        if held.status not in Campaign.STARTED:
            raise IllegalTransition(
                f"New contacts can be added to a running or paused campaign, not a {held.status} one."
            )
        launching.again([held.pk])
        audit_log.record(held.organization, actor=actor, action="campaign.refresh", subject=str(held.uuid))
    campaign.refresh_from_db()

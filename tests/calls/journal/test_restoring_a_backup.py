"""A backup is taken in the middle of a campaign and restored after its end. Nobody may be called twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calls.actions import campaigns
from calls.journal import standing
from calls.models import Call, Heartbeat, Polling, Status
from campaigns.models import Campaign, Recipient
from tenants.models import Organization
from tests.calls import support
from tests.calls.journal import backups
from tests.waiting import eventually

PEOPLE = [f"+121255501{ending}" for ending in range(40, 70)]  # ordinary ones to the sandbox
WAITING = (Recipient.Status.PENDING, Recipient.Status.CALLING, Recipient.Status.WAITING)
PROVIDERS = ("allomia", "callingbox", "polyai", "plumvoice")


def seeds() -> list[Any]:
    return [pytest.param(seed, marks=pytest.mark.proof if seed else pytest.mark.long) for seed in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds())
def test_nobody_is_called_twice_after_a_backup_was_restored(
    seed: int, callers: Organization, sandbox: Any, hooks: str, journal: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    number = support.reach(callers, sandbox.url, PROVIDERS[seed % 4], calls_per_second=12, place_tokens=1)
    campaign = support.campaign(number, support.people(callers, PEOPLE))
    campaigns.start(campaign, actor="ada")
    run_and_restore(campaign, sandbox, chance.randrange(1, 26), tmp_path)
    with pytest.raises(CommandError, match="older than the dial journal") as refused:
        call_command("worker")
    assert refused.value.returncode == 3
    call_command("reconcile_journal")
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    campaigns.resume(campaign, actor="ada")
    run_to_the_end(campaign)
    rings = Counter(dial["to_number"] for dial in sandbox.journal())
    assert rings == Counter(PEOPLE)
    ends = {dial["id"]: dial["outcome"] for dial in sandbox.journal()}
    for call in Call.objects.exclude(provider_call_id=""):
        assert call.status in (ends[call.provider_call_id], Status.UNCONFIRMED)


def run_and_restore(campaign: Campaign, sandbox: Any, dials: int, directory: Path) -> None:
    """Take a backup after so many dials, run the campaign to its end, and restore the backup."""
    copy = directory / "backup"
    standing.admit()
    with support.engine():
        eventually(lambda: len(sandbox.journal()) >= dials, "nobody is called")
        backups.take(copy)
        eventually(lambda: len(sandbox.journal()) == len(PEOPLE), "not everybody is called")
        eventually(lambda: support.no_call_is_open(campaign), "the campaign does not end")
    backups.restore(copy)


def run_to_the_end(campaign: Campaign) -> None:
    standing.admit()
    Heartbeat.objects.all().delete()  # of the worker at the time of the backup, whose name the test uses again
    Polling.objects.update(next_read_at=timezone.now())  # reads that were claimed then are due again in 90 seconds
    with support.engine() as engine:
        eventually(lambda: not campaign.recipients.filter(status__in=WAITING).exists(), "a recipient is stuck")
        engine.looks_again()

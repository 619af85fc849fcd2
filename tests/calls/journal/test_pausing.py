"""Campaigns of a restored database wait for a team member: what was changed since the backup is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from calls.actions import campaign_edits, campaigns
from calls.dialing import placing
from calls.journal import standing
from calls.journal.reconciling import WHY_PAUSED
from campaigns.models import Campaign, Recipient
from providers.models import PhoneNumber
from tenants.journal import folder as folders
from tenants.models import AuditEntry, JournalFile
from tests.calls import support
from tests.calls.journal import backups

Status = Campaign.Status


@pytest.fixture
def backup(journal: Path, tmp_path: Path) -> Path:
    return tmp_path / "backup"


def in_hours(hours: int) -> Callable[[Campaign], None]:
    """Return what schedules a campaign."""

    def schedule(campaign: Campaign) -> None:
        Campaign.objects.filter(pk=campaign.pk).update(starts_at=timezone.now() + timedelta(hours=hours))
        campaigns.start(campaign, actor="ada")

    return schedule


def call_one(number: PhoneNumber) -> None:
    """Call somebody, so that the journal knows more than the backup."""
    support.single(number, "+12125550188")
    assert len(placing.claim(number.account_id)) == 1


def test_each_campaign_that_would_call_waits_until_it_is_resumed(number: PhoneNumber, backup: Path) -> None:
    standing.admit()
    lists = support.people(number.organization, ["+12125550140"])
    made = {status: support.campaign(number, lists, name=status.label) for status in Status}
    campaigns.start(made[Status.RUNNING], actor="ada")
    in_hours(24)(made[Status.SCHEDULED])
    for work, status in ((campaigns.pause, Status.PAUSED), (campaigns.cancel, Status.CANCELED)):
        campaigns.start(made[status], actor="ada")
        work(made[status], actor="ada")
    Campaign.objects.filter(pk=made[Status.FINISHED].pk).update(status=Status.FINISHED)
    backups.take(backup)
    call_one(number)
    backups.restore(backup)
    call_command("reconcile_journal", dry_run=True)
    assert Campaign.objects.get(pk=made[Status.RUNNING].pk).status == Status.RUNNING
    call_command("reconcile_journal")
    found = {row.name: (row.status, row.status_reason) for row in Campaign.objects.all()}
    waits = (Status.PAUSED, WHY_PAUSED)
    unchanged = {status.label: (status, "") for status in Status}
    assert found == unchanged | {"Running": waits, "Scheduled": waits}
    entries = AuditEntry.objects.filter(action="campaign.paused", detail__reason=WHY_PAUSED)
    assert {entry.subject for entry in entries} == {str(made[key].uuid) for key in (Status.RUNNING, Status.SCHEDULED)}
    done = AuditEntry.objects.get(action="dial_journal.reconcile").detail["notes"]
    assert done == {"campaigns paused until they are resumed": 2}
    for status in (Status.RUNNING, Status.SCHEDULED):
        campaigns.resume(made[status], actor="ada")
        assert (made[status].status, made[status].status_reason) == (status, "")
    call_command("reconcile_journal")
    assert Campaign.objects.get(pk=made[Status.RUNNING].pk).status == Status.RUNNING, "nothing is left to be done"


def test_the_command_can_be_told_to_let_campaigns_run(number: PhoneNumber, running: Campaign, backup: Path) -> None:
    standing.admit()
    backups.take(backup)
    call_one(number)
    backups.restore(backup)
    call_command("reconcile_journal", keep_running=True)
    running.refresh_from_db()
    assert (running.status, running.status_reason) == (Status.RUNNING, "")


def test_a_campaign_that_was_postponed_does_not_start_at_its_former_time(number: PhoneNumber, backup: Path) -> None:
    """Nobody was called and nothing else happened since the backup: the edit alone tells that the database is older."""
    standing.admit()
    campaign = support.campaign(number, support.people(number.organization, ["+12125550140"]))
    in_hours(1)(campaign)
    backups.take(backup)
    with campaign_edits.edit(campaign, actor="ada") as held:
        held.starts_at = timezone.now() + timedelta(days=30)
        held.save()
    backups.restore(backup)
    Campaign.objects.update(starts_at=timezone.now() - timedelta(minutes=1))  # an hour later
    with pytest.raises(standing.Refused, match="older than the dial journal"):
        standing.admit()
    call_command("reconcile_journal")
    standing.admit()
    campaigns.start_scheduled()
    assert (Campaign.objects.get().status, Recipient.objects.count()) == (Status.PAUSED, 0)


def test_a_database_that_was_not_restored_keeps_its_campaigns(
    number: PhoneNumber, running: Campaign, journal: Path
) -> None:
    standing.admit()
    call_one(number)
    call_command("reconcile_journal")
    JournalFile.objects.update(position=99_999)  # lines are lost, and the database has all
    call_command("reconcile_journal", declare_lost=[folders.this_host()])
    running.refresh_from_db()
    assert running.status == Status.RUNNING

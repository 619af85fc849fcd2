"""The history of a campaign on its page: who started and stopped it, when and why."""

from __future__ import annotations

import pytest

from calls.actions import campaigns
from calls.admin.campaigns.history import course_of
from campaigns.models import Campaign
from providers.models import Assistant, PhoneNumber
from tenants import audit_log
from tests.calls import support

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    contacts = support.people(phone_number.organization, ["+33612345678"])
    return support.campaign(phone_number, contacts, name="Check-ups", status="draft")


def steps(campaign: Campaign) -> list[tuple[str, str]]:
    return [(row["what"], row["actor"]) for row in course_of(campaign)]


def test_who_stopped_a_campaign_is_told_with_the_newest_first(campaign: Campaign) -> None:
    assert steps(campaign) == []
    campaigns.start(campaign, actor="ana")
    campaigns.pause(campaign, actor="ben")
    campaigns.resume(campaign, actor="cleo")
    campaigns.cancel(campaign, actor="dan")
    assert steps(campaign) == [("Canceled", "dan"), ("Resumed", "cleo"), ("Paused", "ben"), ("Started", "ana")]


def test_what_else_was_done_and_other_campaigns_are_left_out(campaign: Campaign) -> None:
    campaigns.start(campaign, actor="ana")
    for subject, action in ((str(campaign.uuid), "campaign.changed"), ("another", "campaign.paused")):
        audit_log.record(campaign.organization, actor="x", action=action, subject=subject)
    assert steps(campaign) == [("Started", "ana")]


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (None, "Started"),
        ("scheduled", "Started"),
        ("running", "Resumed"),  # the engine paused it, which leaves no entry
        ("paused", "Resumed"),
        ("finished", "Reopened"),
    ],
)
def test_a_campaign_that_runs_again_was_resumed_or_reopened(campaign: Campaign, before: str, word: str) -> None:
    for status in (before, "running"):
        if status:
            audit_log.record(
                campaign.organization, actor="ana", action=f"campaign.{status}", subject=str(campaign.uuid)
            )
    assert steps(campaign)[0] == (word, "ana")


def test_a_reason_is_told(campaign: Campaign) -> None:
    campaigns.start(campaign, actor="ana")
    campaigns.pause_all("The database was restored.", actor="Trunkline")
    assert course_of(campaign)[0]["reason"] == "The database was restored."

"""Each check of the gate is named once, and no table of all checks leaves one out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from calls.admin.campaigns.wizard_previews import EXCLUDED
from calls.admin.campaigns.wizard_steps import FIXED_AT, OF_THE_ORGANIZATION
from calls.admin.people.recipient import REASONS
from calls.admin.shared import labels
from calls.forecast.forecast import SKIPPED
from calls.gate.checks import CheckName
from calls.reports.idle_reasons import idle_reasons
from campaigns.models import Campaign, Recipient
from tenants.models import Organization
from tests.calls import support
from tests.tables import cases

GATE = [name for name in CheckName if not name.traits.only_explained]
every_check = cases("name", CheckName)


@every_check
def test_a_check_defers_or_ends_a_call_and_says_so_in_a_sentence(name: CheckName) -> None:
    assert name.traits.defers or name.traits.ends_it
    assert name.words[0].isupper() and name.words.endswith(".") and "_" not in name.words


@every_check
def test_only_a_check_that_defers_says_how_its_wait_ends(name: CheckName) -> None:
    traits = name.traits
    ways = (traits.can_be_waited_out, traits.is_capacity, traits.spread_evenly)
    assert traits.defers or not any((traits.about_recipient, *ways))
    assert sum(ways) <= 1


@every_check
def test_pages_have_a_label_and_a_reason_for_every_check(name: CheckName) -> None:
    assert name in labels.CHECK_LABELS
    assert name in labels.REASONS or name.traits.only_explained


@every_check
def test_the_preflight_and_the_wizard_say_who_is_not_called(name: CheckName) -> None:
    """A forecast's campaign runs and has no single calls."""
    never = {CheckName.CAMPAIGN, CheckName.TOO_LATE}
    assert (name in SKIPPED) == (name in GATE and name.traits.ends_it and name not in never)
    assert name not in SKIPPED or name in {*FIXED_AT, *OF_THE_ORGANIZATION}
    assert (name in EXCLUDED) == name.traits.bars_contact


def test_a_filter_offers_each_reason_once() -> None:
    assert len(set(REASONS)) == len(REASONS)
    assert {name for name in CheckName if name in REASONS} == {name for name in CheckName if name.traits.is_filter}


def test_a_stored_reason_is_read_as_its_check() -> None:
    assert CheckName.of("calling_hours") is CheckName.CALLING_HOURS
    assert CheckName.of("voicemail") is None and CheckName.of("") is None


@pytest.mark.django_db
def test_every_check_that_defers_recipients_is_an_idle_reason(organization: Organization) -> None:
    waits = [name for name in GATE if name.traits.defers]
    line = support.reach(organization, "http://127.0.0.1:9", "allomia", price_per_minute=Decimal("0.10"))
    people = support.people(organization, [f"+1212555{n:04d}" for n in range(1200, 1200 + len(waits))])
    campaign = support.campaign(line, people, status=Campaign.Status.RUNNING)
    later = timezone.now() + timedelta(hours=1)
    for contact, name in zip(organization.contacts.order_by("pk"), waits, strict=True):
        Recipient.objects.create(campaign=campaign, contact=contact, reason=name, next_attempt_at=later)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("calls.reports.idle_reasons.KINDS", len(waits))
        found = {reason["code"]: reason for reason in idle_reasons(campaign)}
    assert set(found) == set(waits)
    assert all(reason["count"] == 1 and reason["message"].endswith(".") for reason in found.values())

"""The alert about recipients whose calling hours never open: one for each campaign, for as long as any waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from calls.actions import campaign_edits, opening_watch
from calls.actions import campaigns as campaign_actions
from calls.dialing import enqueueing
from campaigns import launching
from campaigns.models import Campaign, Recipient
from tenants import alerts
from tenants.models import Alert, Organization
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 13, 10, tzinfo=UTC)  # 13:00 in Moscow
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
CHOICE = {"campaign_zone_countries": ["RU"], "campaign_zone_reason": "One office"}


@pytest.fixture
def campaign(organization: Organization) -> Campaign:
    """Two recipients anywhere in Russia and one in Paris, with windows from noon to two."""
    organization.allowed_countries = ["FR", "RU"]
    organization.save()
    line = support.reach(organization, "http://127.0.0.1:9", "allomia")
    people = support.people(organization, ["+79161234567", "+79161234568", "+33612345678"])
    made = support.campaign(line, people, status="running", timezone="Europe/Moscow", legal_override="x")
    made.windows.update(days=EVERY_DAY, opens=12 * 60, closes=14 * 60)
    with time_machine.travel(NOW, tick=False):
        assert launching.step(made.pk)
        enqueueing.feed_all(organization.pk)
    assert made.recipients.filter(reason="no_opening").count() == 2
    return made


def change(campaign: Campaign, **fields: object) -> None:
    with campaign_edits.edit(campaign, actor="ada") as held:
        for name, value in fields.items():
            setattr(held, name, value)
        held.save()


def look(campaign: Campaign, moment: datetime) -> None:
    """What the engine does: recipients that wait are looked at again, then the alerts."""
    with time_machine.travel(moment, tick=False):
        support.look()
        enqueueing.feed_all(campaign.organization_id)
        opening_watch.watch()


def test_one_alert_names_how_many_and_what_to_do(campaign: Campaign, sister: Organization) -> None:
    for _ in range(3):
        opening_watch.watch()
    alert = Alert.objects.get()
    assert (alert.organization, alert.subject) == (campaign.organization, str(campaign.uuid))
    assert "“Campaign”: 2 recipients wait for calling hours that do not open" in alert.message
    assert "Enter the contacts' time zones" in alert.message and "by the campaign's time zone" in alert.message
    assert not sister.alerts.exists()


def test_the_message_follows_the_number_and_what_was_seen_stays_seen(campaign: Campaign) -> None:
    opening_watch.watch()
    alerts.mark_seen(Alert.objects.get(), "ada")
    Recipient.objects.filter(contact__phone="+79161234568").update(status="withdrawn")
    opening_watch.watch()
    alert = Alert.objects.get()
    assert "1 recipient waits" in alert.message and alert.seen_by == "ada" and alert.ended_at is None


def test_it_ends_when_none_waits_and_is_raised_anew_when_one_waits_again(campaign: Campaign) -> None:
    look(campaign, NOW)
    change(campaign, **CHOICE)
    look(campaign, NOW)
    assert Recipient.objects.filter(reason="no_opening").count() == 0
    first = Alert.objects.get()
    assert first.ended_at == NOW
    change(campaign, campaign_zone_countries=[], campaign_zone_reason="")
    look(campaign, NOW + timedelta(hours=1))
    assert Recipient.objects.filter(reason="no_opening").exists()
    second = Alert.objects.exclude(pk=first.pk).get()
    assert (second.ended_at, second.seen_at) == (None, None)
    first.refresh_from_db()
    assert first.ended_at == NOW


@pytest.mark.parametrize("act", ["cancel", "pause"])
def test_a_paused_campaign_keeps_its_alert_and_a_canceled_one_ends_it(campaign: Campaign, act: str) -> None:
    opening_watch.watch()
    getattr(campaign_actions, act)(campaign, actor="ada")
    opening_watch.watch()
    assert (Alert.objects.get().ended_at is None) == (act == "pause")


def test_an_alert_that_is_over_leaves_the_dashboard(campaign: Campaign, admin_client: Client) -> None:
    opening_watch.watch()
    alert = Alert.objects.get()
    page = f"/admin/tenants/alert/{alert.pk}/change/"
    shown = admin_client.get(page).content.decode()
    assert "Campaign</a>" in shown and "Mark as seen" in shown
    assert "1 new alert" in words_of(admin_client.get("/admin/").content.decode())
    Recipient.objects.update(status="withdrawn")
    opening_watch.watch()
    assert "new alert" not in words_of(admin_client.get("/admin/").content.decode())
    shown = words_of(admin_client.get(page).content.decode())
    assert "Over since" in shown and "Mark as seen" not in shown


def test_the_engine_watches(campaign: Campaign) -> None:
    Campaign.objects.update(status="paused")  # nothing is placed meanwhile
    with support.engine():
        eventually(Alert.objects.exists, "the engine raises no alert")

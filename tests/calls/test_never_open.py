"""Recipients whose hours never open: the preflight says how many, where, and what to do. Hours computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from calls.forecast.forecast import forecast, warnings
from campaigns.models import CallingWindow, Campaign, Contact
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 13, 8, tzinfo=UTC)  # a Wednesday
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# From noon to two, eleven clocks in a row share no minute, and neither do Paris (UTC+2) and Tokyo (UTC+9).
PEOPLE = [
    *(("+7916123456" + str(n), "") for n in range(3)),  # anywhere in Russia
    ("+79161234569", "Asia/Omsk"),  # one of Russia's: open alone
    ("+33612345670", "Asia/Tokyo"),
    ("+33612345671", ""),
    ("+12195551234", ""),  # Chicago and New York share an hour
    ("+12125551234", "EST"),  # no place: New York alone
]


@pytest.fixture
def campaign(organization: Organization) -> Campaign:
    organization.allowed_countries = ["FR", "RU", "US"]
    organization.save()
    line: PhoneNumber = support.reach(organization, "http://127.0.0.1:9", "allomia")
    people = support.people(organization, [phone for phone, _ in PEOPLE])
    for phone, zone in PEOPLE:
        Contact.objects.filter(phone=phone).update(timezone=zone)
    made = support.campaign(line, people, timezone="Europe/Moscow", legal_override="")
    made.windows.update(days=EVERY_DAY, opens=12 * 60, closes=14 * 60)
    return made


def test_recipients_without_a_common_hour_are_counted_by_country_with_what_to_do(campaign: Campaign) -> None:
    found = forecast(campaign, NOW)
    rows = {(place.country, place.cause): (len(place.zones) > 3, n) for place, n in found.never_open.items()}
    assert rows == {("RU", "no_common_hour"): (True, 3), ("FR", "zones_contradict"): (False, 1)}
    assert {"Asia/Kamchatka", "Europe/Kaliningrad", "Asia/Tokyo", "Europe/Paris"} <= set(found.zones_never_open)
    told = {problem.code: problem for problem in warnings(found)}
    assert told["no_common_hour"].count == 3
    assert (
        told["no_common_hour"].message.startswith("3 recipients whose calling hours never open: 3 in Russia (")
        and "time zones). The number may be in several time zones" in told["no_common_hour"].message
    )
    assert "“Countries called by the campaign's time zone”" in told["no_common_hour"].message
    assert "1 in France (Asia/Tokyo, Europe/Paris)" in told["zones_contradict"].message
    assert "“Trust the contact's time zone”" in told["zones_contradict"].message


def test_the_choices_open_the_hours_of_those_whom_the_warnings_name(campaign: Campaign) -> None:
    campaign.campaign_zone_countries, campaign.campaign_zone_reason = ["RU"], "One office"
    assert {place.cause for place in forecast(campaign, NOW).never_open} == {"zones_contradict"}
    campaign.contact_zone_rule = "trust_contact"
    found = forecast(campaign, NOW)
    assert not found.never_open and found.finishes_at is not None


def test_windows_outside_the_legal_hours_are_told_as_such(campaign: Campaign) -> None:
    CallingWindow.objects.update(opens=3 * 60, closes=4 * 60)
    found = forecast(campaign, NOW)
    assert {place.cause for place in found.never_open} == {"never_open"}
    assert sum(found.never_open.values()) == len(PEOPLE)
    [told] = [problem for problem in warnings(found) if problem.code == "never_open"]
    assert "3 in Russia" in told.message and "elsewhere" in told.message


def test_an_end_within_a_day_hides_nobody(campaign: Campaign) -> None:
    campaign.ends_at = datetime(2026, 5, 13, 20, tzinfo=UTC)
    campaign.save()
    found = forecast(campaign, NOW)
    assert {(place.country, n) for place, n in found.never_open.items()} == {("RU", 3), ("FR", 1)}


@time_machine.travel(NOW, tick=False)
def test_the_api_lists_the_places(api: ApiClient, campaign: Campaign) -> None:
    answer = api.get(f"/api/v1/campaigns/{campaign.uuid}/preflight/").json()
    russia, france = answer["never_open"]
    assert (russia["country"], russia["cause"], russia["recipients"]) == ("RU", "no_common_hour", 3)
    assert france == {
        "country": "FR",
        "zones": ["Asia/Tokyo", "Europe/Paris"],
        "cause": "zones_contradict",
        "recipients": 1,
    }
    assert {problem["code"]: problem["count"] for problem in answer["problems"]}["no_common_hour"] == 3


@time_machine.travel(NOW, tick=False)
def test_the_pages_say_the_same(admin_client: Client, campaign: Campaign) -> None:
    def page(name: str) -> str:
        return words_of(
            admin_client.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])).content.decode()
        )

    assert "3 in Russia" in page("forecast") and "1 in France" in page("draft_forecast")
    openings = page("draft_openings")
    assert "Never: 3 contacts in Russia" in openings and "Enter the contact's time zone" in openings
    assert "Countries called by the campaign's time zone" in page("when"), "the remedy names the field"
    assert "Trust the contact's time zone" in page("when")
    assert "Never: 1 contact in France (Asia/Tokyo, Europe/Paris)" in openings
    # All whom this campaign could call wait for ever: the page says so all the same.
    Contact.objects.exclude(phone__startswith="+7916").delete()
    Contact.objects.filter(timezone="Asia/Omsk").delete()
    assert "3 in Russia" in page("forecast")


def test_more_recipients_of_the_same_places_ask_no_more_questions(campaign: Campaign) -> None:
    def questions() -> int:
        fresh = Campaign.objects.select_related("organization", "assistant__account").get(pk=campaign.pk)
        with CaptureQueriesContext(connection) as asked:
            forecast(fresh, NOW)
        return len(asked)

    # People of several lists are counted; those of one list are known.
    campaign.contact_lists.add(support.people(campaign.organization, ["+79168000000"]))
    questions()  # the first one of the process also reads the key of the do-not-call list
    before = questions()
    numbers = [f"+79167{n:06}" for n in range(50)]
    campaign.contact_lists.add(support.people(campaign.organization, numbers))
    assert questions() == before
    assert sum(forecast(campaign, NOW).never_open.values()) == 55

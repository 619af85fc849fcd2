"""What a campaign chooses about time zones holds wherever they count. The expected hours are computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from calls.actions import scheduled_callbacks
from calls.actions.single_calls import Refused
from calls.admin.people.standing import zone_of
from calls.forecast.forecast import forecast
from calls.gate.decision import decide
from calls.gate.facts import load
from calls.gate.selection import Choices
from calls.models import CallBack
from calls.reports import audience, evidence_csv, explain
from campaigns import launching
from campaigns.models import Campaign, Contact, Recipient
from campaigns.rules.windows import Hours, Window
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db
PARIS, MOSCOW = "+33612345678", "+79161234567"
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TRUSTS: dict[str, Any] = {"contact_zone_rule": "trust_contact"}
AT_HOME: dict[str, Any] = {"campaign_zone_countries": ["RU"], "campaign_zone_reason": "One office"}


def utc(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, 13, hour, minute, tzinfo=UTC)  # a Wednesday; Paris is two hours ahead


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    organization.allowed_countries = ["FR", "RU", "US"]
    organization.save()
    return support.reach(organization, "http://127.0.0.1:9", "allomia")


def launched(line: PhoneNumber, phone: str, zone: str, **fields: Any) -> Recipient:
    """A recipient of a running campaign from 9:00 to 20:00 in Moscow's time, within the legal hours."""
    contacts = support.people(line.organization, [phone])
    Contact.objects.update(timezone=zone)
    given = {"status": "running", "timezone": "Europe/Moscow", "legal_override": ""} | fields
    made = support.campaign(line, contacts, **given)
    made.windows.update(days=EVERY_DAY, opens=9 * 60, closes=20 * 60)
    assert launching.step(made.pk)
    return made.recipients.select_related("contact", "campaign__organization").get()


def verdict(recipient: Recipient, now: datetime) -> str:
    made = Campaign.objects.prefetch_related("windows").get(pk=recipient.campaign_id)
    call = Choices(made, now).call_for(made.recipients.select_related("contact").get())
    assert call is not None
    return decide(load([call], now)[0], now).verdict


@pytest.mark.parametrize(
    ("choice", "moment", "expected"),
    [
        ({}, utc(9), "allow"),  # 18:00 in Tokyo, 11:00 in Paris
        ({}, utc(5, 30), "defer"),  # 14:30 in Tokyo, but 7:30 in Paris
        (TRUSTS, utc(5, 30), "allow"),
        (TRUSTS, utc(13), "defer"),  # 22:00 in Tokyo, 15:00 in Paris
        (TRUSTS, utc(4, 30), "defer"),  # 13:30 in Tokyo: the law of the number's country holds there, 13:00-14:00
    ],
)
def test_a_trusted_zone_decides_alone_within_the_law_of_the_number(
    line: PhoneNumber, choice: dict[str, Any], moment: datetime, expected: str
) -> None:
    recipient = launched(line, PARIS, "Asia/Tokyo", **choice)
    assert verdict(recipient, moment) == expected


@pytest.mark.parametrize(
    ("choice", "moment", "expected"),
    [
        ({}, utc(7, 30), "allow"),  # 9:30 in Kaliningrad, 19:30 in Kamchatka
        ({}, utc(12), "defer"),  # midnight in Kamchatka
        (AT_HOME, utc(12), "allow"),  # 15:00 in Moscow
        (AT_HOME, utc(17), "defer"),  # 20:00 in Moscow
        (AT_HOME, utc(5, 30), "defer"),  # 8:30 in Moscow
    ],
)
def test_the_campaigns_zone_decides_for_numbers_of_a_chosen_country(
    line: PhoneNumber, choice: dict[str, Any], moment: datetime, expected: str
) -> None:
    recipient = launched(line, MOSCOW, "", **choice)
    assert verdict(recipient, moment) == expected


def test_a_single_call_has_no_choice(line: PhoneNumber) -> None:
    launched(line, MOSCOW, "", **AT_HOME)
    contact = Contact.objects.get()
    [alone, asked] = load([support.single(line, MOSCOW), audience.Enquiry(line.organization, contact)], utc(12))
    assert len(alone.zones) > 1 and asked.zones == alone.zones


@pytest.mark.parametrize(
    ("phone", "zone", "choice", "expected"),
    [(PARIS, "Asia/Tokyo", TRUSTS, "Asia/Tokyo"), (MOSCOW, "", AT_HOME, "Europe/Moscow")],
)
def test_every_reader_of_zones_knows_the_choice(
    line: PhoneNumber, phone: str, zone: str, choice: dict[str, Any], expected: str
) -> None:
    recipient = launched(line, phone, zone, **choice)
    campaign, contact = recipient.campaign, recipient.contact
    assert zone_of(recipient, campaign.zone_rule) == expected
    due = CallBack(recipient=recipient, contact=contact, due_at=utc(9))
    assert due.due_there(utc(8)).endswith(expected)
    Recipient.objects.update(status="withdrawn")
    assert f",{expected}," in "".join(evidence_csv.lines([campaign.organization_id], phone))
    Recipient.objects.update(status="pending", next_attempt_at=None)
    night = Hours((Window(frozenset(range(7)), 9 * 60, 20 * 60),))
    [opening] = audience.openings(campaign, night, [contact], utc(18))
    assert opening.zone == expected
    [decided] = [check for check in explain.explain(recipient, utc(9)).checks if check.name == "calling_hours"]
    assert decided.detail.startswith(expected) and "campaign" in decided.detail
    found = forecast(campaign, utc(18))
    assert found.per_hour[0][0] == next_start(expected)


def next_start(zone: str) -> datetime:
    """The first hour after 18:00 UTC: in Moscow 9:00 by the campaign's window, in Tokyo 10:00 by the law of France,
    and not on the 14th, which is Ascension Day.
    """
    return datetime(2026, 5, 15, 1, tzinfo=UTC) if zone == "Asia/Tokyo" else datetime(2026, 5, 14, 6, tzinfo=UTC)


def test_a_callback_is_promised_by_the_chosen_zone(line: PhoneNumber) -> None:
    recipient = launched(line, MOSCOW, "")
    campaign = recipient.campaign
    with pytest.raises(Refused, match="outside the legal calling hours"):
        scheduled_callbacks._refuse_time(campaign, recipient, utc(12), utc(9))
    for name, value in AT_HOME.items():
        setattr(campaign, name, value)
    scheduled_callbacks._refuse_time(campaign, recipient, utc(12), utc(9))

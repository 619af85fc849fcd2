"""A campaign's page: money, waiting recipients, assistants, messages, times, and its number of queries."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns.charts import charts_of
from calls.admin.shared import labels
from calls.models import Call, Status
from calls.reports.variant_comparison import sample_of
from campaigns.do_not_call import entries
from campaigns.models import Campaign, CampaignVariant, Contact, ContactList, ContactListMember, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.local_time import local_time
from tenants.models import Membership, Organization, StaffSettings
from tenants.money import Amounts
from tests.calls import support
from tests.calls.support import euros
from tests.conftest import an_assistant

pytestmark = pytest.mark.django_db
ASKED = 15  # queries of each part of the page
PARTS = ("panel", "idle", "people", "forecast", "figures", "settings")
PARIS = ZoneInfo("Europe/Paris")
NUMBERS = [f"+3361234{n:04d}" for n in range(5)]


@pytest.fixture
def viewer(organization: Organization) -> Client:
    user = User.objects.create(username="vera", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    return support.campaign(phone_number, support.people(organization, NUMBERS, name="Ada"), status="draft")


def read(client: Client, campaign: Campaign, page: str = "panel") -> str:
    """Return the text of a part of the page as a reader sees it."""
    answer = client.get(reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk]))
    assert answer.status_code == 200
    return words_of(answer.content.decode())


def words_of(page: str) -> str:
    """Return the text of HTML: tags within a sentence vanish, others separate words."""
    parts = html.unescape(re.sub(r"<(?!/?(strong|b|a)\b)[^>]*>", " ", page))
    return re.sub(r" (?=[.,] )", "", " ".join(re.sub(r"</?(strong|b|a)\b[^>]*>", "", parts).split()))


def launched(campaign: Campaign, **fields: Any) -> list[Recipient]:
    """A running campaign whose whole lists are still to be called."""
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(status="running", started_at=now, launched_at=now)
    campaign.refresh_from_db()
    contacts = Contact.objects.filter(memberships__contact_list__campaigns=campaign).order_by("pk")
    return [Recipient.objects.create(campaign=campaign, contact=contact, **fields) for contact in contacts]


def a_call(recipient: Recipient, status: str, **fields: Any) -> Call:
    campaign = recipient.campaign
    number = campaign.phone_numbers.get()
    now = timezone.now()
    given: dict[str, Any] = {
        "assistant": campaign.assistant,
        "dialed_at": now,
        "terminal_at": now,
        "next_read_at": now,
        "cost_currency": campaign.budget_currency,
        "price_per_minute_currency": campaign.budget_currency,
    }
    return Call.objects.create(
        organization=campaign.organization,
        campaign=campaign,
        recipient=recipient,
        contact=recipient.contact,
        account=number.account,
        phone_number=number,
        to_number=recipient.contact.phone,
        from_number=number.e164,
        status=status,
        **(given | fields),
    )


# Money.


@pytest.mark.parametrize(
    ("used", "percent", "colour"),
    [("4.99", 49, "success"), ("5", 50, "info"), ("8", 80, "warning"), ("10", 100, "danger"), ("12", 120, "danger")],
)
def test_a_budget_changes_its_colour_where_alerts_are_told(used: str, percent: int, colour: str) -> None:
    found = labels.budget(Amounts.of([euros(used)]), euros(10))
    assert (found["percent"], found["colour"]) == (percent, colour)


def test_what_is_set_aside_counts_against_the_budget(viewer: Client, campaign: Campaign) -> None:
    assert "Budget" not in read(viewer, campaign)
    Campaign.objects.update(budget=Decimal(10), budget_currency="EUR")
    first, second, *_ = launched(campaign)
    a_call(first, Status.COMPLETED, cost_price=Decimal("6.50"))
    a_call(second, Status.PLACED, cost_reserved=Decimal("1.50"))
    assert "6.50 EURspent" in (shown := read(viewer, campaign)) and "estimated" not in shown
    assert "8.00 EUR of 10.00 EUR spent or set aside for calls under way (80 %)." in read(viewer, campaign)
    Call.objects.filter(cost_price__gt=0).update(cost_estimate=7)
    a_call(second, Status.COMPLETED, cost_estimate=Decimal("0.25"))
    assert "6.75 EURspent, of which 0.25 EUR estimated" in read(viewer, campaign)
    Call.objects.update(cost_price=None)
    assert "7.25 EURspent, estimated" in read(viewer, campaign)


# Waiting recipients and their reasons.


def test_idle_reasons_are_sentences_with_counts(viewer: Client, campaign: Campaign) -> None:
    assert "Why it is not calling" not in read(viewer, campaign, "idle")
    people = launched(campaign)
    later = timezone.now() + timedelta(hours=2)
    Recipient.objects.filter(pk__in=[row.pk for row in people[:3]]).update(next_attempt_at=later, reason="minimum_gap")
    Recipient.objects.filter(pk=people[3].pk).update(next_attempt_at=later, reason="hold")
    text = read(viewer, campaign, "idle")
    with timezone.override(ZoneInfo("Europe/Paris")):
        assert f"Called a short time ago. 3 recipients, the first from {local_time(later)}." in text
    assert "The contact is on hold. 1 recipient, the first" in text


def test_a_running_campaign_that_waits_for_nobody_says_nothing(viewer: Client, campaign: Campaign) -> None:
    launched(campaign, status="done", outcome="completed")
    assert "Why it is not calling" not in read(viewer, campaign, "idle")


# The forecast.


def test_the_forecast_says_when_it_ends_and_what_it_costs(viewer: Client, campaign: Campaign) -> None:
    text = read(viewer, campaign, "forecast")
    assert re.search(
        r"If it starts now, the campaign probably ends [\w ]+ \d\d:\d\d(?: UTC\+\d)?, after about \d+ more calls\.",
        text,
    ), text
    campaign.assistant.account.price_per_minute = Decimal(1)  # type: ignore[union-attr]
    campaign.assistant.account.save()  # type: ignore[union-attr]
    launched(campaign)
    text = read(viewer, campaign, "forecast")
    assert re.search(r"probably ends .*, for about \d+\.\d\d USD and \d+\.\d\d USD at most\.", text), text
    Campaign.objects.update(status="finished")
    assert "What is still to come" not in read(viewer, campaign, "forecast")


def test_too_many_people_are_not_forecast(viewer: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.admin.campaigns.figures.FORECAST_AT_ONCE", 4)
    page = reverse("admin:campaigns_campaign_forecast", args=[campaign.pk])
    asked = viewer.get(page).content.decode()
    assert "5 recipients still to be called" in words_of(asked) and f'hx-get="{page}?all"' in asked
    assert "the campaign probably ends" in words_of(viewer.get(f"{page}?all").content.decode())
    monkeypatch.setattr("calls.admin.campaigns.figures.FORECAST_ASKED_FOR", 4)
    assert "More than 4 recipients still to be called: too many for a forecast" in read(viewer, campaign, "forecast")


# Comparison of assistants.


def test_assistants_stand_side_by_side_when_there_are_several(viewer: Client, campaign: Campaign) -> None:
    assert "side by side" not in read(viewer, campaign, "figures")
    assert campaign.assistant
    friendly = an_assistant(campaign.assistant.account, name="Friendly")
    CampaignVariant.objects.create(campaign=campaign, assistant=friendly, weight=1)
    one, two, three, *_ = launched(campaign)
    a_call(one, Status.NO_ANSWER, cost_price=Decimal("0.10"))
    a_call(one, Status.COMPLETED, cost_price=Decimal("0.20"), attempt=2)
    a_call(two, Status.BUSY, cost_price=Decimal(0))
    a_call(three, Status.COMPLETED, assistant=friendly, cost_price=Decimal("0.40"))
    text = read(viewer, campaign, "figures")
    assert re.search(r"Reminder 2 3 1 50 % [\d.]+ % to [\d.]+ % 0\.30 USD 0\.30 USD", text), text
    assert re.search(r"Friendly 1 1 1 100 % [\d.]+ % to 100 % 0\.40 USD 0\.40 USD", text), text
    assert "“Reminder” and “Friendly” may be equal" in text


# Messages.


def test_the_message_is_shown_for_the_first_people_of_the_lists(viewer: Client, campaign: Campaign) -> None:
    assert campaign.assistant
    assert "Preview" not in read(viewer, campaign, "settings")
    campaign.assistant.variables = [{"name": "slot", "required": True}, {"name": "clinic", "default": "Main street"}]
    campaign.assistant.save()
    Campaign.objects.update(variables={"greeting": "Dear {{ contact.name }}"})
    first, _, *rest = Contact.objects.order_by("pk")
    Contact.objects.filter(pk=first.pk).update(name="Ben [b]", variables={"slot": "9:30"})
    Contact.objects.filter(pk__in=[row.pk for row in rest]).update(name="Later")
    also = ContactList.objects.create(organization=campaign.organization, name="Also")
    ContactListMember.objects.create(contact_list=also, contact=first)
    campaign.contact_lists.add(also)
    text = read(viewer, campaign, "settings")
    assert "Ben [b] 06 12 34 00 00 clinic (default) Main street greeting Dear Ben [b]" in text
    assert "slot (from the contact) 9:30" in text
    assert (
        "06 12 34 00 01 clinic (default) Main street greeting Dear Ada slot - Will not be called: slot is missing."
        in text
    )
    assert text.count("clinic") == 3 and text.count("Dear Ben") == 1 and text.count("Dear Later") == 1


# Charts.


def test_a_campaign_without_calls_has_no_pictures(viewer: Client, campaign: Campaign) -> None:
    a_call(launched(campaign)[0], Status.PLACED, terminal_at=None)
    text = read(viewer, campaign, "figures")
    assert not [title for title in ("How calls ended", "When people answer", "How many calls") if title in text]


def test_outcomes_are_drawn_by_hour_and_later_by_day(campaign: Campaign) -> None:
    one, two, *_ = launched(campaign)
    noon = datetime(2026, 3, 4, 12, 40, tzinfo=UTC)
    a_call(one, Status.BUSY, terminal_at=noon)
    a_call(one, Status.COMPLETED, terminal_at=noon + timedelta(hours=2))
    a_call(two, Status.NO_ANSWER, terminal_at=noon)
    shown = charts_of(campaign.calls.all(), PARIS)["over_time"]
    drawn = json.loads(shown["data"])
    assert drawn["labels"] == ["04 Mar 13:00", "04 Mar 14:00", "04 Mar 15:00"], "an hour without calls is shown"
    assert [(each["label"], each["data"]) for each in drawn["datasets"]] == [
        ("Answered", [0, 0, 1]),
        ("No answer or busy", [2, 0, 0]),
    ]
    a_call(two, Status.COMPLETED, terminal_at=noon + timedelta(days=99))
    shown = charts_of(campaign.calls.all(), PARIS)["over_time"]
    assert (shown["unit"], shown["cut"], len(shown["rows"])) == ("day", "the last 60 days", 60)
    assert shown["rows"][-1] == ("11 Jun", [1])


def test_the_charts_are_on_the_clock_of_the_page(viewer: Client, campaign: Campaign) -> None:
    monday = datetime(2026, 3, 2, 23, 40, tzinfo=UTC)
    people = launched(campaign)
    for person in people:
        a_call(person, Status.NO_ANSWER, dialed_at=monday, terminal_at=monday)  # Tuesday in Paris
    a_call(people[0], Status.COMPLETED, dialed_at=monday, terminal_at=monday)
    a_call(people[1], Status.COMPLETED, dialed_at=monday, terminal_at=monday, answered_by="machine")
    a_call(people[2], Status.CANCELED, dialed_at=monday, terminal_at=monday)
    Contact.objects.filter(pk=people[2].contact_id).update(timezone="Asia/Tokyo")
    text = read(viewer, campaign, "figures")
    assert "Hours and days are those of Europe/Paris." in text
    assert "Hour Answered No answer or busy Canceled 03 Mar 00:00 2 5 1" in text
    assert "Hour 00 Mon Tue 14 Wed" in text
    for zone, hour, day in (
        ("Asia/Kolkata", 5, "Tue"),
        ("Asia/Kathmandu", 5, "Tue"),
        ("America/St_Johns", 20, "Mon"),
        ("Australia/Lord_Howe", 10, "Tue"),
        ("Pacific/Chatham", 13, "Tue"),
        ("Etc/GMT+5", 18, "Mon"),
    ):
        StaffSettings.objects.update_or_create(user=User.objects.get(), defaults={"timezone": zone})
        text = read(viewer, campaign, "figures")
        assert f"Hours and days are those of {zone}." in text and "UTC" not in text
        heat = charts_of(campaign.calls.all(), ZoneInfo(zone))["heat"]
        assert heat["hours"] == [f"{hour:02d}"]
        [cell] = dict(heat["rows"])[day]
        assert (cell["text"], cell["title"]) == ("14", "1 of 7 calls reached a person")
        over = charts_of(campaign.calls.all(), ZoneInfo(zone))["over_time"]
        assert [label for label, _ in over["rows"]] == [f"0{3 if day == 'Tue' else 2} Mar {hour:02d}:00"]


AUTUMN, SPRING = datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)  # in Paris
HALF_TWICE = {"00:00": 2, "01:00 UTC+11": 2, "01:00 UTC+1030": 1, "02:00": 2, "03:00": 1}
HALF_BACK, HALF_ON = datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)  # on Lord Howe


@pytest.mark.parametrize(
    ("zone", "change", "expected"),
    [
        ("Europe/Paris", AUTUMN, {"01:00": 2, "02:00 CEST": 2, "02:00 CET": 2, "03:00": 2}),
        ("Europe/Paris", SPRING, {"00:00": 2, "01:00": 2, "03:00": 2, "04:00": 2}),
        (
            "Australia/Lord_Howe",
            HALF_BACK,
            {"00:00": 2, "01:00 UTC+11": 2, "01:00 UTC+1030": 1, "02:00": 2, "03:00": 1},
        ),
        ("Australia/Lord_Howe", HALF_ON, {"00:00": 2, "01:00": 2, "02:00": 1, "03:00": 2, "04:00": 1}),
    ],
)
def test_hours_of_a_night_on_which_clocks_change(
    campaign: Campaign, zone: str, change: datetime, expected: dict[str, int]
) -> None:
    """A call ends every half hour around the change: no hour swallows another, and none is invented."""
    [person, *_] = launched(campaign)
    for step in range(-4, 4):
        a_call(person, Status.BUSY, terminal_at=change + timedelta(minutes=30 * step + 10))
    shown = charts_of(campaign.calls.all(), ZoneInfo(zone))["over_time"]
    assert {label.split(" ", 2)[2]: values[0] for label, values in shown["rows"]} == expected


def test_at_which_call_people_were_reached(viewer: Client, campaign: Campaign) -> None:
    people = launched(campaign)
    for person in people[:4]:
        a_call(person, Status.NO_ANSWER)
        a_call(person, Status.CANCELED, attempt=2, dialed_at=None)
    a_call(people[0], Status.COMPLETED, attempt=2)
    a_call(people[1], Status.COMPLETED, attempt=2, ended_reason="voicemail")
    a_call(people[4], Status.COMPLETED)
    assert "1 5 1 20 % 2 2 1 50 %" in read(viewer, campaign, "figures")


def test_figures_of_many_calls_are_of_a_sample_spread_over_all(
    viewer: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    [person, *_] = launched(campaign)
    calls = [a_call(person, Status.COMPLETED) for _ in range(20)]
    assert "sample" not in read(viewer, campaign, "figures")
    monkeypatch.setattr("calls.admin.campaigns.figures.SAMPLE", 5)
    assert "use a sample: one in 5 calls" in read(viewer, campaign, "figures")
    found, every = sample_of(campaign, 5)
    assert every == 5
    assert sorted(found.values_list("pk", flat=True)) == [call.pk for call in calls if call.pk % 5 == 0]


def test_pictures_hold_nothing_of_other_campaigns(campaign: Campaign, phone_number: PhoneNumber) -> None:
    other = support.campaign(phone_number, campaign.contact_lists.get(), status="draft")
    a_call(launched(other)[0], Status.COMPLETED)
    assert not any(charts_of(campaign.calls.all(), PARIS).values())


# The number of queries.


def test_the_page_asks_a_fixed_number_of_questions(viewer: Client, campaign: Campaign) -> None:
    assert campaign.assistant
    Campaign.objects.update(budget=Decimal(10))
    CampaignVariant.objects.create(campaign=campaign, assistant=an_assistant(campaign.assistant.account, name="B"))
    entries.listed(campaign.organization_id, NUMBERS, timezone.now())  # creates the installation's key, once
    counts = []
    people = launched(campaign)
    for half in (people[:2], people[2:]):
        for person in half:
            a_call(person, Status.NO_ANSWER)
            a_call(person, Status.COMPLETED, attempt=2, cost_price=Decimal("0.10"))
        found = {}
        for page in PARTS:
            with CaptureQueriesContext(connection) as queries:
                read(viewer, campaign, page)
            # Outside of a test, each process looks up the installation's key once.
            found[page] = sum("installationkey" not in query["sql"] for query in queries)
        counts.append(found)
    assert counts[0] == counts[1]
    assert max(counts[0].values()) <= ASKED, counts


def test_a_recipient_in_doubt_is_not_one_that_is_held(viewer: Client, campaign: Campaign) -> None:
    """An unconfirmed call puts its recipient in review as well: the overview names it once, as the call."""
    doubted, held, *_ = launched(campaign)
    Recipient.objects.filter(pk=doubted.pk).update(status="review", reason="unconfirmed")
    Recipient.objects.filter(pk=held.pk).update(status="review", reason="placeholder_values: slot")
    number, now = campaign.phone_numbers.get(), timezone.now()
    doubt = {"status": "unconfirmed", "dialed_at": now, "next_read_at": now}
    support.single(number, NUMBERS[0], campaign=campaign, recipient=doubted, **doubt)
    page = viewer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    shown = words_of(page.partition("Needs attention")[2].partition("</ul>")[0])
    assert "1 unconfirmed call" in shown and "1 recipient held until a team member decides" in shown
    [link] = re.findall(r'href="([^"]*reason=[^"]*)"', page.partition("Needs attention")[2].partition("</ul>")[0])
    listed: Any = viewer.get(html.unescape(link))
    assert [row.pk for row in listed.context_data["cl"].result_list] == [held.pk]

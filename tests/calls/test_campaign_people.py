"""The recipients on a campaign's page: status in words, filters, pages, the funnel, the explanation."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.admin.people import recipient_list
from calls.admin.people.recipient import REASONS
from calls.admin.people.standing import standing
from calls.admin.shared import labels
from calls.gate.checks import CheckName
from calls.reports.figures.recipients import counts_of
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Membership, Organization
from tests.calls import support
from tests.calls.test_campaign_page import viewer, words_of

__all__ = ["viewer"]

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # half past seven in Paris
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    numbers = [f"+3361234{n:04d}" for n in range(10)]
    made = support.campaign(phone_number, support.people(organization, numbers, name="Ada"), status="running")
    made.launched_at = made.started_at = timezone.now()
    made.save()
    return made


def person(campaign: Campaign, **fields: Any) -> Recipient:
    contact = Contact.objects.exclude(recipients__campaign=campaign).order_by("pk")[0]
    return Recipient.objects.create(campaign=campaign, contact=contact, **fields)


def people_page(client: Client, campaign: Campaign, **asked: Any) -> str:
    answer = client.get(reverse("admin:campaigns_campaign_people", args=[campaign.pk]), asked)
    assert answer.status_code == 200
    return answer.content.decode()


# Status in words.


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "pending"}, "Waiting for its turn"),
        ({"status": "pending", "next_attempt_at": NOW - timedelta(minutes=1)}, "Waiting for its turn"),
        (
            {"status": "pending", "next_attempt_at": NOW + timedelta(minutes=90), "reason": "calling_hours"},
            "Waiting until 9:00 in Paris",
        ),
        (
            {"status": "waiting", "next_attempt_at": NOW + timedelta(hours=24), "reason": "no_answer"},
            "Waiting until Thu 5 Mar, 7:30 in Paris: nobody answered",
        ),
        (
            {
                "status": "pending",
                "next_attempt_at": NOW + timedelta(hours=2),
                "reason": "calling_hours",
                "waits_in": "America/Argentina/Buenos_Aires",
            },
            "Waiting until 5:30 in Buenos Aires",
        ),
        ({"status": "waiting", "reason": "call_back"}, "Waiting for the scheduled callback"),
        ({"status": "calling"}, "A call is under way"),
        ({"status": "done", "outcome": "completed"}, "The call was answered"),
        ({"status": "done", "outcome": "completed", "reason": "voicemail"}, "A voicemail answered"),
        ({"status": "done", "outcome": "no_answer", "reason": "attempts"}, "Called as often as the campaign allows"),
        ({"status": "done", "outcome": "", "reason": "no_open_window"}, "No calling window was left"),
        ({"status": "skipped", "reason": "missing_variables: slot"}, "Will not be called: variables that the assi"),
        ({"status": "review", "reason": "unconfirmed"}, "Needs attention: the call is unconfirmed"),
        ({"status": "withdrawn"}, "Withdrawn by a team member"),
        ({"status": "withdrawn", "reason": "campaign_canceled"}, "Withdrawn: the campaign was canceled"),
    ],
)
def test_where_somebody_stands_is_a_sentence(campaign: Campaign, fields: dict[str, Any], said: str) -> None:
    campaign.timezone = "Europe/Berlin"
    found = standing(person(campaign, **fields), campaign, NOW)
    assert found.startswith(said) and "_" not in found, found


def test_those_of_a_paused_campaign_wait_for_it(campaign: Campaign) -> None:
    campaign.status = Campaign.Status.PAUSED
    assert standing(person(campaign), campaign, NOW) == "Waiting until the campaign resumes"
    later = NOW + timedelta(minutes=90)
    found = standing(person(campaign, next_attempt_at=later, reason="calling_hours"), campaign, NOW)
    assert found == "Waiting until 9:00 in Paris"


def test_every_reason_and_check_of_the_gate_has_words() -> None:
    assert not [code for code in REASONS if code not in labels.REASONS]
    assert not [name for name in CheckName if "_" in labels.check_name(name)]


# Filters.


def test_people_are_filtered_by_status_outcome_and_reason_with_counts(viewer: Client, campaign: Campaign) -> None:
    for _ in range(3):
        person(campaign, status="done", outcome="completed")
    person(campaign, status="done", outcome="failed")
    person(campaign, status="skipped", reason="missing_variables: slot")
    person(campaign, status="skipped", reason="missing_variables: slot, name")
    person(campaign, status="skipped", reason="country")
    text = words_of(people_page(viewer, campaign))
    assert "Done 4" in text and "Not called 3" in text and "Failed 1" in text
    assert "Variables that the assistant requires are missing 2" in text
    text = words_of(people_page(viewer, campaign, status="done", outcome="failed"))
    assert text.count("Explain ") == 1 and "The provider gave no reason" in text
    assert "Done 1" in text and "Answered 3" in text, "a filter counts the rows that the other filters leave"
    text = words_of(people_page(viewer, campaign, reason="missing_variables"))
    assert text.count("Explain ") == 2
    assert "No recipient matches these filters." in people_page(viewer, campaign, status="done", reason="country")


def test_pages_of_people_go_on_by_key_and_keep_the_filters(
    viewer: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipient_list, "SHOWN", 3)
    made = [person(campaign, status="done").pk for _ in range(7)]
    person(campaign, status="pending")

    def shown(page: str) -> list[int]:
        return [int(pk) for pk in re.findall(r'id="person-(\d+)"', page)]

    def follow(page: str, name: str) -> str:
        address = re.search(rf'id="people-{name}"[^>]*hx-get="([^"]*)"', page)
        assert address, page
        return viewer.get(address[1].replace("&amp;", "&")).content.decode()

    first = people_page(viewer, campaign, status="done")
    assert shown(first) == made[:3:-1] and "people-newer" not in first
    person(campaign)  # rows change meanwhile: none is shown twice or left out
    second = follow(first, "older")
    third = follow(second, "older")
    assert (shown(second), shown(third)) == (made[3:0:-1], made[:1]) and "people-older" not in third
    assert shown(follow(third, "newer")) == made[3:0:-1]
    here = re.search(r'data-refresh="\d+" hx-get="([^"]*)"', second)
    assert here and "status=done" in here[1] and "before=" in here[1], "a refresh stays on the page"


@pytest.mark.parametrize(
    "asked", [{"before": "x"}, {"before": "9" * 40}, {"status": "%"}, {"after": "-1"}, {"reason": "_"}]
)
def test_nonsense_in_the_address_is_no_mistake_of_ours(
    viewer: Client, campaign: Campaign, asked: dict[str, str]
) -> None:
    person(campaign)
    assert people_page(viewer, campaign, **asked)


def test_the_address_of_the_page_carries_the_filters_to_its_people(viewer: Client, campaign: Campaign) -> None:
    page = viewer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), {"status": "done", "x": "1"})
    assert f'hx-get="{reverse("admin:campaigns_campaign_people", args=[campaign.pk])}?status=done"' in (
        page.content.decode()
    )


def test_the_list_of_recipients_has_the_same_filters(viewer: Client, campaign: Campaign) -> None:
    person(campaign, status="done", outcome="failed", reason="failed")
    person(campaign, status="skipped", reason="missing_variables: slot")
    url = reverse("admin:campaigns_recipient_changelist")
    wanted: list[tuple[dict[str, Any], str]] = [
        ({"outcome__exact": "failed"}, "The provider gave no reason"),
        ({"reason": "missing_variables"}, "Will not be called: variables"),
        ({"campaign__id__exact": campaign.pk, "status__exact": "done"}, "The provider gave no reason"),
        ({"q": "06 12 34 00 01"}, "Will not be called: variables"),
    ]
    for asked, said in wanted:
        page = viewer.get(url, asked).content.decode()
        assert said in page and page.count("data-drawer") == 1, asked


# The funnel.


def test_the_funnel_counts_people_and_never_widens(viewer: Client, campaign: Campaign) -> None:
    person(campaign, status="done", outcome="completed", attempts=2)
    person(campaign, status="done", outcome="completed", reason="voicemail", attempts=1)
    person(campaign, status="waiting", outcome="no_answer", attempts=1)
    person(campaign, status="withdrawn", attempts=1)
    person(campaign, status="withdrawn")
    person(campaign, status="skipped", reason="do_not_call")
    person(campaign)
    steps = list(counts_of([campaign.pk])[campaign.pk].funnel().items())
    assert steps == [
        ("On its lists", 7),
        ("May be called", 5),
        ("Called", 4),
        ("Answered", 2),
        ("Reached in person", 1),
    ]
    page = viewer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), {"tab": "results"})
    assert "Called 4 57.1 % 80 %" in words_of(page.content.decode())


# Explaining.


def test_an_explanation_is_a_page_a_drawer_and_a_part(viewer: Client, campaign: Campaign) -> None:
    row = person(campaign)
    entries.add(campaign.organization, row.contact.phone, source="test")
    url = reverse("admin:campaigns_recipient_explain", args=[row.pk])
    whole = viewer.get(url).content.decode()
    drawer = viewer.get(url, headers={"HX-Request": "true", "HX-Target": "drawer-body"}).content.decode()
    part = viewer.get(url, headers={"HX-Request": "true", "HX-Target": "explanation"}).content.decode()
    for page in (whole, drawer, part):
        assert "The number is on the do-not-call list." in page and "Will not be called" in page
    assert "<html" in whole and "<html" not in drawer + part
    assert "data-drawer-title" in drawer and "data-drawer-title" not in part
    assert "data-refresh" in part
    Recipient.objects.filter(pk=row.pk).update(status="done")
    assert "data-refresh" not in viewer.get(url).content.decode(), "nothing changes any more"


def test_the_verdict_says_until_when_in_the_persons_own_time(viewer: Client, campaign: Campaign) -> None:
    row = person(campaign, status="waiting", next_attempt_at=timezone.now() + timedelta(days=3))
    page = viewer.get(reverse("admin:campaigns_recipient_explain", args=[row.pk])).content.decode()
    assert re.search(r"Must wait Until \w+ \d+ \w+, \d+:\d\d in Paris\.", words_of(page)), words_of(page)


def test_names_are_text_wherever_they_stand(viewer: Client, campaign: Campaign) -> None:
    row = person(campaign, status="done", reason=HOSTILE, outcome="completed")
    Contact.objects.filter(pk=row.contact_id).update(name=HOSTILE)
    for url in (
        reverse("admin:campaigns_campaign_people", args=[campaign.pk]),
        reverse("admin:campaigns_recipient_explain", args=[row.pk]),
        reverse("admin:campaigns_recipient_changelist"),
        reverse("admin:campaigns_recipient_change", args=[row.pk]),
    ):
        assert "<img src=x" not in viewer.get(url).content.decode(), url


def test_another_organizations_people_are_not_found(client: Client, campaign: Campaign, stranger: Organization) -> None:
    user = User.objects.create(username="sam", is_staff=True)
    Membership.objects.create(user=user, organization=stranger, role="admin")
    client.force_login(user)
    for url in (
        reverse("admin:campaigns_campaign_people", args=[campaign.pk]),
        reverse("admin:campaigns_recipient_explain", args=[person(campaign).pk]),
    ):
        assert client.get(url).status_code == 404


# The effect that a button announces.


@pytest.fixture
def operator(organization: Organization) -> Client:
    user = User.objects.create(username="otto", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="operator")
    client = Client()
    client.force_login(user)
    return client


def confirmation(client: Client, campaign: Campaign, step: str) -> str:
    answer = client.get(reverse("admin:campaigns_campaign_step", args=[campaign.pk, step]))
    assert answer.status_code == 200
    return words_of(answer.content.decode())


def test_resuming_says_how_many_people_at_what_hours_for_how_much(operator: Client, campaign: Campaign) -> None:
    window = campaign.windows.get()
    window.days, window.opens, window.closes = ["mon", "tue", "wed", "thu", "fri"], 540, 1140
    window.save()
    Campaign.objects.filter(pk=campaign.pk).update(status="paused", legal_override="", max_attempts=2)
    person(campaign)
    person(campaign, status="waiting")
    person(campaign, status="done")
    text = confirmation(operator, campaign, "resume")
    assert "2 recipients still to be called" in text
    assert "Contacts are called Monday to Friday from 9:00 to 19:00 in their own time zone. Legal calling hours" in text
    assert "The maximum cost is unknown" in text
    account = campaign.assistant.account  # type: ignore[union-attr]
    account.price_per_minute, account.reserved_minutes = "0.5", 2
    account.save()
    text = confirmation(operator, campaign, "resume")
    assert "The campaign costs at most 4.00 USD: 2 calls of up to 2 minutes to each contact." in text
    Campaign.objects.filter(pk=campaign.pk).update(budget=9)
    assert "The campaign costs at most 9.00 USD, its budget. Then it pauses itself." in confirmation(
        operator, campaign, "resume"
    )


def test_windows_are_told_as_people_say_them(operator: Client, campaign: Campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(status="paused", holidays=["2026-12-25"])
    assert "called every day from 0:00 to 24:00 in their own time zone, except on 1 holiday" in confirmation(
        operator, campaign, "resume"
    )
    campaign.windows.update(days=["mon", "sat"], opens=9 * 60 + 30, closes=0)
    assert "called Monday and Saturday from 9:30 to 0:00" in confirmation(operator, campaign, "resume")

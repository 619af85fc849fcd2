"""The dashboard: what needs attention and its links, today beside a week ago, and the rest of the day's budget."""

from __future__ import annotations

from collections import Counter
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

from calls.admin.dashboard.attention import items_of, with_missed
from calls.admin.dashboard.today import outcomes
from calls.gate.budgets import spending_today, spending_today_by
from calls.models import Call, CallBack, Status
from calls.reports.figures.conditions import Share
from calls.reports.figures.today import Day, Ends, placed_by_hour
from campaigns.models import Campaign, ContactImport, ContactList, Recipient
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Alert, Membership, Organization, StaffSettings
from tests.calls import support
from tests.calls.test_campaign_page import viewer, words_of
from tests.conftest import a_number, an_account, an_assistant
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in", "viewer"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("assistant")]
ASKS = 15


def trouble(number: PhoneNumber) -> dict[str, Any]:
    """One object of each kind that needs attention, and beside each one that does not."""
    organization, now = number.organization, timezone.now()
    campaign = support.campaign(number, support.people(organization, ["+33612345678"]), status="paused")
    Campaign.objects.filter(pk=campaign.pk).update(name="December", status_reason="The budget is spent.")
    support.campaign(number, campaign.contact_lists.get(), status="paused")  # by a team member
    call = support.single(number, "+33612345679", status=Status.UNCONFIRMED, dialed_at=now, next_read_at=now)
    ProviderAccount.objects.filter(pk=number.account_id).update(
        blocked_at=now, blocked_code="misconfigured", blocked_reason="The key was refused."
    )
    lists = campaign.contact_lists.get()
    made = {"organization": organization, "contact_list": lists}
    failed = ContactImport.objects.create(**made, filename="new.csv", status="failed", error="It is no spreadsheet.")
    ContactImport.objects.create(**made, filename="fine.csv", status="completed")
    old = ContactImport.objects.create(**made, filename="old.csv", status="failed")
    ContactImport.objects.filter(pk=old.pk).update(created_at=now - timedelta(days=8))
    person = Recipient.objects.create(campaign=campaign, contact=call.contact)
    given = {"organization": organization, "contact": call.contact, "recipient": person, "due_at": now}
    for status, ended in (("missed", now), ("missed", now - timedelta(days=8)), ("kept", now)):
        CallBack.objects.create(**given, latest_at=now + timedelta(hours=1), status=status, ended_at=ended)
    Alert.objects.create(organization=organization, key="a", message="New.")
    Alert.objects.create(organization=organization, key="b", message="Read.", seen_at=now)
    return {"campaign": campaign, "account": number.account, "import": failed}


def test_everything_that_needs_a_person_is_named_with_the_way_to_it(
    viewer: Client, organization: Organization, phone_number: PhoneNumber
) -> None:
    assert "Needs attention" not in words_of(viewer.get("/admin/").content.decode())
    found = trouble(phone_number)
    items = items_of(with_missed([organization.pk], timezone.now()), 1, 1, timezone.now())
    assert [(item.title, item.url) for item in items] == [
        ("1 unconfirmed call", "/admin/calls/call/?status__exact=unconfirmed"),
        (
            "AlloMia is blocked: set up wrongly",
            reverse("admin:providers_provideraccount_change", args=[found["account"].pk]),
        ),
        ("“December” paused itself", reverse("admin:campaigns_campaign_change", args=[found["campaign"].pk])),
        ("1 missed scheduled callback", "/admin/calls/callback/?status__exact=missed"),
        ("The import of new.csv failed", reverse("admin:campaigns_contactimport_change", args=[found["import"].pk])),
        ("1 new alert", "/admin/tenants/alert/"),
    ]
    text = words_of(viewer.get("/admin/").content.decode())
    for sentence in ("The key was refused.", "The budget is spent.", "It is no spreadsheet.", "1 new alert"):
        assert sentence in text
    for item in items:
        assert viewer.get(item.url).status_code == 200, item.url


def test_nothing_of_another_organization_is_named(stranger: Organization, phone_number: PhoneNumber) -> None:
    trouble(phone_number)
    assert items_of(with_missed([stranger.pk], timezone.now()), 0, 0, timezone.now()) == []


def test_the_figures_are_of_ones_own_organizations(
    sign_in: SignIn, organization: Organization, stranger: Organization, phone_number: PhoneNumber
) -> None:
    Organization.objects.filter(pk=organization.pk).update(daily_budget=Decimal(10))
    trouble(phone_number)
    ended(phone_number, "completed", timezone.now())
    support.campaign(
        a_number(an_assistant(an_account(stranger, name="Theirs")).account),
        support.people(stranger, []),
        status="paused",
    )
    client = sign_in(stranger, "admin")
    text = today(client)
    assert "0 calls ended, 0 at this time" in text and "No calls placed today." in text
    assert "Theirs In service 0 of 50 - - / - none in 7 days" in text
    assert "AlloMia" not in text and "Daily budget" not in text
    assert "0 under way Queued 0" in words_of(client.get(reverse("admin:calls_call_overview")).content.decode())


def today(client: Client) -> str:
    answer = client.get(reverse("admin:calls_call_today"))
    assert answer.status_code == 200
    return words_of(answer.content.decode())


def ended(number: PhoneNumber, status: str, at: datetime) -> None:
    call = support.single(number, "+33612345678", status=status, dialed_at=at)
    Call.objects.filter(pk=call.pk).update(terminal_at=at)


def test_today_stands_beside_the_same_weekday_before_until_the_same_time(
    viewer: Client, phone_number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 3, 11, 11, tzinfo=UTC)  # a Wednesday in Paris, the organization's time zone
    monkeypatch.setattr("calls.admin.dashboard.today.timezone.now", lambda: noon)
    hour, week = timedelta(hours=1), timedelta(days=7)
    for status, at in (
        ("completed", noon - hour),
        ("busy", noon - hour),
        ("busy", noon - 13 * hour),  # yesterday
        ("completed", noon - week - hour),
        ("completed", noon - week - 2 * hour),
        ("unknown", noon - week - hour),
        ("failed", noon - week + hour),  # later that day
        ("failed", noon - week - 13 * hour),  # the day before
    ):
        ended(phone_number, status, at)
    for status, heard in (
        ("completed", {"answered_by": "machine"}),
        ("completed", {"ended_reason": "voicemail"}),
        ("no_answer", {"answered_by": "machine"}),
        ("busy", {"answered_by": "machine"}),
    ):
        ended(phone_number, status, noon - hour)
        Call.objects.filter(pk=Call.objects.latest("pk").pk).update(**heard)
    text = today(viewer)
    tiles = (
        "6 calls ended, 3 at this time last Wednesday 16.7 % reached in person: "
        "1 of 6 calls that rang, 2 of 2 (100 %) at this"
    )
    assert f"Today until 12:00 {tiles} time last Wednesday" in text, text
    assert (
        "Today Last Wednesday, at this time Reached in person 1 2 Voicemail 3 0 Busy 2 0 Outcome unknown 0 1 "
        "Reached in person, of those that rang 1 of 6 (16.7 %) 2 of 2 (100 %)" in text
    ), text


def test_nobody_called_has_no_share() -> None:
    nobody = Ends({}, Share())
    assert outcomes(nobody, nobody) == []
    canceled = Ends({"canceled": 1}, Share())
    assert outcomes(canceled, nobody)[-1] == {
        "label": "Reached in person, of those that rang",
        "n": "-",
        "before": "-",
    }


def test_the_budget_of_the_day(viewer: Client, organization: Organization, phone_number: PhoneNumber) -> None:
    assert "Budget of today" not in today(viewer)
    Organization.objects.filter(pk=organization.pk).update(daily_budget=Decimal(10), daily_budget_currency="EUR")
    ProviderAccount.objects.update(price_per_minute=Decimal(1), price_per_minute_currency="EUR")
    support.single(
        phone_number,
        "+33612345678",
        status="placed",
        dialed_at=timezone.now(),
        next_read_at=timezone.now(),
        cost_reserved=Decimal(3),
    )
    text = today(viewer)
    assert "Daily budget 3.00 EUR of 10.00 EUR spent or set aside for calls under way (30 %)." in text
    assert "This day ends tomorrow 00:00." in text


@pytest.mark.parametrize("path", ["/admin/", "/admin/calls/call/overview/", "/admin/calls/call/overview/today/"])
def test_trouble_costs_no_further_questions(
    viewer: Client, organization: Organization, phone_number: PhoneNumber, path: str
) -> None:
    Organization.objects.filter(pk=organization.pk).update(daily_budget=Decimal(10))
    trouble(phone_number)
    for _ in range(3):
        support.campaign(phone_number, ContactList.objects.get(), status="running")
    with CaptureQueriesContext(connection) as queries:
        assert viewer.get(path).status_code == 200
    assert len(queries) <= ASKS, [query["sql"][:120] for query in queries]


def test_a_day_is_that_of_the_zone_whatever_its_clock_does() -> None:
    sunday = Day("Europe/Paris", datetime(2026, 3, 29, 10, tzinfo=UTC))  # the clocks went forward in the night
    assert sunday.starts == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert sunday.before == (datetime(2026, 3, 21, 23, tzinfo=UTC), datetime(2026, 3, 22, 11, tzinfo=UTC))


def test_calls_stand_at_the_hour_in_which_they_were_dialed(
    viewer: Client, phone_number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 3, 11, 11, tzinfo=UTC)
    monkeypatch.setattr("calls.admin.dashboard.today.timezone.now", lambda: noon)
    assert "No calls placed today." in today(viewer)
    later = {"next_read_at": noon + timedelta(hours=1)}
    for to, status, at, more in (
        ("+33612345601", "completed", noon - timedelta(minutes=30), {}),
        ("+33612345602", "in_progress", noon - timedelta(minutes=10), later),
        ("+33612345603", "ringing", noon - timedelta(minutes=5), later),
        ("+33612345604", "busy", noon - timedelta(hours=2, minutes=1), {}),
        ("+33612345605", "completed", noon - timedelta(hours=12, minutes=1), {}),  # yesterday in Paris
        ("+33612345606", "canceled", None, {}),
        ("+33612345607", "unknown", noon - timedelta(minutes=1), {}),
    ):
        support.single(phone_number, to, status=status, dialed_at=at, **more)
    text = today(viewer)
    assert "Reached in person 1 Not reached 1 Under way 2 Without an outcome 1" in text
    assert "Hour Reached in person Not reached Under way Without an outcome 09:00 0 1 0 0 11:00 1 0 2 1" in text


@pytest.mark.parametrize(
    ("zone", "noon", "hours", "twice"),
    [
        ("Europe/Paris", datetime(2026, 3, 29, 10, tzinfo=UTC), 23, []),
        ("Europe/Paris", datetime(2026, 10, 25, 11, tzinfo=UTC), 25, ["02:00 CEST", "02:00 CET"]),
        ("America/St_Johns", datetime(2026, 11, 1, 15, tzinfo=UTC), 25, ["01:00 NDT", "01:00 NST"]),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, tzinfo=UTC), 25, ["01:00 UTC+11", "01:00 UTC+1030"]),
        ("Australia/Lord_Howe", datetime(2026, 10, 4, 1, tzinfo=UTC), 24, []),
        ("Asia/Kathmandu", datetime(2026, 3, 29, 10, tzinfo=UTC), 24, []),
    ],
)
def test_a_day_has_the_hours_that_its_clock_shows(
    phone_number: PhoneNumber, zone: str, noon: datetime, hours: int, twice: list[str]
) -> None:
    day = Day(zone, noon)
    moment = day.starts + timedelta(minutes=10)
    while moment < noon:  # one call in each half hour
        to = f"+336{int(moment.timestamp()) % 10**8:08d}"
        support.single(phone_number, to, status="busy", dialed_at=moment)
        moment += timedelta(minutes=30)
    found = placed_by_hour([phone_number.organization_id], day)
    assert len(found) == hours
    assert [hour.label for hour in found if len(hour.label) > 5] == twice
    of_clock = Counter(
        f"{local:%H} {local:%z}"
        for local in (
            call.dialed_at.astimezone(ZoneInfo(zone)) for call in Call.objects.order_by("pk") if call.dialed_at
        )
    )
    assert [hour.not_reached for hour in found if hour.not_reached] == list(of_clock.values())


@pytest.mark.time_machine(datetime(2026, 7, 1, 10, tzinfo=UTC), tick=False)
def test_the_day_is_that_of_the_users_clock(viewer: Client, sister: Organization, phone_number: PhoneNumber) -> None:
    Membership.objects.create(user=User.objects.get(), organization=sister, role="viewer")
    Organization.objects.filter(pk=sister.pk).update(timezone="Asia/Tokyo")
    assert "Today until 12:00" in today(viewer), "of the first organization, in Paris"
    StaffSettings.objects.create(user=User.objects.get(), timezone="Asia/Kathmandu")
    text = today(viewer)
    assert "Today until 15:45" in text
    assert "Asia" not in text and "UTC" not in text, "the page names the zone once, at its top"


def test_the_budgets_of_several_organizations_are_each_their_own(
    viewer: Client, organization: Organization, sister: Organization, phone_number: PhoneNumber
) -> None:
    theirs = a_number(an_account(sister))
    an_assistant(theirs.account)
    given = {"status": "placed", "dialed_at": timezone.now(), "next_read_at": timezone.now()}
    support.single(phone_number, "+33612345678", cost_reserved=Decimal(3), **given)
    support.single(theirs, "+33612345678", cost_reserved=Decimal(4), **given)
    both = list(Organization.objects.filter(pk__in=[organization.pk, sister.pk]))
    found = spending_today_by(both, timezone.now())
    assert found == {each.pk: spending_today(each, timezone.now()) for each in both}
    assert {pk: support.dollars(each.used) for pk, each in found.items()} == {organization.pk: 3, sister.pk: 4}


def test_a_campaigns_recipients_are_counted_as_they_are(
    viewer: Client, organization: Organization, phone_number: PhoneNumber
) -> None:
    people = support.people(organization, ["+33612345678", "+33612345679", "+33612345680"])
    campaign = support.campaign(phone_number, people, status="paused")
    Recipient.objects.bulk_create(Recipient(campaign=campaign, contact=each) for each in people.contacts.all())

    def shown() -> str:
        return words_of(viewer.get(reverse("admin:calls_call_overview")).content.decode())

    assert "0 of 3 recipients done, 0 %" in shown()
    Recipient.objects.filter(pk=Recipient.objects.all()[0].pk).update(status="done")
    assert "1 of 3 recipients done, 33 %" in shown()
    Recipient.objects.update(status="done")
    assert "3 of 3 recipients done, 100 %" in shown()


def test_the_dashboard_has_the_switch_that_stops_all_calls(
    sign_in: SignIn, organization: Organization, phone_number: PhoneNumber, assistant: Any
) -> None:
    support.single(phone_number, "+33612345601")
    stop = reverse("admin:tenants_organization_step", args=[organization.pk, "stop-calls"])
    allow = reverse("admin:tenants_organization_step", args=[organization.pk, "allow-calls"])
    may_not, operator = sign_in(organization, "viewer"), sign_in(organization, "operator")
    manager = sign_in(organization, "manager")
    assert stop not in may_not.get("/admin/").content.decode()
    assert stop in operator.get("/admin/").content.decode()
    Organization.objects.update(calls_stopped=True)
    for client, offered in ((may_not, False), (operator, False), (manager, True)):
        page = client.get("/admin/").content.decode()
        assert "All calls of Acme are stopped." in words_of(page)
        assert stop not in page and (allow in page) == offered

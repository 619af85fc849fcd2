"""Alerts: raised once, shown until a team member has seen them, and only in their organization."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.outcomes import circuit_breaker
from campaigns.models import Campaign
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants import alerts
from tenants.models import Alert, Membership, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker

pytestmark = pytest.mark.django_db
ALERTS = "/api/v1/alerts/"


def test_an_alert_is_raised_once_in_each_organization(organization: Organization, sister: Organization) -> None:
    assert alerts.tell(organization, "budget.80:campaign:1", "80 % are spent.", "1")
    assert not alerts.tell(organization, "budget.80:campaign:1", "81 % are spent.", "1")
    assert alerts.tell(sister, "budget.80:campaign:1", "80 % are spent.", "1")
    assert organization.alerts.get().message == "80 % are spent."


def test_a_long_alert_is_cut_and_not_lost(organization: Organization) -> None:
    assert alerts.tell(organization, "k" * 300, "m" * 900, "s" * 300)
    assert not alerts.tell(organization, "k" * 300, "again")


def test_alerts_are_listed_filtered_and_marked_as_seen(
    api: ApiClient, organization: Organization, client_for: KeyMaker
) -> None:
    alerts.tell(organization, "one", "First.")
    alerts.tell(organization, "two", "Second.", "subject")
    rows = api.get(ALERTS).json()["results"]
    assert [row["message"] for row in rows] == ["Second.", "First."]
    assert rows[0] | {"id": "", "at": ""} == {
        "id": "",
        "organization": str(organization.uuid),
        "key": "two",
        "message": "Second.",
        "subject": "subject",
        "at": "",
        "seen_at": None,
        "seen_by": "",
        "ended_at": None,
    }
    seen = client_for(organization, "call").post(f"{ALERTS}{rows[0]['id']}/seen/").json()
    assert seen["seen_at"] and seen["seen_by"].startswith("key ")
    assert api.post(f"{ALERTS}{rows[0]['id']}/seen/").json() == seen, "the first mark stays"
    assert [row["key"] for row in api.get(f"{ALERTS}?seen=true").json()["results"]] == ["two"]
    assert [row["key"] for row in api.get(f"{ALERTS}?seen=false").json()["results"]] == ["one"]
    assert api.post(ALERTS, {"key": "x", "message": "x"}).status_code == 405


def test_a_blocked_account_raises_one_alert_however_many_calls_meet_it(account: ProviderAccount) -> None:
    for _ in range(3):
        circuit_breaker.block(account.pk, circuit_breaker.Block.MISCONFIGURED, "The key is wrong.")
    alert = Alert.objects.get()
    assert alert.message == "Provider account “AlloMia” is blocked: set up wrongly. The key is wrong."
    assert alert.subject == str(account.uuid)
    account.refresh_from_db()
    assert account.blocked_reason == "The key is wrong."
    circuit_breaker.unblock(account.pk)
    circuit_breaker.block(account.pk, circuit_breaker.Block.MISCONFIGURED, "The key is still wrong.")
    assert Alert.objects.count() == 2, "a later block raises an alert again"


def test_a_campaign_that_pauses_itself_raises_an_alert_with_the_reason(
    assistant: Assistant, phone_number: PhoneNumber
) -> None:
    campaign = Campaign.objects.create(
        organization=assistant.organization, name="March", assistant=assistant, status=Campaign.Status.RUNNING
    )
    for number in range(6):
        call = a_call(
            assistant,
            phone_number,
            f"+3361234560{number}",
            campaign=campaign,
            status="failed",
            ended_reason="refused",
            error_message="No such slot.",
        )
        circuit_breaker.pause_if_refused_alike(campaign.pk, call.error_message)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    alert = Alert.objects.get()
    assert alert.message == "“March” paused itself. The provider refused 5 calls with the same error: No such slot."
    assert alert.subject == str(campaign.uuid)


def staff(organization: Organization, role: str) -> Client:
    user = User.objects.create(username=f"{role}-{organization.pk}", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


def test_staff_see_new_alerts_first_and_on_the_dashboard(organization: Organization, account: ProviderAccount) -> None:
    alerts.tell(organization, f"account.blocked:{account.uuid}", "An old one.", str(account.uuid))
    alerts.tell(organization, "free words", "A newer one.", "no id at all")
    Alert.objects.filter(message="A newer one.").update(seen_at=timezone.now())
    client = staff(organization, "operator")
    listed = client.get(reverse("admin:tenants_alert_changelist")).content.decode()
    assert listed.index("An old one.") < listed.index("A newer one.")
    assert "1 new alert" in client.get("/admin/").content.decode()
    for alert in Alert.objects.all():
        page = client.get(reverse("admin:tenants_alert_change", args=[alert.pk])).content.decode()
        assert alert.message in page
        link = reverse("admin:providers_provideraccount_change", args=[account.pk])
        assert (link in page) == (alert.subject == str(account.uuid))
    old = Alert.objects.get(message="An old one.")
    step = reverse("admin:tenants_alert_step", args=[old.pk, "seen"])
    assert staff(organization, "viewer").post(step).status_code == 403
    assert client.post(step).status_code == 302
    old.refresh_from_db()
    assert (old.seen_by, old.seen_at is None) == (f"operator-{organization.pk}", False)
    assert "1 new alert" not in client.get("/admin/").content.decode()

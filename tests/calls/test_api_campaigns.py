"""Campaigns over the API: rules, actions and progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache

from calls.api import campaigns
from calls.models import Status
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient, Segment
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import AuditEntry, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.tables import cases

pytestmark = pytest.mark.django_db
CAMPAIGNS = "/api/v1/campaigns/"
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
S = Campaign.Status


@pytest.fixture
def group(organization: Organization, contact: Contact) -> ContactList:
    found = ContactList.objects.create(organization=organization, name="G")
    ContactListMember.objects.create(contact_list=found, contact=contact)
    return found


@pytest.fixture
def plan(assistant: Assistant, phone_number: PhoneNumber, group: ContactList) -> dict[str, Any]:
    """Return everything that a campaign needs to start."""
    return {
        "name": "March",
        "assistant": str(assistant.uuid),
        "phone_numbers": [str(phone_number.uuid)],
        "contact_lists": [str(group.uuid)],
        "windows": [{"days": EVERY_DAY, "opens": "00:00", "closes": "24:00"}],
    }


@pytest.fixture
def campaign(api: ApiClient, plan: dict[str, Any]) -> Campaign:
    answer = api.post(CAMPAIGNS, plan)
    assert answer.status_code == 201, answer.content
    return Campaign.objects.get()


def at(campaign: Campaign, action: str = "") -> str:
    return f"{CAMPAIGNS}{campaign.uuid}/" + (f"{action}/" if action else "")


def faults(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.content
    return {fault["field"] for fault in answer.json()["details"]}


def test_every_field_of_a_campaign_is_stored_and_given_back(
    api: ApiClient, plan: dict[str, Any], organization: Organization
) -> None:
    never = [{"field": "last_call", "is": "never"}]
    segment = Segment.objects.create(organization=organization, name="Not yet called", conditions=never)
    given = plan | {
        "organization": str(organization.uuid),
        "variables": {"slot": "{{ contact.variables.slot }}", "clinic": "Main street"},
        "timezone": "Europe/Paris",
        "contact_zone_rule": "trust_contact",
        "campaign_zone_countries": ["AU", "RU"],
        "campaign_zone_reason": "Customers in Sydney and Moscow",
        "segments": [str(segment.uuid)],
        "windows": [
            {"days": ["mon", "fri"], "opens": "09:00", "closes": "24:00"},
            {"days": ["sat"], "opens": "22:00", "closes": "02:00"},
        ],
        "holidays": ["2026-12-25"],
        "retry_rules": [
            {
                "outcome": "no_answer",
                "wait_minutes": 60,
                "max_attempts": 3,
                "multiplier": 1.5,
                "max_wait_minutes": 600,
                "other_time_of_day": True,
            },
            {
                "outcome": "voicemail",
                "wait_minutes": 0,
                "max_attempts": 1,
                "multiplier": 1,
                "max_wait_minutes": None,
                "other_time_of_day": False,
            },
        ],
        "assistant_weight": 3,
        "variants": [{"assistant": str(an_assistant(an_account(organization)).uuid), "weight": 1}],
        "number_choice": "local",
        "placeholder_values": "empty",
        "priority": 5,
        "max_attempts": 4,
        "try_next_number": True,
        "ongoing": True,
        "min_gap_minutes": 30,
        "max_open_calls": 5,
        "calls_per_minute": 12,
        "budget": {"amount": "100.00", "currency": "EUR"},
        "legal_override": "Staff of our own",
        "starts_at": "2099-01-01T08:00:00Z",
        "ends_at": "2099-02-01T08:00:00Z",
        "callback_url": "https://example.org/hook",
    }
    answer = api.post(CAMPAIGNS, given)
    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert found | given == found
    assert set(found) == set(given) | {"id", "status", "version", "progress", "created_at"}
    assert found["status"] == "draft"
    assert api.get(f"{CAMPAIGNS}{found['id']}/").json() == found
    assert api.patch(f"{CAMPAIGNS}{found['id']}/", found).json() == found
    entry = AuditEntry.objects.get(action="campaign.legal_override")
    assert entry.detail == {"reason": "Staff of our own"}
    entry = AuditEntry.objects.get(action="campaign.campaign_zone")
    assert entry.detail == {"countries": ["AU", "RU"], "reason": "Customers in Sydney and Moscow"}


def test_the_campaigns_zone_for_some_countries_is_recorded_each_time_it_changes(
    api: ApiClient, plan: dict[str, Any]
) -> None:
    url = f"{CAMPAIGNS}{api.post(CAMPAIGNS, plan).json()['id']}/"
    assert not AuditEntry.objects.filter(action="campaign.campaign_zone").exists()
    chosen = {"campaign_zone_countries": ["RU", "AU", "RU"], "campaign_zone_reason": "One office"}
    assert api.patch(url, chosen).json()["campaign_zone_countries"] == ["AU", "RU"]
    refused = api.patch(url, {"campaign_zone_countries": []})
    assert faults(refused) == {"campaign_zone_reason"}
    assert api.patch(url, {"campaign_zone_countries": [], "campaign_zone_reason": ""}).status_code == 200
    details = [entry.detail for entry in AuditEntry.objects.filter(action="campaign.campaign_zone").order_by("pk")]
    assert details == [
        {"countries": ["AU", "RU"], "reason": "One office"},
        {"countries": [], "reason": ""},
    ]


def test_a_name_is_enough(api: ApiClient, plan: dict[str, Any]) -> None:
    nulls = dict.fromkeys(
        [
            "organization",
            "assistant",
            "phone_numbers",
            "contact_lists",
            "variables",
            "timezone",
            "contact_zone_rule",
            "campaign_zone_countries",
            "campaign_zone_reason",
            "windows",
            "holidays",
            "retry_rules",
            "max_attempts",
            "min_gap_minutes",
            "max_open_calls",
            "calls_per_minute",
            "budget",
            "legal_override",
            "starts_at",
            "ends_at",
            "callback_url",
        ]
    )
    for body in ({"name": "Bare"}, {"name": "Bare"} | nulls):
        answer = api.post(CAMPAIGNS, body)
        assert answer.status_code == 201, answer.content
        found = answer.json()
        assert (found["assistant"], found["phone_numbers"], found["windows"]) == (None, [], [])
        assert (found["max_attempts"], found["budget"], found["holidays"]) == (3, None, [])


@cases(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"windows": {}}, "windows"),
        ({"windows": [{"days": ["mon"], "opens": "09:00"}]}, "windows.0.closes"),
        ({"windows": [{"days": ["mon"], "opens": "9", "closes": "10:00"}]}, "windows.0.opens"),
        ({"windows": [{"days": ["mon"], "opens": "24:00", "closes": "10:00"}]}, "windows.0.opens"),
        ({"windows": [{"days": ["mon"], "opens": "10:00", "closes": "10:00"}]}, "windows.0.closes"),
        ({"windows": [{"days": ["mon"], "opens": "10:00", "closes": "25:00"}]}, "windows.0.closes"),
        ({"windows": [{"days": ["someday"], "opens": "10:00", "closes": "11:00"}]}, "windows.0.days"),
        ({"windows": [{"days": [], "opens": "10:00", "closes": "11:00"}]}, "windows.0.days"),
        ({"windows": [{"days": ["mon"], "opens": "10:00", "closes": "11:00", "x": 1}]}, "windows.0.x"),
        ({"retry_rules": [{"outcome": "unknown"}]}, "retry_rules.0.outcome"),
        ({"retry_rules": [{"outcome": "busy", "wait_minutes": "60"}]}, "retry_rules.0.wait_minutes"),
        ({"retry_rules": [{"outcome": "busy"}, {"outcome": "busy"}]}, "retry_rules"),
        ({"holidays": ["25.12.2026"]}, "holidays"),
        ({"holidays": "2026-12-25"}, "holidays"),
        ({"variables": {"slot": "{{ contact.secret }}"}}, "variables.slot"),
        ({"variables": {"a b": "x"}}, "variables.a b"),
        ({"variables": []}, "variables"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 51}, "max_attempts"),
        ({"budget": {"amount": "1.23456"}}, "budget.amount"),
        ({"legal_override": "x" * 501}, "legal_override"),
        ({"contact_zone_rule": "mine"}, "contact_zone_rule"),
        ({"campaign_zone_countries": ["RU"]}, "campaign_zone_reason"),
        ({"campaign_zone_reason": "Left over"}, "campaign_zone_reason"),
        ({"campaign_zone_countries": ["ru"], "campaign_zone_reason": "x"}, "campaign_zone_countries"),
        ({"campaign_zone_countries": ["ZZ"], "campaign_zone_reason": "x"}, "campaign_zone_countries"),
        ({"campaign_zone_countries": "RU", "campaign_zone_reason": "x"}, "campaign_zone_countries"),
        ({"campaign_zone_countries": [7], "campaign_zone_reason": "x"}, "campaign_zone_countries"),
        ({"starts_at": "2099-01-02T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "2099-01-02T00:00:00"}, "starts_at"),
        ({"callback_url": "http://example.org"}, "callback_url"),
        ({"contact_lists": ["5"]}, "contact_lists"),
        ({"phone_numbers": "x"}, "phone_numbers"),
        ({"nope": 1}, "nope"),
    ],
)
def test_a_wrong_field_is_named(api: ApiClient, plan: dict[str, Any], change: dict[str, Any], field: str) -> None:
    assert field in faults(api.post(CAMPAIGNS, plan | change))
    assert not Campaign.objects.exists()


def test_a_patch_of_windows_leaves_none_of_their_fields_out(api: ApiClient, campaign: Campaign) -> None:
    assert faults(api.patch(at(campaign), {"windows": [{"days": ["mon"]}]})) == {"windows.0.opens", "windows.0.closes"}
    assert campaign.windows.count() == 1
    answer = api.patch(at(campaign), {"windows": []})
    assert (answer.status_code, answer.json()["windows"]) == (200, [])


def test_numbers_are_of_the_assistants_account(
    api: ApiClient, plan: dict[str, Any], campaign: Campaign, organization: Organization
) -> None:
    other = an_account(organization)
    assert faults(api.post(CAMPAIGNS, plan | {"phone_numbers": [str(a_number(other).uuid)]})) == {"phone_numbers"}
    assert faults(api.patch(at(campaign), {"assistant": str(an_assistant(other).uuid)})) == {"phone_numbers"}


def test_a_tenant_level_key_plans_where_the_objects_are(
    client_for: KeyMaker, plan: dict[str, Any], organization: Organization, sister: Organization
) -> None:
    everywhere = client_for(tenant=organization.tenant)
    assert everywhere.post(CAMPAIGNS, plan).json()["organization"] == str(organization.uuid)
    assert faults(everywhere.post(CAMPAIGNS, {"name": "Nowhere"})) == {"organization"}
    theirs = ContactList.objects.create(organization=sister, name="Theirs")
    assert faults(everywhere.post(CAMPAIGNS, plan | {"contact_lists": [str(theirs.uuid)]})) == {"contact_lists"}


# Actions.


def test_a_campaign_starts_pauses_resumes_and_ends(api: ApiClient, campaign: Campaign) -> None:
    for action, status in [
        ("start", "running"),
        ("start", "running"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("resume", "running"),
        ("cancel", "canceled"),
        ("cancel", "canceled"),
    ]:
        answer = api.post(at(campaign, action))
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    for action in ("start", "pause", "resume"):
        answer = api.post(at(campaign, action))
        assert (answer.status_code, set(answer.json())) == (409, {"error"})


def test_a_campaign_for_later_is_scheduled(api: ApiClient, campaign: Campaign) -> None:
    api.patch(at(campaign), {"starts_at": "2099-01-01T08:00:00Z"})
    assert api.post(at(campaign, "start")).json()["status"] == "scheduled"


def test_what_is_not_ready_is_a_422_with_every_problem(api: ApiClient) -> None:
    bare = api.post(CAMPAIGNS, {"name": "Bare"}).json()
    answer = api.post(f"{CAMPAIGNS}{bare['id']}/start/")
    assert answer.status_code == 422
    codes = {"no_assistant", "no_window", "no_contacts"}
    assert {fault["code"] for fault in answer.json()["details"]} == codes
    assert all(set(fault) == {"field", "message", "code"} for fault in answer.json()["details"])
    preflight = api.get(f"{CAMPAIGNS}{bare['id']}/preflight/").json()
    assert preflight["ok"] is False
    assert {problem["code"] for problem in preflight["problems"]} == codes
    assert all(set(problem) == {"code", "severity", "message", "count"} for problem in preflight["problems"])


def test_the_preflight_tells_who_when_and_how_much(
    api: ApiClient, campaign: Campaign, account: ProviderAccount, client_for: KeyMaker, organization: Organization
) -> None:
    Campaign.objects.update(legal_override="test")
    found = api.get(at(campaign, "preflight")).json()
    finish = datetime.fromisoformat(found.pop("estimated_finish"))
    assert timedelta(0) < finish - datetime.now(UTC) < timedelta(minutes=5)
    start = datetime.fromisoformat(found.pop("estimated_start"))
    [hour] = found.pop("per_hour")
    assert datetime.fromisoformat(hour["at"]) <= start < datetime.fromisoformat(hour["at"]) + timedelta(hours=1)
    assert hour["calls"] == 1
    assert found == {
        "ok": True,
        "problems": [],
        "recipients": 1,
        "callable_now": 1,
        "skipped": {},
        "placeholder_values": [],
        "zones_never_open": [],
        "never_open": [],
        "estimated_cost": None,
        "estimated_cost_low": None,
        "estimated_cost_by_currency": [],
        "estimated_cost_low_by_currency": [],
    }
    account.price_per_minute, account.price_per_minute_currency = Decimal("0.50"), "EUR"
    account.save()
    found = client_for(organization, "read").get(at(campaign, "preflight")).json()
    assert found["estimated_cost"] == {"amount": "1.50", "currency": "EUR"}
    assert found["estimated_cost_by_currency"] == [found["estimated_cost"]]
    assert Decimal(0) <= Decimal(found["estimated_cost_low"]["amount"]) <= Decimal("1.50")


def test_the_preflight_counts_who_is_not_called(
    api: ApiClient, campaign: Campaign, group: ContactList, organization: Organization, assistant: Assistant
) -> None:
    Campaign.objects.update(legal_override="test")
    assistant.variables = [{"name": "slot", "required": True}]
    assistant.save()
    for phone, values in [("+33612345601", {"slot": "9"}), ("+33612345602", {"slot": "9"}), ("+447911123456", {})]:
        row = Contact.objects.create(organization=organization, phone=phone, variables=values)
        ContactListMember.objects.create(contact_list=group, contact=row)
    entries.add(organization, "+33612345601", source="test")
    ContactImport.objects.create(organization=organization, contact_list=group, filename="x.csv")
    found = api.get(at(campaign, "preflight")).json()
    assert (found["ok"], found["recipients"], found["callable_now"]) == (True, 4, 1)
    counts = {problem["code"]: (problem["severity"], problem["count"]) for problem in found["problems"]}
    expected = ("do_not_call", "country", "missing_variables", "import_running")
    assert counts == dict.fromkeys(expected, ("warning", 1))
    assert found["skipped"] == dict.fromkeys(expected[:3], 1)


def test_the_preflight_of_an_endless_wait_knows_no_end(api: ApiClient, campaign: Campaign) -> None:
    """No contact can be called before the campaign ends: no call, no finish, and a warning that names the zone."""
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    late = (now + 6 * hour).astimezone(ZoneInfo("Europe/Paris"))
    campaign.windows.update(opens=late.hour * 60, closes=late.hour * 60 + 30)
    Campaign.objects.update(legal_override="test", ends_at=now + 3 * hour)
    found = api.get(at(campaign, "preflight")).json()
    assert (found["callable_now"], found["estimated_finish"]) == (0, None)
    [problem] = found["problems"]
    assert (problem["code"], problem["count"]) == ("no_open_window", 1)
    assert "Europe/Paris" in problem["message"]


def test_actions_need_call_and_changes_need_manage(
    client_for: KeyMaker, organization: Organization, campaign: Campaign
) -> None:
    caller, reader = client_for(organization, "call"), client_for(organization, "read")
    assert caller.patch(at(campaign), {"name": "New"}).status_code == 403
    assert caller.post(at(campaign, "start")).status_code == 200
    assert caller.post(at(campaign, "pause")).status_code == 200
    for action in ("start", "pause", "resume", "cancel"):
        assert reader.post(at(campaign, action)).status_code == 403
    assert reader.get(at(campaign, "progress")).status_code == 200


# Changes after the start.


def test_limits_change_while_it_runs_but_not_whom_it_calls(api: ApiClient, campaign: Campaign) -> None:
    api.post(at(campaign, "start"))
    answer = api.patch(at(campaign), {"max_open_calls": 2, "budget": {"amount": "5.00"}, "contact_lists": None})
    assert answer.status_code == 409
    answer = api.patch(at(campaign), {"max_open_calls": 2, "budget": {"amount": "5.00"}})
    assert (answer.status_code, answer.json()["max_open_calls"]) == (200, 2)
    refused: list[dict[str, Any]] = [{"assistant": None}, {"contact_lists": []}, {"starts_at": "2099-01-01T00:00:00Z"}]
    for change in refused:
        answer = api.patch(at(campaign), change)
        assert (answer.status_code, set(answer.json())) == (409, {"error"})
    # Sending the stored values back changes nothing.
    assert api.patch(at(campaign), api.get(at(campaign)).json()).status_code == 200
    api.post(at(campaign, "pause"))
    answer = api.patch(at(campaign), {"contact_lists": []})
    assert answer.status_code == 409 and "Withdraw" in answer.json()["error"]


@pytest.mark.parametrize("status", [S.FINISHED, S.CANCELED])
def test_what_is_over_does_not_change(api: ApiClient, campaign: Campaign, status: str) -> None:
    Campaign.objects.update(status=status)
    assert api.patch(at(campaign), {"name": "New"}).status_code == 409


def test_a_change_does_not_undo_what_the_engine_did_meanwhile(
    api: ApiClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.post(at(campaign, "start"))
    from calls.serializers.campaign import CampaignSerializer

    real = CampaignSerializer.validate

    def slow(self: Any, attrs: Any) -> Any:
        Campaign.objects.update(status=S.PAUSED, status_reason="The account is set up wrongly")
        return real(self, attrs)

    monkeypatch.setattr(CampaignSerializer, "validate", slow)
    assert api.patch(at(campaign), {"name": "New"}).json()["status"] == "paused"
    campaign.refresh_from_db()
    assert (campaign.status, campaign.name) == (S.PAUSED, "New")


def test_only_a_draft_is_deleted(api: ApiClient, campaign: Campaign) -> None:
    api.post(at(campaign, "start"))
    assert api.delete(at(campaign)).status_code == 409
    Campaign.objects.update(status=S.DRAFT)
    assert api.delete(at(campaign)).status_code == 204


# Progress.

EMPTY = {
    "status": "draft",
    "recipients": dict.fromkeys(["pending", "calling", "waiting", "done", "skipped", "review", "withdrawn"], 0),
    "outcomes": dict.fromkeys(["completed", "no_answer", "busy", "failed", "expired", "unknown", "canceled"], 0),
    "attempts": 0,
    "open_calls": 0,
    "overdue_calls": 0,
    "spent": {"amount": "0.00", "currency": "USD"},
    "spent_by_currency": [],
    "budget_not_counted": [],
    "started_at": None,
    "estimated_finish": None,
    "idle_reasons": [],
}


def test_progress_has_every_key_before_anything_happened(api: ApiClient, campaign: Campaign) -> None:
    assert api.get(at(campaign, "progress")).json() == EMPTY
    assert api.get(at(campaign)).json()["progress"] == EMPTY


def test_progress_counts_people_and_calls(
    api: ApiClient, campaign: Campaign, contact: Contact, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    other = Contact.objects.create(organization=contact.organization, phone="+33612345699")
    Recipient.objects.create(campaign=campaign, contact=contact, status="done", outcome="completed", attempts=2)
    Recipient.objects.create(campaign=campaign, contact=other, status="calling", attempts=1)
    a_call(assistant, phone_number, contact.phone, campaign=campaign, cost_price=Decimal("0.25"))
    soon = datetime.now(UTC)
    a_call(assistant, phone_number, other.phone, campaign=campaign, status=Status.RINGING, next_read_at=soon)
    api.post(at(campaign, "start"))
    expected = {
        "recipients": EMPTY["recipients"] | {"done": 1, "calling": 1},  # type: ignore[operator]
        "outcomes": EMPTY["outcomes"] | {"completed": 1},  # type: ignore[operator]
        "attempts": 3,
        "open_calls": 1,
        "spent": {"amount": "0.25", "currency": "USD"},
        "status": "running",
    }
    found = api.get(at(campaign, "progress")).json()
    assert found | expected == found
    assert found["started_at"].endswith("Z")
    [listed] = api.get(CAMPAIGNS).json()["results"]
    assert listed["progress"] == found


def test_progress_foresees_the_end_of_a_running_campaign_and_keeps_it_for_a_minute(
    api: ApiClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish() -> Any:
        return api.get(at(campaign, "progress")).json()["estimated_finish"]

    Recipient.objects.bulk_create(
        Recipient(
            campaign=campaign,
            contact=Contact.objects.create(organization=campaign.organization, phone=f"+3361234{2000 + n}"),
            status="done" if n == 5 else "pending",
        )
        for n in range(6)
    )
    Campaign.objects.update(status=S.RUNNING, legal_override="test", max_open_calls=1, version=2)
    assert finish() is None  # launching has not ended, so the number of recipients is unknown
    Campaign.objects.update(launched_at=datetime.now(UTC))
    with monkeypatch.context() as patched:
        patched.setattr(campaigns, "FORESEEN_AT_MOST", 4)
        assert finish() is None
    cache.clear()
    ends = datetime.fromisoformat(finish())
    assert timedelta(minutes=2) < ends - datetime.now(UTC) < timedelta(minutes=9)  # five calls of one minute or two
    Recipient.objects.update(status="done")
    assert datetime.fromisoformat(finish()) == ends
    Campaign.objects.update(version=3)
    assert finish() is None  # nothing is left
    cache.clear()
    Recipient.objects.update(status="pending")
    Campaign.objects.update(status=S.PAUSED)
    assert finish() is None


def test_recipients_are_listed_and_filtered(
    api: ApiClient, campaign: Campaign, contact: Contact, client_for: KeyMaker, stranger: Organization
) -> None:
    other = Contact.objects.create(organization=contact.organization, phone="+33612345699", name="Bob")
    done = Recipient.objects.create(campaign=campaign, contact=contact, status="done", outcome="busy", attempts=2)
    Recipient.objects.create(campaign=campaign, contact=other)
    path = at(campaign, "recipients")
    assert len(api.get(path).json()["results"]) == 2
    for query in ("status=done", "outcome=busy"):
        assert api.get(f"{path}?{query}").json()["results"] == [
            {
                "id": str(done.uuid),
                "campaign": str(campaign.uuid),
                "contact": str(contact.uuid),
                "phone": contact.phone,
                "name": "Ada",
                "status": "done",
                "reason": "",
                "outcome": "busy",
                "attempts": 2,
                "next_attempt_at": None,
                "deciding_call": None,
            }
        ]
    assert api.get(f"{path}?status=nope").status_code == 400
    assert api.get(f"{path}?campaign=x").status_code == 400
    assert client_for(stranger).get(path).status_code == 404
    assert api.get(f"{CAMPAIGNS}nonsense/recipients/").status_code == 404


def test_a_page_costs_a_fixed_number_of_queries(
    api: ApiClient, plan: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        api.post(CAMPAIGNS, plan)
    # key, campaigns, six prefetched sets, recipients, calls
    with django_assert_max_num_queries(10):
        assert len(api.get(CAMPAIGNS).json()["results"]) == 5


def test_a_change_is_judged_by_the_status_at_the_moment_of_writing(
    api: ApiClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calls.serializers.campaign import CampaignSerializer

    real = CampaignSerializer.validate

    def slow(self: Any, attrs: Any) -> Any:
        Campaign.objects.update(status=S.CANCELED)
        return real(self, attrs)

    monkeypatch.setattr(CampaignSerializer, "validate", slow)
    assert api.patch(at(campaign), {"name": "New"}).status_code == 409
    campaign.refresh_from_db()
    assert campaign.name == "March"

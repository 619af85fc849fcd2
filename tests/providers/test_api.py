"""API endpoints for provider accounts, assistants and caller numbers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.models import Status
from providers.adapters.base import Answer
from providers.adapters.errors import MayBeRinging, NotSent
from providers.models import Assistant, PhoneNumber, ProviderAccount, SeenWord
from tenants.api.fields import utc_text
from tenants.models import AuditEntry, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
ACCOUNTS = "/api/v1/provider-accounts/"
NEW = {"provider": "allomia", "name": "Main", "credentials": {"api_key": "ak_1234567890"}}


def one(path: str, found: Any) -> str:
    return f"{path}{found.uuid}/"


def faults(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.content
    return {fault["field"] for fault in answer.json()["details"]}


def test_every_field_of_an_account_is_stored_and_returned(api: ApiClient, organization: Organization) -> None:
    given = {
        "organization": str(organization.uuid),
        "provider": "polyai",
        "name": "PolyAI",
        "base_url": "https://api.example.org/prefix",
        "options": {"generation": "agents", "agent_id": "a_1"},
        "calls_per_second": 2.5,
        "max_open_calls": 30,
        "reads_per_second": 7,
        "max_unconfirmed": None,
        "failing_percent": 40,
        "price_per_minute": {"amount": "0.123456", "currency": "EUR"},
        "reserved_minutes": 4.5,
        "daily_budget": {"amount": "250.50", "currency": "EUR"},
        "longest_call_minutes": 45,
        "time_zone": "Asia/Kathmandu",
        "words": {
            "status": {"wrapped_up": "completed"},
            "reason": {"left_message": "voicemail"},
            "answered_by": {"parrot": "ignore"},
        },
        "is_active": False,
    }
    answer = api.post(ACCOUNTS, given | {"credentials": {"auth_token": "secret-token-1234"}})
    assert answer.status_code == 201, answer.content
    expected = given | {
        "id": answer.json()["id"],
        "credentials_hint": {"auth_token": "••••1234"},
        "credentials_readable": True,
        "health": "inactive",
        "blocked_until": None,
        "blocked_reason": "",
        "open_calls": 0,
        "unknown_words": [],
        "overdue_calls": 0,
    }
    assert answer.json() == expected
    assert api.get(f"{ACCOUNTS}{answer.json()['id']}/").json() == expected
    assert b"secret-token" not in answer.content
    assert ProviderAccount.objects.get().credentials == {"auth_token": "secret-token-1234"}


def test_missing_and_null_fields_get_the_default(api: ApiClient) -> None:
    nulls = dict.fromkeys(["base_url", "options", "calls_per_second", "max_open_calls", "reads_per_second"])
    for body in (NEW, NEW | nulls | {"is_active": None, "price_per_minute": None, "organization": None}):
        found = api.post(ACCOUNTS, body).json()
        assert found["base_url"] == "https://allomia.com"
        assert (found["options"], found["calls_per_second"], found["max_open_calls"]) == ({}, 1, 10)
        assert (found["reads_per_second"], found["max_unconfirmed"], found["price_per_minute"]) == (5, 5, None)
        assert found["failing_percent"] == 25
        assert (found["reserved_minutes"], found["daily_budget"]) == (3, None)
        assert (found["is_active"], found["health"]) == (True, "ok")


@cases(
    ("change", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"name": ""}, "name"),
        ({"base_url": "http://example.org"}, "base_url"),
        ({"base_url": "https://192.168.0.1"}, "base_url"),
        ({"provider": "polyai", "credentials": {"auth_token": "x"}, "options": {"generation": "v9"}}, "base_url"),
        ({"credentials": {}}, "credentials.api_key"),
        ({"credentials": {"api_key": "x", "other": "y"}}, "credentials.other"),
        ({"credentials": "x"}, "credentials"),
        ({"credentials": None}, "credentials"),
        ({"options": {"nope": 1}}, "options.nope"),
        ({"options": []}, "options"),
        ({"calls_per_second": "2"}, "calls_per_second"),
        ({"calls_per_second": -1}, "calls_per_second"),
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"max_open_calls": 1.5}, "max_open_calls"),
        ({"max_open_calls": True}, "max_open_calls"),
        ({"max_open_calls": 2**40}, "max_open_calls"),
        ({"failing_percent": 0}, "failing_percent"),
        ({"failing_percent": 101}, "failing_percent"),
        ({"longest_call_minutes": 0}, "longest_call_minutes"),
        ({"longest_call_minutes": 1441}, "longest_call_minutes"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"words": []}, "words"),
        ({"words": {"mood": {}}}, "words.mood"),
        ({"words": {"reason": ["x"]}}, "words.reason"),
        ({"words": {"reason": {"x": "maybe"}}}, "words.reason.x"),
        ({"words": {"reason": {"x": None}}}, "words.reason.x"),
        ({"words": {"status": {"no-answer": "busy"}}}, "words.status.no-answer"),
        ({"is_active": "true"}, "is_active"),
        ({"price_per_minute": 1}, "price_per_minute"),
        ({"price_per_minute": {"amount": 1, "currency": "USD"}}, "price_per_minute.amount"),
        ({"price_per_minute": {"amount": "1", "currency": "usd"}}, "price_per_minute.currency"),
        ({"price_per_minute": {"amount": "-1"}}, "price_per_minute.amount"),
        ({"price_per_minute": {"amount": "1", "x": 1}}, "price_per_minute.x"),
        ({"reserved_minutes": -1}, "reserved_minutes"),
        ({"reserved_minutes": "3"}, "reserved_minutes"),
        ({"daily_budget": 5}, "daily_budget"),
        ({"daily_budget": {"amount": "5", "currency": "EUR"}}, "daily_budget.currency"),
        ({"nope": 1}, "nope"),
    ],
)
def test_an_invalid_field_of_an_account_is_named(api: ApiClient, change: dict[str, Any], field: str) -> None:
    assert field in faults(api.post(ACCOUNTS, NEW | change))
    assert not ProviderAccount.objects.exists()


def test_own_words_are_folded_replaced_as_a_whole_and_audited(api: ApiClient, account: ProviderAccount) -> None:
    first = api.patch(one(ACCOUNTS, account), {"words": {"reason": {"Left Message": "voicemail", "sighed": "other"}}})
    assert first.json()["words"] == {
        "status": {},
        "reason": {"left_message": "voicemail", "sighed": "other"},
        "answered_by": {},
    }
    assert api.patch(one(ACCOUNTS, account), {"words": first.json()["words"]}).status_code == 200, "sent back as it is"
    api.patch(one(ACCOUNTS, account), {"words": {"reason": {"sighed": "hangup_callee"}}})
    api.patch(one(ACCOUNTS, account), {"name": "Other"})
    entries = AuditEntry.objects.filter(action="account.words", subject=str(account.uuid)).order_by("pk")
    assert [entry.detail for entry in entries] == [
        {"before": {}, "after": {"reason: left_message": "voicemail", "reason: sighed": "other"}},
        {
            "before": {"reason: left_message": "voicemail", "reason: sighed": "other"},
            "after": {"reason: sighed": "hangup_callee"},
        },
    ]


def test_words_without_a_meaning_are_listed_until_they_have_one(api: ApiClient, account: ProviderAccount) -> None:
    call = uuid.uuid4()
    seen = SeenWord.objects.create(account=account, field="reason", key="sighed_0", word="sighed 12", call=call)
    [found] = api.get(one(ACCOUNTS, account)).json()["unknown_words"]
    assert found == {
        "field": "reason",
        "key": "sighed_0",
        "word": "sighed 12",
        "call": str(call),
        "first_seen_at": utc_text(seen.first_seen_at),
    }
    answer = api.patch(one(ACCOUNTS, account), {"unknown_words": [], "words": {"reason": {found["key"]: "ignore"}}})
    assert answer.json()["unknown_words"] == []
    assert api.patch(one(ACCOUNTS, account), {"words": {}}).json()["unknown_words"] == [found]


def test_a_daily_budget_is_in_the_currency_of_the_price(api: ApiClient) -> None:
    euro = {"price_per_minute": {"amount": "0.12", "currency": "EUR"}}
    found = api.post(ACCOUNTS, NEW | euro | {"daily_budget": {"amount": "5"}}).json()
    assert found["daily_budget"] == {"amount": "5.00", "currency": "EUR"}
    path = f"{ACCOUNTS}{found['id']}/"
    dollar = {"price_per_minute": {"amount": "0.12", "currency": "USD"}}
    assert faults(api.patch(path, dollar)) == {"daily_budget"}
    assert faults(api.patch(path, {"daily_budget": {"amount": "5", "currency": "USD"}})) == {"daily_budget.currency"}
    both = api.patch(path, dollar | {"daily_budget": {"amount": "7", "currency": "USD"}}).json()
    assert both["daily_budget"] == {"amount": "7.00", "currency": "USD"}
    assert api.patch(path, euro | {"daily_budget": None}).json()["daily_budget"] is None
    assert api.patch(path, dollar).status_code == 200


def test_a_new_address_requires_the_credentials_again(api: ApiClient, account: ProviderAccount) -> None:
    path = one(ACCOUNTS, account)
    assert faults(api.patch(path, {"base_url": "https://evil.example.org"})) == {"credentials"}
    assert faults(api.patch(path, {"provider": "polyai"})) == {"credentials"}
    account.refresh_from_db()
    assert (account.base_url, account.provider) == ("http://127.0.0.1:9", "allomia")
    both = {"base_url": "https://good.example.org", "credentials": {"api_key": "new-key-5678"}}
    assert api.patch(path, both).json()["credentials_hint"] == {"api_key": "••••5678"}
    assert api.patch(path, {"base_url": "https://good.example.org", "name": "Same address"}).status_code == 200


def test_changing_an_account_keeps_the_fields_that_code_writes(api: ApiClient, account: ProviderAccount) -> None:
    client_view = api.get(one(ACCOUNTS, account)).json()
    ProviderAccount.objects.update(blocked_at=timezone.now(), blocked_reason="Wrong key", place_tokens=0.25)
    api.patch(one(ACCOUNTS, account), {"name": "Renamed"})
    account.refresh_from_db()
    assert (account.name, account.blocked_reason, account.place_tokens) == ("Renamed", "Wrong key", 0.25)
    # A client may send an object back as it read it.
    assert api.patch(one(ACCOUNTS, account), client_view).status_code == 200


def test_a_blocked_account_shows_the_block_until_it_is_unblocked(api: ApiClient, account: ProviderAccount) -> None:
    until = timezone.now() + timedelta(hours=1)
    ProviderAccount.objects.update(
        blocked_at=timezone.now(), blocked_until=until, blocked_code="unreachable", blocked_reason="No answer"
    )
    found = api.get(one(ACCOUNTS, account)).json()
    assert (found["health"], found["blocked_reason"]) == ("unreachable", "No answer")
    assert found["blocked_until"] == until.isoformat().replace("+00:00", "Z")
    found = api.post(one(ACCOUNTS, account) + "unblock/").json()
    assert (found["health"], found["blocked_until"], found["blocked_reason"]) == ("ok", None, "")
    assert AuditEntry.objects.get().action == "account.unblocked"


def test_open_calls_are_counted(
    api: ApiClient, account: ProviderAccount, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    soon = timezone.now()
    a_call(assistant, phone_number, "+33612345601", status=Status.RINGING, next_read_at=soon)
    a_call(assistant, phone_number, "+33612345602", status=Status.UNCONFIRMED, next_read_at=soon)
    a_call(assistant, phone_number, "+33612345603", status=Status.COMPLETED)
    assert api.get(one(ACCOUNTS, account)).json()["open_calls"] == 2
    assert api.get(ACCOUNTS).json()["results"][0]["open_calls"] == 2


def test_objects_that_calls_refer_to_cannot_be_deleted(
    api: ApiClient, account: ProviderAccount, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    a_call(assistant, phone_number, "+33612345601")
    for path, found in (
        (ACCOUNTS, account),
        ("/api/v1/assistants/", assistant),
        ("/api/v1/phone-numbers/", phone_number),
    ):
        answer = api.delete(one(path, found))
        assert (answer.status_code, set(answer.json())) == (409, {"error"})
    change = {"provider": "polyai", "credentials": {"auth_token": "x"}, "base_url": "https://example.org"}
    assert api.patch(one(ACCOUNTS, account), change).status_code == 409
    spare = a_number(account, e164="+33142000009")
    assert api.delete(one("/api/v1/phone-numbers/", spare)).status_code == 204


# The check: one harmless read.


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    given: list[Any] = []

    async def read(self: Any, request: Any) -> Answer:
        found: Any = given.pop()
        if isinstance(found, Exception):
            raise found
        answer: Answer = found
        return answer

    monkeypatch.setattr("providers.adapters.http.Client.read", read)
    yield given
    assert not given


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (Answer(401, {}, json.dumps({"error": "Secret banner"}).encode()), False, "refuses"),
        (NotSent("10.1.2.3 is closed"), False, "No connection"),
        (NotSent("slow", status=429), False, "slow down"),
        (MayBeRinging("SSH-2.0 banner"), False, "no usable answer"),
    ],
)
def test_a_check_reports_only_the_class_of_a_failure(
    api: ApiClient, account: ProviderAccount, answers: list[Any], answer: Any, ok: bool, words: str
) -> None:
    answers.append(answer)
    found = api.post(one(ACCOUNTS, account) + "check/")
    assert found.status_code == 200
    assert set(found.json()) == {"ok", "message"}
    assert found.json()["ok"] is ok
    assert words in found.json()["message"]
    assert b"banner" not in found.content and b"10.1.2.3" not in found.content


def test_a_check_reaches_the_provider_over_real_http(api: ApiClient, account: ProviderAccount) -> None:
    found = api.post(one(ACCOUNTS, account) + "check/").json()  # no server listens on port 9
    assert found == {"ok": False, "message": "No connection to the provider could be made."}


# Assistants and numbers.


def test_every_field_of_an_assistant_is_stored_and_returned(api: ApiClient, account: ProviderAccount) -> None:
    given = {
        "organization": str(account.organization.uuid),
        "account": str(account.uuid),
        "name": "Reminder",
        "external_id": "as_7",
        "options": {},
        "variables": [
            {"name": "slot", "required": True, "description": "When", "default": "", "example": "9:30"},
            {"name": "place"},
        ],
        "opt_out_rules": [{"field": "result.opt_out", "equals": "true"}],
        "is_active": False,
    }
    answer = api.post("/api/v1/assistants/", given)
    assert answer.status_code == 201, answer.content
    assert answer.json() == given | {"id": answer.json()["id"]}
    assert api.get(f"/api/v1/assistants/{answer.json()['id']}/").json() == answer.json()


def test_an_assistant_that_cannot_call_is_a_400(
    api: ApiClient, account: ProviderAccount, organization: Organization
) -> None:
    new = {"account": str(account.uuid), "name": "Reminder"}
    assert faults(api.post("/api/v1/assistants/", new)) == {"external_id"}
    plum = an_account(organization, provider="plumvoice", credentials={"email": "a@example.org", "developer_key": "k"})
    answer = api.post("/api/v1/assistants/", {"account": str(plum.uuid), "name": "IVR", "options": {"x": 1}})
    assert {"options.application_id", "options.deployment_id", "options.x"} <= faults(answer)
    wrong = new | {"external_id": "as_1", "variables": [{"name": "9"}]}
    assert faults(api.post("/api/v1/assistants/", wrong)) == {"variables"}


@cases(
    "rules",
    [
        {},
        "result.opt_out",
        [["result.opt_out", "true"]],
        [{"field": "result.opt_out"}],
        [{"field": "result.opt_out", "equals": True}],
        [{"field": "result.opt_out", "equals": ""}],
        [{"field": "result", "equals": "x"}],
        [{"field": "status", "equals": "x"}],
        [{"field": "result.a..b", "equals": "x"}],
        [{"field": "result.opt_out", "equals": "true", "why": "x"}],
    ],
)
@rolled_back
def test_a_wrong_opt_out_rule_is_refused(api: ApiClient, account: ProviderAccount, rules: Any) -> None:
    new = {"account": str(account.uuid), "name": "Reminder", "external_id": "as_1"}
    assert faults(api.post("/api/v1/assistants/", new | {"opt_out_rules": rules})) == {"opt_out_rules"}
    assert api.post("/api/v1/assistants/", new | {"opt_out_rules": None}).json()["opt_out_rules"] == []


def test_a_change_is_validated_together_with_the_unchanged_fields(api: ApiClient, assistant: Assistant) -> None:
    path = one("/api/v1/assistants/", assistant)
    assert faults(api.patch(path, {"external_id": ""})) == {"external_id"}
    assert api.patch(path, {"name": "Renamed"}).json()["external_id"] == "as_1"


def test_every_field_of_a_number_is_stored_and_returned(api: ApiClient, account: ProviderAccount) -> None:
    given = {
        "organization": str(account.organization.uuid),
        "account": str(account.uuid),
        "e164": "+33142000002",
        "external_id": "pn_2",
        "label": "Front desk",
        "is_active": True,
        "max_open_calls": 3,
        "max_calls_per_day": 80,
        "rest_seconds": 45,
    }
    answer = api.post("/api/v1/phone-numbers/", given)
    assert answer.status_code == 201, answer.content
    assert answer.json() == given | {"id": answer.json()["id"]}
    again = api.post("/api/v1/phone-numbers/", given)
    assert (again.status_code, again.json()["details"][0]["code"]) == (400, "unique")
    assert (
        api.patch(f"/api/v1/phone-numbers/{answer.json()['id']}/", {"max_open_calls": None}).json()["max_open_calls"]
        is None
    )


def test_a_number_needs_the_fields_that_its_provider_needs(api: ApiClient, account: ProviderAccount) -> None:
    new = {"account": str(account.uuid), "e164": "+33142000002"}
    assert faults(api.post("/api/v1/phone-numbers/", new)) == {"external_id"}
    assert faults(api.post("/api/v1/phone-numbers/", new | {"e164": "0142000002"})) == {"e164"}
    limits = {"max_calls_per_day": 0, "rest_seconds": -1}
    assert faults(api.post("/api/v1/phone-numbers/", new | {"external_id": "x"} | limits)) == set(limits)


def test_an_object_belongs_to_the_organization_of_its_account(
    client_for: KeyMaker, account: ProviderAccount, sister: Organization
) -> None:
    everywhere = client_for(tenant=account.organization.tenant)
    new = {"account": str(account.uuid), "name": "Reminder", "external_id": "as_1"}
    found = everywhere.post("/api/v1/assistants/", new)
    assert (found.status_code, found.json()["organization"]) == (201, str(account.organization.uuid))
    astray = everywhere.post("/api/v1/assistants/", new | {"organization": str(sister.uuid)})
    assert faults(astray) == {"account"}
    moved = everywhere.patch(one("/api/v1/assistants/", an_assistant(account)), {"organization": str(sister.uuid)})
    assert faults(moved) == {"organization"}
    theirs = everywhere.patch(f"/api/v1/assistants/{found.json()['id']}/", {"account": str(an_account(sister).uuid)})
    assert faults(theirs) == {"account"}
    nowhere = everywhere.post(ACCOUNTS, NEW)
    assert faults(nowhere) == {"organization"}


@pytest.mark.parametrize("path", [ACCOUNTS, "/api/v1/assistants/", "/api/v1/phone-numbers/"])
def test_a_page_costs_a_fixed_number_of_queries(
    api: ApiClient, organization: Organization, path: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        account = an_account(organization)
        an_assistant(account)
        a_number(account, e164=f"+3314200010{number}")
    api.get(path)
    with django_assert_max_num_queries(3 if path == ACCOUNTS else 2):
        assert len(api.get(path).json()["results"]) == 5

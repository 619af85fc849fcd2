"""`/api/outbound`: the contract that other software depends on, exactly."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calls.models import Call, Status
from campaigns.do_not_call import entries
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.calls.support import change
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.tables import cases

pytestmark = pytest.mark.django_db
NUMBER = "+33612345678"


@pytest.fixture
def order(assistant: Assistant, phone_number: PhoneNumber) -> dict[str, Any]:
    return {"phoneNumber": NUMBER, "assistantId": str(assistant.uuid), "phoneNumberId": str(phone_number.uuid)}


def faults(answer: Any) -> set[tuple[str, str]]:
    assert answer.json()["error"] == "Invalid request data"
    return {(fault["field"], fault["code"]) for fault in answer.json()["details"]}


def test_an_order_answers_201_and_the_call_is_queued(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    extra = {
        "customerName": "Ada Lovelace",
        "dynamicVariables": {"slot": "9:30"},
        "callbackUrl": "https://example.org/done?id=1",
    }
    answer = api.post("/api/outbound", order | extra)
    assert answer.status_code == 201, answer.content
    call = Call.objects.get()
    assert answer.json() == {
        "outboundCallId": str(call.uuid),
        "contactId": str(call.contact.uuid),
        "status": "calling",
        "message": "Outbound call dispatched",
    }
    assert call.status == Status.QUEUED
    assert call.organization == organization
    assert (call.to_number, call.from_number, call.customer_name) == (NUMBER, "+33142000001", "Ada Lovelace")
    assert call.dynamic_variables == {"slot": "9:30"}
    assert call.callback_url == "https://example.org/done?id=1"
    assert answer["X-Request-Id"]


def test_a_national_number_is_read_with_the_default_country(api: ApiClient, order: dict[str, Any]) -> None:
    assert api.post("/api/outbound", order | {"phoneNumber": "06 12 34 56 78"}).status_code == 201
    assert Call.objects.get().to_number == NUMBER


def test_the_contact_is_matched_by_number(api: ApiClient, order: dict[str, Any], contact: Contact) -> None:
    assert api.post("/api/outbound", order).json()["contactId"] == str(contact.uuid)
    assert Contact.objects.count() == 1


def test_null_is_the_same_as_leaving_out(api: ApiClient, order: dict[str, Any]) -> None:
    nothing = {"customerName": None, "dynamicVariables": None, "callbackUrl": None}
    assert api.post("/api/outbound", order | nothing).status_code == 201


def test_every_fault_is_named_at_once(api: ApiClient) -> None:
    body = {
        "phoneNumber": "123",
        "assistantId": "x",
        "customerName": "n" * 201,
        "dynamicVariables": {"slot": 9, "9lives": "x"},
        "callbackUrl": "http://example.org",
        "nope": 1,
    }
    answer = api.post("/api/outbound", body)
    assert answer.status_code == 400
    assert faults(answer) == {
        ("phoneNumber", "too_small"),
        ("assistantId", "invalid"),
        ("phoneNumberId", "required"),
        ("customerName", "too_big"),
        ("dynamicVariables.slot", "invalid_type"),
        ("dynamicVariables.9lives", "invalid_name"),
        ("callbackUrl", "invalid_url"),
        ("nope", "unrecognized_keys"),
    }


@cases(
    ("field", "value", "fault"),
    [
        ("phoneNumber", "+336", ("phoneNumber", "too_small")),
        ("phoneNumber", "+33612345678 000000000", ("phoneNumber", "too_big")),
        ("phoneNumber", 33612345678, ("phoneNumber", "invalid_type")),
        ("phoneNumber", None, ("phoneNumber", "invalid_type")),
        ("phoneNumber", "+33000000000", ("phoneNumber", "invalid_phone")),
        ("phoneNumber", "call me maybe", ("phoneNumber", "invalid_phone")),
        ("assistantId", 5, ("assistantId", "invalid")),
        ("customerName", "a\nb", ("customerName", "control")),
        ("customerName", ["a"], ("customerName", "invalid_type")),
        ("dynamicVariables", [], ("dynamicVariables", "invalid_type")),
        ("dynamicVariables", {"a": None}, ("dynamicVariables.a", "invalid_type")),
        ("dynamicVariables", {"a": {"b": "c"}}, ("dynamicVariables.a", "invalid_type")),
        ("dynamicVariables", {"a-b": "c"}, ("dynamicVariables.a-b", "invalid_name")),
        ("dynamicVariables", {"a" * 65: "c"}, ("dynamicVariables." + "a" * 65, "invalid_name")),
        ("dynamicVariables", {f"v{n}": "" for n in range(65)}, ("dynamicVariables", "too_big")),
        ("dynamicVariables", {"v": "é" * 8192}, ("dynamicVariables", "too_big")),
        ("callbackUrl", "https://10.0.0.1/x", ("callbackUrl", "invalid_url")),
        ("callbackUrl", "https://example.org/" + "a" * 2000, ("callbackUrl", "too_big")),
        ("callbackUrl", "ftp://example.org", ("callbackUrl", "invalid_url")),
    ],
)
def test_a_field_outside_the_contract_is_a_400(
    api: ApiClient, order: dict[str, Any], field: str, value: Any, fault: tuple[str, str]
) -> None:
    answer = api.post("/api/outbound", order | {field: value})
    assert answer.status_code == 400
    assert faults(answer) == {fault}
    assert not Call.objects.exists()


def test_variables_may_fill_their_room_to_the_brim(api: ApiClient, order: dict[str, Any]) -> None:
    full = {f"v{n:02}": "x" * 200 for n in range(64)}
    assert api.post("/api/outbound", order | {"dynamicVariables": full}).status_code == 201


def test_a_missing_or_wrong_key_is_a_401(order: dict[str, Any]) -> None:
    for client in (ApiClient(), ApiClient("tl_wrong")):
        answer = client.post("/api/outbound", order)
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid or missing API key"})
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_key_that_only_reads_is_a_403(
    client_for: KeyMaker, organization: Organization, order: dict[str, Any]
) -> None:
    answer = client_for(organization, "read").post("/api/outbound", order)
    assert (answer.status_code, answer.json()) == (403, {"error": "Insufficient permissions"})


def test_an_inactive_organization_is_a_403(api: ApiClient, organization: Organization, order: dict[str, Any]) -> None:
    Organization.objects.filter(pk=organization.pk).update(is_active=False)
    answer = api.post("/api/outbound", order)
    assert (answer.status_code, answer.json()) == (403, {"error": "Organization is inactive"})


NOT_THERE = (404, {"error": "Assistant or phone number not found"})


def test_an_unknown_assistant_or_number_is_a_404(api: ApiClient, order: dict[str, Any]) -> None:
    for field in ("assistantId", "phoneNumberId"):
        answer = api.post("/api/outbound", order | {field: str(uuid.uuid4())})
        assert (answer.status_code, answer.json()) == NOT_THERE


def test_a_strangers_assistant_does_not_exist(api: ApiClient, order: dict[str, Any], stranger: Organization) -> None:
    theirs = an_assistant(an_account(stranger))
    answer = api.post("/api/outbound", order | {"assistantId": str(theirs.uuid)})
    assert (answer.status_code, answer.json()) == NOT_THERE


def test_a_number_of_another_account_is_a_404(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    other = a_number(an_account(organization, name="Second"))
    answer = api.post("/api/outbound", order | {"phoneNumberId": str(other.uuid)})
    assert (answer.status_code, answer.json()) == NOT_THERE


def test_a_second_single_call_to_a_number_is_a_409(api: ApiClient, order: dict[str, Any]) -> None:
    assert api.post("/api/outbound", order).status_code == 201
    answer = api.post("/api/outbound", order)
    assert (answer.status_code, answer.json()) == (409, {"error": "A call to this number is already open"})
    assert Call.objects.count() == 1


def test_a_number_on_the_do_not_call_list_is_a_422(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    entries.add(organization, NUMBER, reason="asked", source="staff", expires_at=None)
    answer = api.post("/api/outbound", order)
    assert answer.status_code == 422
    assert answer.json()["error"] == "This number is on the do-not-call list"
    assert answer.json()["details"][0]["field"] == "phoneNumber"


def test_a_required_variable_that_is_missing_is_a_422(
    api: ApiClient, order: dict[str, Any], assistant: Assistant
) -> None:
    assistant.variables = [{"name": "slot", "required": True}, {"name": "place", "default": "Main street"}]
    assistant.save()
    answer = api.post("/api/outbound", order)
    assert answer.status_code == 422
    assert [(fault["field"], fault["code"]) for fault in answer.json()["details"]] == [
        ("dynamicVariables.slot", "required")
    ]
    assert api.post("/api/outbound", order | {"dynamicVariables": {"slot": "9:30"}}).status_code == 201
    assert Call.objects.get().dynamic_variables == {"slot": "9:30", "place": "Main street"}


def test_a_country_that_is_not_allowed_is_a_422(api: ApiClient, order: dict[str, Any]) -> None:
    answer = api.post("/api/outbound", order | {"phoneNumber": "+4930123456"})
    assert answer.status_code == 422
    assert [(fault["field"], fault["code"]) for fault in answer.json()["details"]] == [("phoneNumber", "country")]


@pytest.mark.time_machine(datetime(2026, 11, 24, 2, 0, tzinfo=UTC), tick=False)  # Tuesday, 03:00 in Paris
def test_outside_the_legal_hours_is_a_422_with_the_next_allowed_time(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    organization.single_call_hours = Organization.SingleCallHours.LEGAL
    organization.save()
    answer = api.post("/api/outbound", order)
    assert answer.status_code == 422
    [fault] = answer.json()["details"]
    assert (fault["field"], fault["code"]) == ("phoneNumber", "calling_hours")
    assert "next allowed 2026-11-24T" in fault["message"] and fault["message"].endswith("Z")


def test_inside_the_minimum_gap_is_a_422_with_the_next_allowed_time(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    api.post("/api/outbound", order)
    dialed = datetime.now(UTC) - timedelta(minutes=10)
    Call.objects.update(status=Status.COMPLETED, dialed_at=dialed)
    answer = api.post("/api/outbound", order)
    assert answer.status_code == 422
    again = (dialed + timedelta(minutes=organization.min_gap_minutes)).strftime("%Y-%m-%dT%H:%M:%S")
    assert answer.json()["details"][0]["code"] == "minimum_gap"
    assert f"next allowed {again}" in answer.json()["details"][0]["message"]


def test_a_tenant_level_key_calls_for_the_organization_of_the_assistant(
    client_for: KeyMaker, order: dict[str, Any], organization: Organization, sister: Organization
) -> None:
    everywhere = client_for(tenant=organization.tenant)
    assert everywhere.post("/api/outbound", order | {"phoneNumber": "0612345678"}).status_code == 201
    assert Call.objects.get().organization == organization
    elsewhere = client_for(tenant=organization.tenant, choose=sister)
    assert elsewhere.post("/api/outbound", order).status_code == 404


# The status.


@pytest.fixture
def call(api: ApiClient, order: dict[str, Any]) -> Call:
    api.post("/api/outbound", order)
    return Call.objects.get()


OPEN_WORDS = ["queued", "placing", "unconfirmed", "placed", "dialing", "ringing", "in_progress"]


@pytest.mark.parametrize("status", OPEN_WORDS)
def test_what_is_not_over_is_calling_without_details(api: ApiClient, call: Call, status: str) -> None:
    soon = datetime.now(UTC)
    change([call], status=status, next_read_at=soon, lease_until=soon)
    assert api.get(f"/api/outbound/{call.uuid}/status").json() == {
        "outboundCallId": str(call.uuid),
        "contactId": str(call.contact.uuid),
        "status": "calling",
        "callDetails": None,
    }


@pytest.mark.parametrize(
    ("status", "theirs", "word", "reason"),
    [
        ("completed", "", "completed", "call-ended"),
        ("completed", "customer-ended-call", "completed", "customer-ended-call"),
        ("busy", "", "busy", "busy"),
        ("no_answer", "", "no-answer", "no-answer"),
        ("no_answer", "customer-did-not-answer", "no-answer", "customer-did-not-answer"),
        ("failed", "", "failed", "failure-unspecified"),
        ("failed", "sip-503", "failed", "sip-503"),
        ("canceled", "whatever", "failed", "canceled"),
        ("expired", "whatever", "failed", "outcome-expired"),
        ("unknown", "whatever", "failed", "outcome-unknown"),
    ],
)
def test_what_is_over_has_details(api: ApiClient, call: Call, status: str, theirs: str, word: str, reason: str) -> None:
    answered, ended = datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC), datetime(2026, 11, 20, 9, 1, 1, tzinfo=UTC)
    Call.objects.update(
        status=status, provider_reason=theirs, answered_at=answered, ended_at=ended, duration_seconds=60
    )
    found = api.get(f"/api/outbound/{call.uuid}/status").json()
    assert found["status"] == word
    assert found["callDetails"] == {
        "startedAt": "2026-11-20T09:00:01Z",
        "endedAt": "2026-11-20T09:01:01Z",
        "duration": 60,
        "endedReason": reason,
    }


def test_a_call_nobody_answered_has_no_start(api: ApiClient, call: Call) -> None:
    Call.objects.update(status=Status.NO_ANSWER, started_at=datetime.now(UTC), ended_at=datetime.now(UTC))
    assert api.get(f"/api/outbound/{call.uuid}/status").json()["callDetails"]["startedAt"] is None


def test_a_call_that_does_not_exist_here_is_a_404(
    api: ApiClient, call: Call, client_for: KeyMaker, stranger: Organization
) -> None:
    expected = (404, {"error": "Outbound call not found"})
    for client, name in ((api, uuid.uuid4()), (api, "nonsense"), (client_for(stranger), call.uuid)):
        answer = client.get(f"/api/outbound/{name}/status")
        assert (answer.status_code, answer.json()) == expected


def test_reading_a_status_needs_no_more_than_read(client_for: KeyMaker, organization: Organization, call: Call) -> None:
    assert client_for(organization, "read").get(f"/api/outbound/{call.uuid}/status").status_code == 200


@pytest.mark.parametrize("path", ["/api/outbound/", "/api/outbound/x", "/api/outbound/x/status/"])
def test_slashes_are_exactly_as_in_the_contract(api: ApiClient, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_an_unexpected_error_is_a_500_in_the_one_shape(
    api: ApiClient, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("calls.api.outbound.place", broken)
    answer = api.post("/api/outbound", order)
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error occurred"})

"""A program written for AlloMia works with Trunkline: the same requests, fields and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx
import pytest
from django.test import Client

from calls.models import Call, Status
from calls.serializers.status_answer import status_answer
from providers.models import Assistant, PhoneNumber
from tenants.models import ApiKey, Organization
from tests.calls.test_api_calls import a_call
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
TERMINAL = {"completed", "failed", "busy", "no-answer"}
AT = datetime(2026, 5, 12, 9, 30, tzinfo=UTC)


class Refused(Exception):
    def __init__(self, status: int, error: str, details: list[dict[str, str]]) -> None:
        super().__init__(error)
        self.status, self.details = status, details


@dataclass
class Program:
    """A customer's client of AlloMia, written from AlloMia's pages alone."""

    http: httpx.Client

    def call(self, body: dict[str, Any]) -> str:
        answer = self._checked(self.http.post("/api/outbound", json=body))
        assert answer.keys() >= {"outboundCallId", "contactId", "status", "message"}
        assert answer["status"] == "calling"
        return str(answer["outboundCallId"])

    def status(self, outbound_call_id: str) -> dict[str, Any]:
        found = self._checked(self.http.get(f"/api/outbound/{outbound_call_id}/status"))
        assert set(found) == {"outboundCallId", "contactId", "status", "callDetails"}
        if found["status"] in TERMINAL:
            details = found["callDetails"]
            assert set(details) == {"startedAt", "endedAt", "duration", "endedReason"}
            assert details["duration"] is None or isinstance(details["duration"], int)
            assert isinstance(details["endedReason"], str) and details["endedReason"]
        else:
            assert (found["status"], found["callDetails"]) == ("calling", None)
        return found

    def _checked(self, response: httpx.Response) -> dict[str, Any]:
        body: dict[str, Any] = response.json()
        if not response.is_success:
            assert set(body) <= {"error", "details"}
            raise Refused(response.status_code, body["error"], body.get("details", []))
        return body


def answered_by_us(request: httpx.Request) -> httpx.Response:
    """The whole stack without a socket, because a real server would not see the test's transaction."""
    headers: dict[str, str] = {name: value for name, value in request.headers.items() if name != "content-length"}
    content_type = headers.pop("content-type", "")
    answer = Client().generic(request.method, request.url.path, request.content, content_type, headers=headers)
    return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)


@pytest.fixture
def program(organization: Organization) -> Iterator[Program]:
    yield from with_key(organization, "call")


def with_key(organization: Organization, scope: str) -> Iterator[Program]:
    _, key = ApiKey.issue(tenant=organization.tenant, organization=organization, name="program", scopes=[scope])
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(
        transport=httpx.MockTransport(answered_by_us), base_url="http://testserver", headers=headers
    ) as client:
        yield Program(client)


@pytest.fixture
def order(assistant: Assistant, phone_number: PhoneNumber) -> dict[str, Any]:
    """Check every field of the sample in AlloMia's documentation."""
    return {
        "phoneNumber": "+33612345678",
        "assistantId": str(assistant.uuid),
        "phoneNumberId": str(phone_number.uuid),
        "customerName": "Ines Roy",
        "dynamicVariables": {"ref": "att-000417", "slot": "2026-05-12 09:30"},
        "callbackUrl": "https://calls.example.org/hooks/allomia/9f3kQ2",
    }


def test_a_call_is_placed_and_polled(program: Program, order: dict[str, Any]) -> None:
    made = program.call(order)
    assert program.status(made)["status"] == "calling"
    Call.objects.update(status=Status.COMPLETED, answered_at=AT, ended_at=AT, duration_seconds=102, terminal_at=AT)
    assert program.status(made)["callDetails"] == {
        "startedAt": "2026-05-12T09:30:00Z",
        "endedAt": "2026-05-12T09:30:00Z",
        "duration": 102,
        "endedReason": "call-ended",
    }


@cases("status", Status.values)
@rolled_back
def test_every_status_of_ours_is_a_word_of_theirs(
    program: Program, assistant: Assistant, phone_number: PhoneNumber, status: str
) -> None:
    moments = {"due_at": AT, "lease_until": AT, "next_read_at": AT, "terminal_at": AT}
    call = a_call(assistant, phone_number, "+33612345678", status=status, **moments)
    assert program.status(str(call.uuid))["status"] in TERMINAL | {"calling"}


def refusal(program: Program, body: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        program.call(body)
    return refused.value.status, str(refused.value)


def test_errors_are_theirs_word_for_word(program: Program, order: dict[str, Any], organization: Organization) -> None:
    assert refusal(program, order | {"phoneNumber": "12345"}) == (400, "Invalid request data")
    with pytest.raises(Refused) as short:
        program.call(order | {"phoneNumber": "12345"})
    [fault] = short.value.details
    assert (fault["field"], fault["code"], set(fault)) == ("phoneNumber", "too_small", {"field", "message", "code"})
    assert refusal(program, order | {"dynamicVariables": {"slot": 9}}) == (400, "Invalid request data")
    assert refusal(program, {}) == (400, "Invalid request data")
    elsewhere = "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e"
    for field in ("assistantId", "phoneNumberId"):
        assert refusal(program, order | {field: elsewhere}) == (404, "Assistant or phone number not found")
    with pytest.raises(Refused, match="Outbound call not found"):
        program.status(elsewhere)
    for reader in with_key(organization, "read"):
        assert refusal(reader, order) == (403, "Insufficient permissions")
    Organization.objects.update(is_active=False)
    assert refusal(program, order) == (403, "Organization is inactive")
    program.http.headers["Authorization"] = "Bearer wrong"
    assert refusal(program, order) == (401, "Invalid or missing API key")
    assert not Call.objects.exists()


def test_the_callbacks_body_is_the_status_answer(
    program: Program, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    """Return the payload as it is built. tests/calls/test_webhooks.py tests its delivery."""
    ends: dict[str, Any] = {"ended_at": AT, "terminal_at": AT}
    for status in (Status.COMPLETED, Status.BUSY, Status.NO_ANSWER, Status.FAILED):
        call = a_call(assistant, phone_number, "+33612345678", status=status, **ends)
        polled = program.http.get(f"/api/outbound/{call.uuid}/status")
        assert json.loads(json.dumps(status_answer(call))) == polled.json()
        try:
            delivered = import_module("calls.webhooks.delivery").callback_body
        except (ModuleNotFoundError, AttributeError):
            continue  # nothing is delivered yet
        assert json.loads(delivered(call)) == polled.json()

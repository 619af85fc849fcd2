"""The AlloMia adapter against AlloMia's pages."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters.allomia import AlloMia
from providers.adapters.base import AccountConfig, CallOrder, CallState, Verification
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, Rejected
from tests.providers.contract import NOW, Case, ProviderContract
from tests.providers.wire import Wire

CALL = "d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911"
CONTACT = "77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411"
INVALID = (
    b'{"error":"Invalid request data","details":[{"field":"phoneNumber","message":"too short","code":"too_small"}]}'
)


class TestAlloMia(ProviderContract):
    slug = "allomia"
    credentials = {"api_key": "am_canary_key"}
    order = CallOrder(
        "att-000417",
        "+14165550133",
        from_external_id="0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d",
        assistant_external_id="6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e",
        customer_name="Ines Roy",
        dynamic_variables={"slot": "2026-05-12 09:30"},
        callback_url="https://calls.example.org/hooks/allomia/9f3kQ2",
    )
    placed = (
        b'{"outboundCallId":"d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911","contactId":"77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411",'
        b'"status":"calling","message":"Outbound call dispatched"}'
    )
    placed_id = CALL
    status_body = (
        b'{"outboundCallId":"d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911","contactId":"77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411",'
        b'"status":"completed","callDetails":{"startedAt":"2026-05-11T13:05:10Z","endedAt":"2026-05-11T13:06:52Z",'
        b'"duration":102,"endedReason":"customer-ended-call"}}'
    )
    more_statuses = [
        b'{"outboundCallId":"d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911","contactId":"77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411",'
        b'"status":"calling","callDetails":null}',
        b'{"outboundCallId":"d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911","status":"busy","answeredBy":"machine","callDetails":'
        b'{"startedAt":null,"endedAt":"2026-05-11T13:05:21Z","duration":null,"endedReason":"busy"}}',
    ]
    callback = status_body
    telling = [("status",), ("outboundCallId",)]
    states = {
        "calling": CallState.DIALING,
        "completed": CallState.COMPLETED,
        "failed": CallState.FAILED,
        "busy": CallState.BUSY,
        "no-answer": CallState.NO_ANSWER,
    }
    refusals = [
        Case(400, INVALID, Rejected, says="phoneNumber too short"),
        Case(401, b'{"error":"Invalid or missing API key"}', Misconfigured, says="Invalid or missing API key"),
        Case(403, b'{"error":"Insufficient permissions"}', Misconfigured, says="Insufficient permissions"),
        Case(404, b'{"error":"Assistant or phone number not found"}', Misconfigured, says="phone number not found"),
        *(
            Case(status, b'{"error":"Organization is inactive"}', Misconfigured, says="inactive")
            for status in (400, 403, 404, 409, 422)
        ),
        Case(409, b'{"error":"Conflict"}', MayBeRinging),
        Case(500, b'{"error":"Internal server error occurred"}', MayBeRinging),
        Case(200, b'{"outboundCallId":"","status":"calling"}', MayBeRinging),
        Case(200, b'{"outboundCallId":null,"status":"calling"}', MayBeRinging),
    ]
    failures = [
        Case(401, b'{"error":"Invalid or missing API key"}', Misconfigured),
        Case(404, b'{"error":"Outbound call not found"}', NotFound),
        Case(500, b'{"error":"Internal server error occurred"}', MayBeRinging),
        Case(200, b'{"outboundCallId":"00000000-53c4-4e6d-9a18-7f20c4be9911","status":"busy"}', MayBeRinging),
    ]

    def body_with_state(self, word: Any) -> bytes:
        return json.dumps({"outboundCallId": CALL, "contactId": CONTACT, "status": word, "callDetails": None}).encode()

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /api/outbound HTTP/1.1"
        assert received.headers["authorization"] == "Bearer am_canary_key"
        assert received.headers["content-type"] == "application/json"
        assert received.json == {
            "phoneNumber": "+14165550133",
            "assistantId": "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e",
            "phoneNumberId": "0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d",
            "customerName": "Ines Roy",
            "dynamicVariables": {"slot": "2026-05-12 09:30"},
            "callbackUrl": "https://calls.example.org/hooks/allomia/9f3kQ2",
        }

    def test_empty_fields_are_not_sent(self) -> None:
        bare = dataclasses.replace(self.order, customer_name="", dynamic_variables={}, callback_url="")
        assert set(self.provider().place(bare).json) == {"phoneNumber", "assistantId", "phoneNumberId"}

    def test_a_name_is_sent_on_one_line_of_at_most_100_characters(self) -> None:
        long = dataclasses.replace(self.order, customer_name="Ines\r\n\x00Roy" + "y" * 200)
        name = self.provider().place(long).json["customerName"]
        assert name.startswith("Ines Royyy")
        assert len(name) == 100

    def test_a_number_or_assistant_without_an_id_is_misconfigured(self) -> None:
        for order in (
            dataclasses.replace(self.order, from_external_id=""),
            dataclasses.replace(self.order, assistant_external_id=""),
        ):
            with pytest.raises(Misconfigured):
                self.provider().place(order)
        assert "external_id" in AlloMia.check_assistant("", {}, AccountConfig("https://a.example", {}))

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert received.target == f"/api/outbound/{CALL}/status"
        assert received.headers["authorization"] == "Bearer am_canary_key"

    def test_a_call_in_progress_has_no_end_and_no_reason(self) -> None:
        for body in (self.body_with_state("calling"), b'{"outboundCallId":"%s","status":"calling"}' % CALL.encode()):
            found = self.read(body)
            assert (found.state, found.ended_at, found.ended_reason) == (CallState.DIALING, None, "")

    def test_a_completed_call_has_its_times_and_reason(self) -> None:
        found = self.read(self.status_body)
        assert found.state is CallState.COMPLETED
        assert found.started_at is None
        assert found.answered_at == datetime(2026, 5, 11, 13, 5, 10, tzinfo=UTC)
        assert found.ended_at == datetime(2026, 5, 11, 13, 6, 52, tzinfo=UTC)
        assert found.duration_seconds == 102
        assert (found.ended_reason, found.provider_reason) == ("hangup_callee", "customer-ended-call")

    def test_a_busy_call_was_never_answered(self) -> None:
        found = self.read(
            b'{"outboundCallId":"d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911","contactId":"77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411",'
            b'"status":"busy","callDetails":{"startedAt":null,"endedAt":"2026-05-11T13:05:21Z","duration":null,'
            b'"endedReason":"busy"}}'
        )
        assert found.state is CallState.BUSY
        assert (found.answered_at, found.duration_seconds) == (None, None)
        assert found.ended_at == datetime(2026, 5, 11, 13, 5, 21, tzinfo=UTC)
        assert found.ended_reason == "busy"

    @pytest.mark.parametrize(
        ("status", "reason", "expected"),
        [
            ("no-answer", "no-answer", "no_answer"),
            ("no-answer", None, "no_answer"),
            ("failed", None, "failure_unspecified"),
            ("failed", "carrier exploded", "other"),
            ("completed", "assistant-ended-call", "other"),
            ("completed", None, ""),
        ],
    )
    def test_reasons_are_translated_and_the_providers_text_is_kept(
        self, status: str, reason: str | None, expected: str
    ) -> None:
        body = {"outboundCallId": CALL, "status": status, "callDetails": {"endedReason": reason}}
        found = self.read(json.dumps(body).encode())
        assert (found.ended_reason, found.provider_reason) == (expected, reason or "")

    def test_a_callback_is_an_unsigned_status_body(self) -> None:
        provider = self.provider()
        assert provider.parse_callback({}, self.status_body) == self.read(self.status_body)
        assert provider.verify_callback({}, self.status_body, NOW) is Verification.UNSIGNED
        for body in (b"", b"{}", b"<html>", b'{"status": null}'):
            with pytest.raises(MayBeRinging):
                provider.parse_callback({}, body)

    def test_a_check_reads_a_call_that_cannot_exist(self) -> None:
        assert self.provider().check().url.endswith("/api/outbound/00000000-0000-0000-0000-000000000000/status")

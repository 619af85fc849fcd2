"""The AlloMia adapter against AlloMia's pages."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters.allomia import AlloMia
from providers.adapters.base import AccountConfig, Answer, CallOrder, CallState, Verification
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
        # An ID of something else is not the call's, and two calls are none.
        Case(200, b'{"contactId":"77e0f3a2","requestId":"r-1","id":"x","callId":"y","status":"calling"}', MayBeRinging),
        Case(
            200, b'{"data":{"outboundCallId":"a-1"},"call":{"outboundCallId":"a-2"}}', MayBeRinging, says="two call IDs"
        ),
        Case(200, b'{"outboundCallId":"a-1","outbound_call_id":"a-2"}', MayBeRinging, says="two call IDs"),
        Case(200, b'{"outboundCallId":"a-1","outboundCallId":"a-2"}', MayBeRinging, says="two call IDs"),
        Case(200, b'{"success":false,"error":"No"}', MayBeRinging),
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

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ('{"outboundCallId":"a-1"}', "a-1"),
            ('{"outboundCallId":88120457}', "88120457"),
            ('{"outboundCallId":9223372036854775999}', "9223372036854775999"),  # beyond 2^63, exact
            ('{"outbound_call_id":"a-1","contactId":"c-1"}', "a-1"),
            ('{"outboundCallId":"a-1","outbound_call_id":"A-1"}', "a-1"),
            ('{"success":false,"error":"Oops","outboundCallId":"a-1"}', "a-1"),  # the phone may ring
            ('{"outboundCallId":"a-1","status":"completed"}', "a-1"),
            ('{"outboundCallId":"a-1","status":"on its way"}', "a-1"),
            ('{"outboundCallId":"a-1","status":{"a":1}}', "a-1"),
            ('{"contactId":"c-1","anything":{"outboundCallId":"a-1"}}', "a-1"),
            ('{"data":{"outboundCallId":"a-1"},"request":{"id":"r-1"}}', "a-1"),
            ('{"data":"{\\"outboundCallId\\":\\"a-1\\"}"}', "a-1"),
            ('[{"outboundCallId":"a-1"}]', "a-1"),
        ],
    )
    def test_the_id_of_a_placed_call_is_found_where_one_is_left(self, body: str, expected: str) -> None:
        placed = self.provider().read_placing(Answer(200, {}, body.encode()))
        assert (placed.provider_call_id, placed.state) == (expected, CallState.QUEUED)

    @pytest.mark.parametrize(
        ("body", "state", "word"),
        [
            ('{"status":{"value":"busy","code":7}}', CallState.BUSY, "busy"),
            ('{"status":["no-answer"]}', CallState.NO_ANSWER, "no-answer"),
            ('{"callStatus":"busy"}', CallState.BUSY, "busy"),
            ('{"status":"busy","Status":"BUSY"}', CallState.BUSY, "busy"),
            ('{"status":"busy","call_status":NaN}', CallState.BUSY, "busy"),
            ('{"outboundCallId":"%s","data":{"status":"busy"}}', CallState.BUSY, "busy"),
            ('{"status":"ok","data":{"outboundCallId":"%s","status":"busy"}}', CallState.BUSY, "busy"),
            ('{"status":"busy","status":"completed"}', CallState.UNRECOGNISED, "busy | completed"),
            ('{"status":"busy","call_status":"completed"}', CallState.UNRECOGNISED, None),
            ('{"status":["busy","completed"]}', CallState.UNRECOGNISED, '["busy", "completed"]'),
            ('{"status":{"value":"busy","name":"completed"}}', CallState.UNRECOGNISED, None),
            ('{"status":{"previous":"busy"}}', CallState.UNRECOGNISED, None),
            ('{"status":3}', CallState.UNRECOGNISED, "3"),
            ('{"status":true}', CallState.UNRECOGNISED, "true"),
            ('{"outboundCallId":"%s"}', CallState.UNRECOGNISED, ""),
            (
                '{"data":{"outboundCallId":"%s","outbound_call_id":"a-2","status":"busy"}}',
                CallState.UNRECOGNISED,
                "busy",
            ),
            ('{"status":"completed","data":{"outboundCallId":"%s","status":"busy"}}', CallState.UNRECOGNISED, "busy"),
            ('{"outboundCallId":"%s","outbound_call_id":"a-2","status":"busy"}', CallState.UNRECOGNISED, "busy"),
        ],
    )
    def test_a_status_is_believed_if_it_has_one_meaning(self, body: str, state: CallState, word: str | None) -> None:
        found = self.read(body.replace("%s", CALL).encode())
        assert found.state is state
        assert word is None or found.provider_status == word
        doubts = [remark for remark in found.remarks if remark.field == "state" and not remark.taken]
        assert bool(doubts) is (state is CallState.UNRECOGNISED)

    def test_the_call_that_was_asked_for_is_found_among_others(self) -> None:
        other, ours = ({"outboundCallId": name, "status": "busy"} for name in ("another", CALL))
        for body in ({"data": other | {"status": "completed"}, "call": ours}, {"data": {"call": ours}, "item": other}):
            found = self.read(json.dumps(body).encode())
            assert (found.provider_call_id, found.state) == (CALL, CallState.BUSY)
        with pytest.raises(MayBeRinging):
            self.read(json.dumps({"data": other, "call": other | {"outboundCallId": "third"}}).encode())

    @pytest.mark.parametrize("named", [{"outboundCallId": CALL}, {}], ids=["with our ID", "without an ID"])
    def test_two_objects_with_different_statuses_end_no_call(self, named: dict[str, str]) -> None:
        body = {"data": named | {"status": "completed"}, "call": named | {"status": "busy"}}
        with pytest.raises(MayBeRinging):
            self.read(json.dumps(body).encode())

    def test_who_answered_and_why_it_ended_are_read_wherever_they_are(self) -> None:
        for place in ({"callDetails": {"answered_by": "machine_end_beep", "endedReason": "voicemail"}},
                      {"answeredBy": "machine_end_beep", "ended_reason": "voicemail", "callDetails": None},
                      {"answeredBy": "machine_end_beep", "callDetails": {"ended-reason": "voicemail"}}):  # fmt: skip
            found = self.read(json.dumps({"outboundCallId": CALL, "status": "completed"} | place).encode())
            assert (found.state, found.answered_by) == (CallState.COMPLETED, "machine_end_beep")
            assert (found.provider_reason, found.ended_reason) == ("voicemail", "other")

    def test_a_reason_that_contradicts_the_status_is_doubtful(self) -> None:
        for status, reason in (("completed", "no-answer"), ("completed", "busy"), ("busy", "no-answer")):
            body = {"outboundCallId": CALL, "status": status, "callDetails": {"endedReason": reason}}
            found = self.read(json.dumps(body).encode())
            assert (found.state, found.ended_reason, found.provider_reason) == (CallState(status), "other", reason)
            assert [(remark.field, remark.taken) for remark in found.remarks] == [("ended_reason", False)]

    def test_the_end_of_an_unknown_status_is_kept(self) -> None:
        found = self.read(self.status_body.replace(b'"completed"', b'"finished"'))
        assert (found.state, found.duration_seconds) == (CallState.UNRECOGNISED, 102)
        assert (found.ended_at, found.provider_reason) == (
            datetime(2026, 5, 11, 13, 6, 52, tzinfo=UTC),
            "customer-ended-call",
        )

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

"""The PolyAI adapter against PolyAI's pages: three generations that share the parsing of responses."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters.base import AccountConfig, Answer, CallOrder, CallState, Verification
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected
from providers.adapters.polyai import PolyAI
from tests.providers.contract import HTML, NOW, PAGE, Case, ProviderContract
from tests.providers.wire import Wire, answer

CALL = "3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413"


class TestPolyAI(ProviderContract):
    """The default generation, `v1_trigger`."""

    slug = "polyai"
    credentials = {"auth_token": "polyai_canary_token"}
    requires_own_error_format = False  # PolyAI does not document the format of its errors
    order = CallOrder(
        "att-000418",
        "+442079460123",
        from_number="+442079460000",
        customer_name="Paula",
        dynamic_variables={"first_name": "Paula"},
        callback_url="https://calls.example.org/hooks/polyai/9f3kQ2",
    )
    placed = b'{"callSid":"3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413"}'
    placed_id = CALL
    status_body = (
        b'{"callSid":"3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413","status":"failure",'
        b'"created_at":"2026-05-11T13:05:00Z","last_updated":"2026-05-11T13:05:41Z"}'
    )
    more_statuses = [
        b'{"status":"success","reason":"call ended normally","answered_by":"human"}',
        b'{"callSid":"3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413","status":"QUEUED","created_at":"2026-05-11T13:05:00Z"}',
    ]
    telling = [("status",), ("callSid",), ("call_sid",)]
    states = {
        "queued": CallState.QUEUED,
        "calling": CallState.DIALING,
        "success": CallState.COMPLETED,
        "failure": CallState.FAILED,
        "CREATED": CallState.QUEUED,
        "ringing": CallState.RINGING,
        "in-progress": CallState.IN_PROGRESS,
        "completed": CallState.COMPLETED,
        "failed": CallState.FAILED,
        "no-answer": CallState.NO_ANSWER,
        "busy": CallState.BUSY,
        "cancelled": CallState.CANCELED,
    }
    refusals = [
        Case(400, b"to_number is not E.164", Rejected, says="to_number is not E.164"),
        Case(400, b"", Rejected),
        Case(400, b'{"message":"bad"}', Rejected, says="bad"),
        Case(409, b'{"detail":"no"}', Rejected, says="no"),
        Case(422, b'{"reason":"no"}', Rejected, says="no"),
        Case(401, b"missing or bad token", Misconfigured, says="bad token"),
        Case(404, b"no such route", Misconfigured),
        Case(405, b"", Misconfigured),
        Case(500, b"failed to queue", MayBeRinging, says="failed to queue"),
        Case(200, b'{"callSid":""}', MayBeRinging),
        Case(200, b'{"callSid":{}}', MayBeRinging),
        Case(200, b'{"callSid":"a-1","call_sid":"a-2"}', MayBeRinging, says="two call IDs"),
        Case(200, b'{"account_id":"a-1","connector_id":"a-2","sid":"a-3"}', MayBeRinging),
    ]
    failures = [
        Case(404, b"", NotFound),
        Case(404, b"call not found", NotFound),
        Case(400, b"malformed call SID", MayBeRinging),
        Case(401, b"", Misconfigured),
        Case(500, b"", MayBeRinging),
        Case(200, b'{"callSid":"another","status":"success"}', MayBeRinging),
    ]
    samples = [
        b'{"status":"failure","reason":"call queueing: max timeout limit exceeded"}',
        b'{"callSid":"OUT-8a1e4d7c-2b90-4f35-a6c1-5d0e9b7f2c38","status":"QUEUED"}',
    ]

    def body_with_state(self, word: Any) -> bytes:
        return json.dumps({"callSid": CALL, "status": word, "created_at": "2026-05-11T13:05:00Z"}).encode()

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /v1/outbound-calling/trigger HTTP/1.1"
        assert received.headers["x-polyai-auth-token"] == "polyai_canary_token"
        assert received.headers["content-type"] == "application/json"
        assert "authorization" not in received.headers
        assert received.json == {"to_number": "+442079460123"}
        assert self.provider().carries_variables is False

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert received.target == f"/v1/outbound-calling/{CALL}/status"
        assert received.headers["x-polyai-auth-token"] == "polyai_canary_token"

    def test_a_call_under_way_is_dialing(self) -> None:
        found = self.read(
            b'{"callSid":"3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413","status":"calling",'
            b'"created_at":"2026-05-11T13:05:00Z","last_updated":"2026-05-11T13:05:04Z"}'
        )
        assert (found.state, found.ended_reason, found.ended_at) == (CallState.DIALING, "", None)
        assert found.created_at == datetime(2026, 5, 11, 13, 5, tzinfo=UTC)

    def test_a_failure_has_the_reason_that_the_provider_gives(self) -> None:
        found = self.read(self.status_body)
        assert (found.state, found.ended_reason) == (CallState.FAILED, "failure_unspecified")

    @pytest.mark.parametrize(
        ("status", "reason", "expected"),
        [
            ("failure", "call queueing: max timeout limit exceeded", "queue_timeout"),
            ("FAILURE", "Timeout while queued", "queue_timeout"),
            ("failure", "", "failure_unspecified"),
            ("failure", "timeout of the carrier", "other"),
            ("failure", "carrier rejected", "other"),
            ("success", "", ""),
            ("success", "call ended normally", ""),
            ("no-answer", "", "no_answer"),
        ],
    )
    def test_reasons_are_translated_and_the_providers_text_is_kept(
        self, status: str, reason: str, expected: str
    ) -> None:
        found = self.read(json.dumps({"status": status, "reason": reason}).encode())
        assert (found.ended_reason, found.provider_reason) == (expected, reason)

    def test_the_word_success_beside_an_id_is_about_the_request(self) -> None:
        for body in ({"status": "success", "callSid": CALL}, {"status": "success", "data": {"call_sid": CALL}}):
            placed = self.provider().read_placing(Answer(200, {}, json.dumps(body).encode()))
            assert (placed.provider_call_id, placed.state) == (CALL, CallState.QUEUED)

    def test_the_word_success_around_a_call_is_about_the_request(self) -> None:
        for name in ("data", "result", "call_info"):
            for word, state in (("calling", CallState.DIALING), ("success", CallState.COMPLETED),
                                ("failure", CallState.UNRECOGNISED)):  # fmt: skip
                body = {"status": "success", name: {"callSid": self.placed_id, "status": word}}
                assert self.read(json.dumps(body).encode()).state is state

    def test_who_answered_and_why_it_ended_are_read_beside_any_end(self) -> None:
        body = {"callSid": self.placed_id, "status": "success", "answeredBy": "machine", "endedReason": "voicemail"}
        found = self.read(json.dumps(body).encode())
        assert (found.state, found.answered_by, found.provider_reason) == (CallState.COMPLETED, "machine", "voicemail")

    def test_a_500_is_not_sent_only_with_the_option_retry_500(self, wire: Wire) -> None:
        with pytest.raises(NotSent):
            self.place(wire, answer(500, b"failed to queue"), retry_500=True)
        for status, body, choice in ((500, PAGE, True), (502, b"", True), (500, b"", False), (500, b"", "yes")):
            with pytest.raises(MayBeRinging):
                self.place(wire, answer(status, body, HTML if body else {}), retry_500=choice)

    @pytest.mark.parametrize("status", [400, 404])
    def test_a_check_accepts_any_error_body_for_a_call_that_cannot_exist(self, status: int) -> None:
        self.provider().read_check(Answer(status, {}, b""))

    def test_there_are_no_callbacks_and_no_list(self) -> None:
        provider = self.provider()
        assert provider.verify_callback({}, b"{}", NOW) is Verification.UNSIGNED
        for way in (lambda: provider.parse_callback({}, b"{}"), provider.list_calls):
            with pytest.raises(ProviderError):
                way()

    def test_the_adapter_declares_its_providers_limits(self) -> None:
        assert PolyAI.retention_seconds == 7200
        assert not PolyAI.has_callbacks
        assert not PolyAI.can_find_by_reference
        assert set(PolyAI.check_options({"generation": "v9", "environment": "moon", "retry_500": "x"})) == {
            "generation",
            "environment",
            "retry_500",
        }
        with pytest.raises(Misconfigured):
            self.provider(generation="v9").place(self.order)


class TestPolyAIv1(TestPolyAI):
    """The newer generation `v1`, with metadata and reasons."""

    options = {"generation": "v1"}
    placed = b'{"call_sid":"OUT-8a1e4d7c-2b90-4f35-a6c1-5d0e9b7f2c38"}'
    placed_id = "OUT-8a1e4d7c-2b90-4f35-a6c1-5d0e9b7f2c38"
    more_statuses = []
    status_body = b'{"status":"failure","reason":"call queueing: max timeout limit exceeded"}'

    def body_with_state(self, word: Any) -> bytes:
        return json.dumps({"status": word, "reason": ""}).encode()

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /v1/outbound-calling HTTP/1.1"
        assert received.headers["x-polyai-auth-token"] == "polyai_canary_token"
        assert received.json == {
            "to_number": "+442079460123",
            "metadata": {"ref": "att-000418", "first_name": "Paula"},
        }
        assert self.provider().carries_variables is True

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert received.target == f"/v1/outbound-calling/{self.placed_id}/status"

    def test_a_call_under_way_is_dialing(self) -> None:
        found = self.read(b'{"status":"calling","reason":""}')
        assert (found.state, found.provider_call_id) == (CallState.DIALING, self.placed_id)

    def test_a_failure_has_the_reason_that_the_provider_gives(self) -> None:
        assert self.read(self.status_body).ended_reason == "queue_timeout"

    def with_variables(self, **variables: str) -> CallOrder:
        return dataclasses.replace(self.order, dynamic_variables=variables)

    def test_a_customers_own_ref_is_kept(self) -> None:
        assert self.provider().place(self.with_variables(ref="theirs")).json["metadata"] == {"ref": "theirs"}

    def test_metadata_values_stay_on_one_line(self) -> None:
        sent = self.provider().place(self.with_variables(note="a\r\nX-Evil: 1")).json["metadata"]
        assert sent["note"] == "a X-Evil: 1"

    @pytest.mark.parametrize("name", ["X-Evil: 1\r\nb", "a b", "", "é", "a-b"])
    def test_a_name_that_cannot_be_a_header_is_rejected(self, name: str) -> None:
        with pytest.raises(Rejected):
            self.provider().place(self.with_variables(**{name: "x"}))

    def test_metadata_longer_than_26_kb_in_base64_is_rejected(self) -> None:
        fits = 19_500 - 1 - len(json.dumps({"ref": "att-000418", "long": ""}))
        self.provider().place(self.with_variables(long="x" * (fits - 2)))
        with pytest.raises(Rejected):
            self.provider().place(self.with_variables(long="x" * (fits + 2)))


class TestPolyAIAgents(TestPolyAIv1):
    """The generation `agents`, with another host, key header and spelling."""

    options = {"generation": "agents", "agent_id": "agent-1", "environment": "pre-release"}
    order = dataclasses.replace(TestPolyAI.order, assistant_options={"variant_id": "variant-7"})
    placed = b'{"callSid":"OUT-8a1e4d7c-2b90-4f35-a6c1-5d0e9b7f2c38","status":"QUEUED"}'
    status_body = b'{"callSid":"OUT-8a1e4d7c-2b90-4f35-a6c1-5d0e9b7f2c38","status":"FAILURE","reason":"call queueing: max timeout limit exceeded"}'  # noqa: E501

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /v1/agents/agent-1/telephony/outbound-calls HTTP/1.1"
        assert received.headers["x-api-key"] == "polyai_canary_token"
        assert "x-polyai-auth-token" not in received.headers
        assert received.json == {
            "toNumber": "+442079460123",
            "environment": "pre-release",
            "variantId": "variant-7",
            "metadata": {"ref": "att-000418", "first_name": "Paula"},
        }

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        path = f"/v1/agents/agent-1/telephony/outbound-calls/{self.placed_id}/status"
        assert received.target == f"{path}?environment=pre-release"
        assert received.headers["x-api-key"] == "polyai_canary_token"

    def test_the_assistants_agent_takes_precedence_over_the_accounts(self) -> None:
        order = dataclasses.replace(self.order, assistant_external_id="agent-2", assistant_options={})
        request = self.provider().place(order)
        assert "/v1/agents/agent-2/telephony/" in request.url
        assert "variantId" not in request.json
        handle = dataclasses.replace(self.handle(), assistant_external_id="agent-2")
        assert "/v1/agents/agent-2/telephony/" in self.provider().status(handle).url

    def test_a_call_without_an_agent_is_misconfigured(self) -> None:
        with pytest.raises(Misconfigured):
            self.provider(agent_id="").place(self.order)
        account = AccountConfig("https://p.example", self.credentials, {"generation": "agents"})
        assert "external_id" in PolyAI.check_assistant("", {}, account)
        assert PolyAI.check_assistant("agent-2", {"variant_id": "v"}, account) == {}

"""The CallingBox adapter against CallingBox's pages: two generations of requests, one call object."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.adapters.base import AccountConfig, Answer, CallOrder, CallState, Verification
from providers.adapters.callingbox import CallingBox
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, Rejected
from tests.calls.support import usd
from tests.providers.contract import NOW, PAGE, Case, ProviderContract
from tests.providers.wire import Behaviour, Wire, answer

CALL = "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"
AGENT = "b2f6a0c4-8d13-4f7e-9a50-3c1d7e9b6f02"
OBJECT: dict[str, Any] = {
    "id": CALL,
    "agent_id": None,
    "to_number": "+14155550123",
    "from_number": "+14155550100",
    "status": "completed",
    "direction": "outbound",
    "prompt": "Confirm the delivery slot tomorrow.",
    "context": {"ref": "att-000420", "name": "Paula"},
    "returns": {"confirmed": "boolean"},
    "metadata": {"language": "en"},
    "result": {"confirmed": True},
    "result_status": "completed",
    "result_error": None,
    "language": "en",
    "webhook_url": None,
    "webhook_status": "pending",
    "created_at": "2026-04-11T13:05:00Z",
    "updated_at": "2026-04-11T13:06:10.123456Z",
    "started_at": "2026-04-11T13:05:04Z",
    "answered_at": "2026-04-11T13:05:11Z",
    "ended_at": "2026-04-11T15:05:51+02:00",
    "duration_seconds": 47,
    "billed_duration_seconds": 40,
    "billing_amount_milli_cents": 3333,
    "reservation_status": "settled",
    "error_code": None,
    "error_message": None,
    "hangup_cause": "NORMAL_CLEARING",
    "tools": [],
}
EVENT = (
    b'{"id":"0b7d3c52-6a0e-4c1b-9a55-2f1f6f0f9d11","type":"call.completed","created":1778500100,"api_version":"2026-04",'
    b'"data":{"call":{"id":"5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3","status":"completed","direction":"outbound",'
    b'"to_number":"+14155550123","from_number":"+14155550100","result":{"confirmed":true},"result_status":"completed",'
    b'"duration_seconds":47,"billed_duration_seconds":40,"billing_amount_milli_cents":3333,'
    b'"metadata":{"ref":"att-000420"}}}}'
)
# The test vector that CallingBox publishes.
SECRET = "whsec_test_0123456789abcdef0123456789abcdef"
SIGNED_AT = datetime.fromtimestamp(1767225600, UTC)
LATER = SIGNED_AT + timedelta(seconds=301)
SIGNED = (
    b'{"id":"0b7d3c52-6a0e-4c1b-9a55-2f1f6f0f9d11","type":"call.no_answer","created":1767225600,"api_version":"2026-04",'
    b'"data":{"call":{"id":"5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3","status":"no_answer"}}}'
)
ZEROS = {"duration_seconds": 0, "billed_duration_seconds": 0, "billing_amount_milli_cents": 0}
VECTOR = "5f797ca5ae60f24a5bcdd3879c225e236f75df2264a5b0f6d4430c1ccf5d6d91"


def call(**changes: Any) -> bytes:
    return json.dumps(OBJECT | changes).encode()


def signed(body: bytes, secret: str, at: datetime = NOW) -> dict[str, str]:
    t = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
    return {"callingbox-signature": f"t={t},v1={digest}"}


class TestCallingBox(ProviderContract):
    """The generation `prompt`, in which each request describes the behaviour."""

    slug = "callingbox"
    credentials = {"api_key": "sk_live_canary", "webhook_secret": SECRET, "endpoint_secret": "whsec_endpoint"}
    order = CallOrder(
        "att-000420",
        "+14155550123",
        from_number="+14155550100",
        assistant_options={
            "prompt": "Confirm the delivery slot tomorrow.",
            "returns": {"confirmed": "boolean"},
            "language": "es",
            "voicemail_action": "leave_message",
        },
        customer_name="Paula",
        dynamic_variables={"slot": "9 to 11"},
        callback_url="https://calls.example.org/hooks/callingbox/9f3kQ2",
    )
    placed = json.dumps(OBJECT | {"status": "initiated", "result": None, "result_status": "pending"}).encode()
    placed_id = CALL
    status_body = call()
    callback = EVENT
    more_statuses = [
        call(status="no_answer", answered_by="machine", result=None, result_status="pending"),
        call(status="failed", error_code="40310", error_message="invalid number", reservation_status="released"),
        call(
            status="busy",
            reservation_status="reserved",
            billing_amount_milli_cents=0,
            metadata={"ref": "att-000420"},
            context={},
        ),
    ]
    telling = [("status",), ("id",), ("data",), ("call",)]
    states = {
        "queued": CallState.QUEUED,
        "initiated": CallState.DIALING,
        "ringing": CallState.RINGING,
        "in_progress": CallState.IN_PROGRESS,
        "completed": CallState.COMPLETED,
        "no_answer": CallState.NO_ANSWER,
        "busy": CallState.BUSY,
        "canceled": CallState.CANCELED,
        "cancelled": CallState.CANCELED,
        "failed": CallState.FAILED,
    }
    refusals = [
        Case(400, b'{"error":{"message":"to is required"}}', Rejected, says="to is required"),
        *(Case(status, b'{"error":"No"}', Rejected, says="No") for status in (409, 422)),
        Case(404, b'{"error":"agent not found"}', Misconfigured, says="agent not found"),
        *(
            Case(status, b'{"error":"Calls paused. Your balance is $0.12."}', Misconfigured, says="balance is $0.12.")
            for status in (400, 402, 403, 409, 422, 429)
        ),
        Case(400, b'{"error":"agent_id is required"}', Misconfigured, says="agent"),
        Case(502, b'{"error":"could not place the call"}', MayBeRinging, says="could not place the call"),
        Case(201, b'{"id":"","status":"queued"}', MayBeRinging),
        Case(201, b'[{"id":"x"},{"id":"y"}]', MayBeRinging),
        Case(201, b'{"id":"x","data":{"id":"y","status":"queued"}}', MayBeRinging, says="two call IDs"),
        Case(201, b'{"agent":{"id":"b2f6a0c4"},"request":{"id":"r-1"},"status":"queued"}', MayBeRinging),
        Case(400, b'{"error":["a"]}', MayBeRinging),
    ]  # fmt: skip
    failures = [
        Case(401, b'{"error":{"message":"bad key"}}', Misconfigured, says="bad key"),
        Case(404, b'{"error":"call 5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3 not found"}', NotFound),
        Case(200, call(id="00000000-1d34-4b7a-9c11-7e2b90d4a6f3"), MayBeRinging),
    ]
    samples = [SIGNED, b'{"data":[%s],"has_more":true}' % call(), b"[%s]" % call(), b'{"segments":[{"text":"Hi"}]}']

    def body_with_state(self, word: Any) -> bytes:
        return call(status=word)

    def good_check(self) -> Behaviour:
        return answer(200, b'{"data":[],"has_more":false}')

    # Requests.

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /v1/calls HTTP/1.1"
        assert received.headers["authorization"] == "Bearer sk_live_canary"
        assert received.headers["content-type"] == "application/json"
        assert received.json == {
            "to": "+14155550123",
            "prompt": "Confirm the delivery slot tomorrow.",
            "context": {"slot": "9 to 11", "name": "Paula", "ref": "att-000420"},
            "returns": {"confirmed": "boolean"},
            "language": "es",
            "from_number": "+14155550100",
            "webhook_url": "https://calls.example.org/hooks/callingbox/9f3kQ2",
            "voicemail_action": "leave_message",
        }

    def test_empty_fields_are_not_sent(self) -> None:
        bare = CallOrder("att-1", "+14155550123", assistant_options={"prompt": "Hi"})
        assert self.provider().place(bare).json == {"to": "+14155550123", "prompt": "Hi", "context": {"ref": "att-1"}}

    def test_our_reference_takes_precedence_over_a_customers_variable(self) -> None:
        order = dataclasses.replace(self.order, dynamic_variables={"ref": "theirs", "name": "Theirs"})
        assert self.provider().place(order).json["context"] == {"ref": "att-000420", "name": "Theirs"}

    def test_a_call_without_a_prompt_or_an_agent_is_misconfigured(self) -> None:
        with pytest.raises(Misconfigured):
            self.provider().place(dataclasses.replace(self.order, assistant_options={}))

    @pytest.mark.parametrize(
        ("generation", "external_id", "options", "expected"),
        [
            ("", "", {"prompt": "Hi"}, "prompt"),
            ("", AGENT, {"prompt": "Hi"}, "agent"),
            ("", "", {"agent_id": AGENT}, "agent"),
            ("prompt", AGENT, {"prompt": "Hi"}, "prompt"),
            ("agent", "", {"agent_id": AGENT}, "agent"),
        ],
    )
    def test_the_generation_follows_the_account_then_the_assistant(
        self, generation: str, external_id: str, options: dict[str, str], expected: str
    ) -> None:
        order = dataclasses.replace(self.order, assistant_external_id=external_id, assistant_options=options)
        body = self.provider(generation=generation).place(order).json
        assert ("agent_id" in body, "prompt" in body) == (expected == "agent", expected == "prompt")

    def test_an_assistants_faults_are_reported_by_field(self) -> None:
        def faults(options: dict[str, Any], external_id: str = "", **account: str) -> set[str]:
            config = AccountConfig("https://c.example", self.credentials, account)
            return set(CallingBox.check_assistant(external_id, options, config))

        assert faults({}) == {"options.prompt"}
        assert faults({"prompt": "Hi", "returns": {"a": "date"}, "voicemail_action": "sing"}) == {
            "options.returns",
            "options.voicemail_action",
        }
        assert faults({"prompt": "Hi", "returns": ["a"]}) == {"options.returns"}
        assert faults({"agent_id": AGENT, "prompt": "Hi"}) == {"options.prompt"}
        assert faults({}, generation="agent") == {"options.agent_id"}
        assert faults({}, AGENT) == set()
        assert set(CallingBox.check_options({"generation": "x"})) == {"generation"}

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert received.target == f"/v1/calls/{CALL}"
        assert received.headers["authorization"] == "Bearer sk_live_canary"

    # The call object.

    def test_a_call_object_is_read_in_full(self) -> None:
        found = self.read(self.status_body)
        assert (found.state, found.provider_call_id, found.reference) == (CallState.COMPLETED, CALL, "att-000420")
        assert found.to_number == "+14155550123"
        assert found.created_at == datetime(2026, 4, 11, 13, 5, tzinfo=UTC)
        assert found.started_at == datetime(2026, 4, 11, 13, 5, 4, tzinfo=UTC)
        assert found.answered_at == datetime(2026, 4, 11, 13, 5, 11, tzinfo=UTC)
        assert found.ended_at == datetime(2026, 4, 11, 13, 5, 51, tzinfo=UTC)
        assert (found.duration_seconds, found.billed_duration_seconds) == (47, 40)
        assert found.price == usd("0.03333")
        assert (found.result, found.result_status, found.settled) == ({"confirmed": True}, "completed", True)
        assert (found.ended_reason, found.provider_reason) == ("", "NORMAL_CLEARING")

    def test_a_reference_is_found_in_metadata_first(self) -> None:
        assert self.read(call(metadata={"ref": "ours"}, context={"ref": "theirs"})).reference == "ours"
        assert self.read(call(metadata=None, context=None)).reference == ""

    @pytest.mark.parametrize(
        ("changes", "settled", "result_status"),
        [
            ({"result": None, "result_status": "pending"}, False, "pending"),
            ({"result_status": "failed", "result_error": "x"}, True, "failed"),
            ({"reservation_status": "reserved"}, False, "completed"),
            ({"reservation_status": "released"}, True, "completed"),
            ({"returns": {}, "result": None, "result_status": "pending"}, True, ""),
            ({"status": "no_answer", "result": None, "result_status": "pending"}, True, ""),
            ({"status": "busy", "result_status": "pending", "reservation_status": "reserved"}, False, ""),
            ({"status": "ringing", "result_status": "pending", "reservation_status": "reserved"}, True, ""),
        ],
    )
    def test_a_completed_call_is_settled_when_result_and_cost_are(
        self, changes: dict[str, Any], settled: bool, result_status: str
    ) -> None:
        found = self.read(call(**changes))
        assert (found.settled, found.result_status) == (settled, result_status)

    def test_a_hold_is_not_a_price(self) -> None:
        held = self.read(call(reservation_status="reserved", billing_amount_milli_cents=150_000))
        assert held.price is None
        assert self.read(call(billing_amount_milli_cents=5000)).price == usd("0.05")

    @pytest.mark.parametrize(
        ("changes", "figures", "settled"),
        [
            # A zero of an unsettled read stands for "not yet known", and the amount is the hold.
            ({"reservation_status": "reserved"} | ZEROS, (None, None, None), False),
            ({"reservation_status": "reserved"}, (47, 40, None), False),
            ({"reservation_status": None} | ZEROS, (None, None, None), False),
            ({"reservation_status": "on hold"}, (47, 40, None), False),
            ({"reservation_status": "on hold"} | ZEROS, (None, None, None), False),
            # Settled or released: facts. Zero is zero: the call was free.
            ({"reservation_status": "settled"} | ZEROS, (0, 0, usd(0)), True),
            ({"reservation_status": "Released"} | ZEROS, (0, 0, usd(0)), True),
            ({"billing_amount_milli_cents": "3333", "duration_seconds": "47"}, (47, 40, usd("0.03333")), True),
            ({"billing_amount_milli_cents": 3333.0}, (47, 40, usd("0.03333")), True),
            ({"billing_amount_milli_cents": -3333}, (47, 40, None), False),
            ({"billing_amount_milli_cents": "free"}, (47, 40, None), False),
            ({"billing_amount_milli_cents": None}, (47, 40, None), True),
        ],
    )
    def test_figures_are_facts_once_the_hold_is_settled(
        self, changes: dict[str, Any], figures: tuple[Any, ...], settled: bool
    ) -> None:
        found = self.read(call(**changes))
        assert (found.duration_seconds, found.billed_duration_seconds, found.price) == figures
        assert found.settled == settled

    @pytest.mark.parametrize(
        ("sent", "result", "text"),
        [
            ('{"opt_out": true}', {"opt_out": True}, ""),
            (json.dumps('{"opt_out": true}'), {"opt_out": True}, ""),
            ([{"name": "opt_out", "value": True}], {"opt_out": True}, ""),
            ("the caller opted out", None, "the caller opted out"),
            (["opted out"], None, '["opted out"]'),
            (True, None, "true"),
        ],
    )
    def test_a_result_is_kept_however_it_comes(self, sent: Any, result: Any, text: str) -> None:
        found = self.read(call(result=sent))
        assert (found.result, found.result_text) == (result, text)

    @pytest.mark.parametrize(
        ("changes", "settled"),
        [
            ({"result": None, "result_status": "pending"}, False),
            ({"result": {}, "result_status": "pending"}, False),
            ({"result": {"confirmed": True}, "result_status": "pending"}, False),
            ({"result": {}, "result_status": "completed"}, False),
            ({"result": None, "result_status": None}, False),
            ({"result": {"confirmed": True}, "result_status": ""}, False),
            ({"result": None, "result_status": "being extracted"}, False),
            ({"result": {"confirmed": None}, "result_status": "completed"}, True),
            ({"result": "yes", "result_status": "Completed"}, True),
            ({"result": None, "result_status": "failed"}, True),
            ({"result": None, "result_status": "completed", "returns": "{}"}, True),
            ({"result": None, "result_status": "pending", "status": "busy"}, True),
            ({"result": None, "result_status": "pending", "status": "finished"}, False),  # a word that staff may know
        ],
    )
    def test_a_result_is_awaited_until_it_is_there(self, changes: dict[str, Any], settled: bool) -> None:
        assert self.read(call(**changes)).settled is settled

    def test_a_call_without_a_word_about_results_awaits_none(self) -> None:
        assert self.read(json.dumps({"id": CALL, "status": "completed"}).encode()).settled

    def test_our_reference_is_found_in_json_text(self) -> None:
        ref = json.dumps({"ref": "att-000420"})
        for changes in ({"metadata": ref, "context": None}, {"metadata": None, "context": ref}, {"context": [{"ref": "att-000420"}]}):  # fmt: skip  # noqa: E501
            assert self.read(call(**{"metadata": None} | changes)).reference == "att-000420"

    def test_a_structured_result_is_never_taken_for_the_call(self) -> None:
        body = json.dumps({"id": CALL, "result": {"id": CALL, "status": "completed"}, "returns": {"status": "string"}})
        found = self.read(body.encode())
        assert (found.state, found.result) == (CallState.UNRECOGNISED, {"id": CALL, "status": "completed"})

    def test_a_placing_without_a_status_is_queued_and_no_doubt(self) -> None:
        placed = self.provider().read_placing(Answer(201, {}, json.dumps({"id": CALL}).encode()))
        assert (placed.state, placed.remarks) == (CallState.QUEUED, ())
        twice = self.provider().read_placing(Answer(201, {}, b'{"id": "x1", "status": 7}'))
        assert [remark.field for remark in twice.remarks] == ["state"]

    def test_an_id_is_exact_to_the_last_digit(self) -> None:
        for digits in ("9223372036854775999", "18446744073709551617", "340282366920938463463374607431768211457"):
            body = f'{{"id": {digits}, "status": "queued"}}'.encode()
            assert self.provider().read_placing(Answer(201, {}, body)).provider_call_id == digits

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "no_answer", "answered_by": "machine"}, "voicemail"),
            ({"status": "no_answer"}, "no_answer"),
            ({"status": "busy"}, "busy"),
            ({"status": "completed", "answered_by": "machine"}, "voicemail"),
            ({"status": "completed", "answered_by": "human"}, ""),
            ({"status": "failed", "error_code": "40310"}, "provider_error"),
            ({"status": "failed"}, "failure_unspecified"),
            ({"status": "in_progress", "answered_by": "machine"}, ""),
        ],
    )
    def test_ends_have_trunkline_reasons(self, changes: dict[str, Any], reason: str) -> None:
        assert self.read(call(**changes)).ended_reason == reason

    def test_a_failure_keeps_the_providers_code_and_message(self) -> None:
        found = self.read(call(status="failed", error_code=40310, error_message="invalid number"))
        assert (found.error_code, found.error_message) == ("40310", "invalid number")

    # Listing.

    def test_a_list_is_read_as_a_page_or_a_bare_array(self) -> None:
        rows = [OBJECT, OBJECT | {"id": "in-1", "direction": "inbound"}, None, {"id": 7}, OBJECT | {"id": "last"}]
        provider = self.provider()
        page = provider.read_list(Answer(200, {}, json.dumps({"data": rows, "has_more": True}).encode()))
        assert [found.provider_call_id for found in page.calls] == [CALL, "7", "last"]
        assert [found.reference for found in page.calls] == ["att-000420", "", "att-000420"]
        assert page.next_page == "last"
        last: list[Any] = [rows, {"data": rows, "has_more": False}, {"data": rows}]
        for shape in last:
            assert provider.read_list(Answer(200, {}, json.dumps(shape).encode())).next_page == ""
        for body in (b"{}", b'{"data":{}}', b"null", PAGE):
            with pytest.raises(MayBeRinging):
                provider.read_list(Answer(200, {}, body))
        with pytest.raises(NotSent):
            provider.read_list(Answer(429, {}, b""))

    def test_a_list_is_requested_page_by_page(self, wire: Wire) -> None:
        provider = self.provider(wire.url)
        assert self.sent(wire, provider.list_calls(), "read").target == "/v1/calls?limit=100"
        assert self.sent(wire, provider.list_calls(CALL), "read").target == f"/v1/calls?limit=100&starting_after={CALL}"
        assert self.sent(wire, provider.check(), "read").target == "/v1/calls?limit=1"

    # Callbacks.

    def test_an_event_contains_the_call(self) -> None:
        found = self.provider().parse_callback({}, EVENT)
        assert (found.state, found.provider_call_id, found.reference) == (CallState.COMPLETED, CALL, "att-000420")
        assert (found.price, found.result) == (usd("0.03333"), {"confirmed": True})

    def test_a_bare_call_is_read_only_when_it_is_signed(self) -> None:
        provider, bare = self.provider(), call()
        for secret in (SECRET, "whsec_endpoint"):
            assert provider.parse_callback(signed(bare, secret), bare).provider_call_id == CALL
        for headers in ({}, signed(bare, "whsec_other"), signed(b"another", SECRET)):
            with pytest.raises(MayBeRinging):
                provider.parse_callback(headers, bare)

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"type":"call.busy","data":{"id":{},"call":{}}}', PAGE])
    def test_a_callback_without_a_call_is_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            self.provider().parse_callback(signed(body, SECRET), body)

    @pytest.mark.parametrize(
        ("event", "call_id", "state"),
        [
            ({"call_id": CALL, "data": {"call": {"status": "busy"}}}, CALL, CallState.BUSY),
            ({"data": {"call_id": CALL, "call": {"status": "busy"}}}, CALL, CallState.BUSY),
            ({"data": {"call": {"call_id": CALL, "status": "busy"}}}, CALL, CallState.BUSY),
            ({"data": {"id": CALL, "status": "busy"}}, CALL, CallState.BUSY),
            ({"data": json.dumps({"call": {"id": CALL, "status": "busy"}})}, CALL, CallState.BUSY),
            ({"call": {"id": CALL, "status": "busy"}}, CALL, CallState.BUSY),
            # The event and its call contradict each other: the call is read.
            ({"data": {"call": {"id": CALL, "status": "completed"}}}, CALL, CallState.UNRECOGNISED),
            ({"data": {"call": {"id": CALL, "status": "ringing"}}}, CALL, CallState.RINGING),
            ({"data": {"call": {"id": CALL}}}, CALL, CallState.UNRECOGNISED),
        ],
    )
    def test_the_call_of_an_event_is_found(self, event: dict[str, Any], call_id: str, state: CallState) -> None:
        body = json.dumps({"id": "evt-1", "type": "call.busy"} | event).encode()
        found = self.provider().parse_callback({}, body)
        assert (found.provider_call_id, found.state) == (call_id, state)

    def test_the_id_of_an_event_is_not_the_calls(self) -> None:
        for data in ({"call": {"status": "busy"}}, {"id": "d-1"}, {"id": "d-1", "call": {}}):
            with pytest.raises(MayBeRinging):
                self.provider().parse_callback(
                    {}, json.dumps({"id": "evt-1", "type": "call.busy", "data": data}).encode()
                )

    def test_the_published_signature_is_verified(self) -> None:
        assert len(SIGNED) == 197
        headers = {"callingbox-signature": f"t=1767225600,v1={VECTOR}"}
        assert self.provider().verify_callback(headers, SIGNED, SIGNED_AT) is Verification.VERIFIED
        assert self.provider().verify_callback(headers, SIGNED + b" ", SIGNED_AT) is Verification.BAD
        assert self.provider().verify_callback(headers, SIGNED, SIGNED_AT, "whsec_x") is Verification.BAD

    @pytest.mark.parametrize(("late", "expected"), [(300, "verified"), (-300, "verified"), (301, "bad"), (-301, "bad")])
    def test_a_signature_is_valid_for_five_minutes(self, late: int, expected: str) -> None:
        now = SIGNED_AT + timedelta(seconds=late)
        headers = {"callingbox-signature": f"t=1767225600,v1={VECTOR}"}
        assert self.provider().verify_callback(headers, SIGNED, now).value == expected

    def test_a_signature_proves_as_much_in_every_form(self) -> None:
        forms = (
            "t={t},v1={base64}", "t={t},v1=sha256={hex}", " t = {t} , v1 = {hex} ", "t={t};v1={hex}",
            "t=\"{t}\", v1='{hex}'", "v1={base64};t={t}",
        )  # fmt: skip
        for form in forms:
            for at, now in (("1767225600", SIGNED_AT), ("1767225600500", SIGNED_AT), ("1767225600", LATER)):
                for secret in (SECRET, "whsec_x"):
                    mac = hmac.new(secret.encode(), at.encode() + b"." + SIGNED, hashlib.sha256)
                    coded = base64.b64encode(mac.digest()).decode()
                    header = form.format(t=at, hex=mac.hexdigest(), base64=coded)
                    found = self.provider().verify_callback({"callingbox-signature": header}, SIGNED, now)
                    good = secret == SECRET and now is SIGNED_AT
                    assert found is (Verification.VERIFIED if good else Verification.BAD), header

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (f"t=1767225600,v1={'0' * 64},v1={VECTOR}", "verified"),
            (f"t=1767225600, v1={VECTOR}, v0=old", "verified"),
            (f"v1={VECTOR},t=1767225600", "verified"),
            ("", "bad"),
            ("t=1767225600", "bad"),
            (f"v1={VECTOR}", "bad"),
            (f"t=,v1={VECTOR}", "bad"),
            (f"t=1767225600,v1={VECTOR},junk", "bad"),
            (f"t=1767225600,v1={VECTOR},", "bad"),
            (f"t=1767225600,t=1767225600,v1={VECTOR}", "bad"),
            (f"t=1767225600,v1={VECTOR.upper()}", "verified"),
            (f"t=1767225600,v1={VECTOR[:-1]}", "bad"),
            (f"t=1767225600,v0={VECTOR}", "bad"),
            (f"t=１７６７２２５６００,v1={VECTOR}", "bad"),  # noqa: RUF001
            (f"t=1767225600,v1={VECTOR}é\udc80", "bad"),
            ("t=99999999999999999999,v1=a", "bad"),
        ],
    )
    def test_a_malformed_signature_is_bad(self, header: str, expected: str) -> None:
        found = self.provider().verify_callback({"callingbox-signature": header}, SIGNED, SIGNED_AT)
        assert found.value == expected

    def test_an_endpoint_has_its_own_secret(self) -> None:
        headers = signed(EVENT, "whsec_endpoint")
        provider = self.provider()
        assert provider.verify_callback(headers, EVENT, NOW) is Verification.BAD
        assert provider.verify_callback(headers, EVENT, NOW, "whsec_endpoint") is Verification.VERIFIED

    def test_without_a_secret_a_callback_is_unsigned(self) -> None:
        bare = CallingBox(AccountConfig("https://c.example", {"api_key": "sk"}))
        assert bare.verify_callback(signed(EVENT, SECRET), EVENT, NOW) is Verification.UNSIGNED
        assert self.provider().verify_callback({}, EVENT, NOW) is Verification.BAD

    # Transcripts.

    def test_a_transcript_is_read_in_order(self, wire: Wire) -> None:
        provider = self.provider(wire.url)
        received = self.sent(wire, provider.transcript(self.handle()), "read")
        assert received.target == f"/v1/calls/{CALL}/transcript"
        turns = [
            {"sequence_no": 2, "role": "user", "text": "Yes", "started_at": "2026-04-11T13:05:20Z", "ended_at": None},
            {"sequence_no": 1, "role": "agent", "text": "Hello?", "duration_ms": 900, "source": "x"},
        ]
        body = json.dumps({"call_id": CALL, "segments": turns}).encode()
        found = provider.read_transcript(Answer(200, {}, body))
        assert [(turn.role, turn.text) for turn in found] == [("agent", "Hello?"), ("user", "Yes")]
        assert found[1].started_at == datetime(2026, 4, 11, 13, 5, 20, tzinfo=UTC)
        assert provider.read_transcript(Answer(200, {}, b'{"segments":[]}')) == []
        for one in (b'{"segments":"Hello? Yes"}', b'{"transcript":"Hello? Yes"}', b'"Hello? Yes"', b'["Hello? Yes"]'):
            assert [turn.text for turn in provider.read_transcript(Answer(200, {}, one))] == ["Hello? Yes"]
        plain = Answer(200, {"content-type": "text/plain; charset=utf-8"}, b"Hello?\nYes")
        assert [turn.text for turn in provider.read_transcript(plain)] == ["Hello?\nYes"]
        long = json.dumps({"segments": "x" * 45_000}).encode()
        assert [len(turn.text) for turn in provider.read_transcript(Answer(200, {}, long))] == [20_000, 20_000, 5_000]
        for status, raw, error in ((404, b"{}", NotFound), (200, b"{}", MayBeRinging), (200, b"[]", MayBeRinging)):
            with pytest.raises(error):
                provider.read_transcript(Answer(status, {}, raw))


class TestCallingBoxAgents(TestCallingBox):
    """The newer generation `agent`, in which each request names an agent."""

    options = {"generation": "agent"}
    more_statuses = []  # read like those of the other generation
    order = dataclasses.replace(TestCallingBox.order, assistant_options={}, assistant_external_id=AGENT)
    placed = call(status="queued", agent_id=AGENT, metadata={"ref": "att-000420"})

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /v1/calls HTTP/1.1"
        assert received.json == {
            "agent_id": AGENT,
            "to": "+14155550123",
            "from_number": "+14155550100",
            "context": {"slot": "9 to 11", "name": "Paula"},
            "webhook_url": "https://calls.example.org/hooks/callingbox/9f3kQ2",
            "metadata": {"ref": "att-000420"},
        }

    def test_empty_fields_are_not_sent(self) -> None:
        bare = CallOrder("att-1", "+14155550123", assistant_options={"agent_id": AGENT})
        sent = self.provider().place(bare).json
        assert sent == {"agent_id": AGENT, "to": "+14155550123", "metadata": {"ref": "att-1"}}

    def test_our_reference_takes_precedence_over_a_customers_variable(self) -> None:
        sent = self.provider().place(dataclasses.replace(self.order, dynamic_variables={"ref": "theirs"})).json
        assert (sent["metadata"]["ref"], sent["context"]["ref"]) == ("att-000420", "theirs")

    def test_a_call_without_a_prompt_or_an_agent_is_misconfigured(self) -> None:
        with pytest.raises(Misconfigured):
            self.provider().place(dataclasses.replace(self.order, assistant_external_id=""))

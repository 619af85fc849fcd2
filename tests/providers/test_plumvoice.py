"""The Plum Voice adapter against the Fuse pages."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from providers.adapters.base import AccountConfig, Answer, CallOrder, CallState, Reading, Verification
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, Rejected
from providers.adapters.plumvoice import PlumVoice
from tests.providers.contract import HTML, NOW, PAGE, Case, ProviderContract
from tests.providers.wire import Wire, answer

COMPLETED = b"""{"call_details":{"max_attempts":"3","attempts":"1","events":[{"event":"queued","timestamp":1778500000},
{"event":"dialing","timestamp":1778500002},{"event":"connected","timestamp":1778500019},
{"event":"disconnected","timestamp":1778500061}],"phone_number":"'6175550144'","status":"completed",
"queued_timestamp":"1778500000","start_timestamp":"1778500019","end_timestamp":"1778500061","reattempt_wait":"300",
"duration":42}}"""
QUEUED_XML = (
    b'<?xml version="1.0"?><result><call_details><max_attempts>3</max_attempts><attempts>1</attempts><events><item>'
    b"<event>queued</event><timestamp>1778500000</timestamp></item></events><phone_number>'6175550144'</phone_number>"
    b"<status>queued</status><queued_timestamp>1778500000</queued_timestamp><reattempt_wait>300</reattempt_wait>"
    b"</call_details></result>"
)
FAILED = {
    "max_attempts": "3",
    "attempts": "3",
    "events": [{"event": "queued", "timestamp": 1778500000}, {"event": "dialing", "timestamp": 1778500002}],
    "phone_number": "'6175550144'",
    "status": "failed",
    "queued_timestamp": "1778500000",
    "start_timestamp": "1778500002",
    "end_timestamp": "1778500700",
    "reattempt_wait": "300",
}
TALKED = [{"event": "dialing", "timestamp": 1778500001}, {"event": "connected", "timestamp": 1778500002}]
FAILED_XML = (
    b"<result><call_details><max_attempts>3</max_attempts><attempts>3</attempts><events>"
    b"<item><event>queued</event><timestamp>1778500000</timestamp></item>"
    b"<item><event>dialing</event><timestamp>1778500002</timestamp></item></events>"
    b"<phone_number>'6175550144'</phone_number><status>failed</status>"
    b"<queued_timestamp>1778500000</queued_timestamp></call_details></result>"
)
LINK = {"link": "<https://fuse.plumvoice.com/api/outbound/88120457>"}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class TestPlumVoice(ProviderContract):
    slug = "plumvoice"
    credentials = {"email": "ops@example.org", "developer_key": "dk_test_123"}
    order = CallOrder(
        "att-000419",
        "+16175550144",
        from_number="+16175550100",
        assistant_options={"application_id": 4410, "deployment_id": "9021"},
        customer_name="Paula",
        dynamic_variables={"name": "Paula"},
        callback_url="https://calls.example.org/hooks/plum/9f3kQ2",
    )
    placed = b'{"call_id":"88120457"}'
    placed_id = "88120457"
    status_body = COMPLETED
    callback = json.dumps(FAILED).encode()
    more_statuses = [
        json.dumps({"call_details": FAILED | {"call_id": "88120457"}}).encode(),
        json.dumps({"call_details": FAILED | {"status": "busy", "attempts": 1, "max_attempts": 1}}).encode(),
    ]
    telling = [("status",), ("call_id",), ("call_details",), ("attempts",)]
    states = {
        "queued": CallState.QUEUED,
        "dialing": CallState.DIALING,
        "connected": CallState.IN_PROGRESS,
        "completed": CallState.COMPLETED,
        "canceled": CallState.CANCELED,
        "cancelled": CallState.CANCELED,
        "failed": CallState.FAILED,
        "error": CallState.FAILED,
        "exhausted": CallState.FAILED,
        "busy": CallState.BUSY,
        "no-answer": CallState.NO_ANSWER,
        "ring no answer": CallState.NO_ANSWER,
        "no_contact": CallState.NO_ANSWER,
        "expired": CallState.EXPIRED,
    }
    refusals = [
        Case(400, b"<result><error>Bad number</error></result>", Rejected, says="Bad number"),
        Case(401, b"<result><error>Inactive account</error></result>", Misconfigured, says="Inactive account"),
        *(Case(status, b'{"error":"gone"}', Misconfigured, says="gone") for status in (403, 404, 405, 409)),
        Case(409, b"{}", MayBeRinging),
        Case(500, b'{"error":"Database error"}', MayBeRinging),
        Case(200, b'{"success":false,"error":"Not now"}', Rejected, says="Not now"),
        Case(200, b"<result><success>false</success><error>Not now</error></result>", Rejected, says="Not now"),
        # What is odd proves no refusal.
        Case(200, b'{"success":false,"error":"Not now"} <!-- x -->', MayBeRinging),
        Case(200, b'{"success":false,"error":"Not now","x":NaN}', MayBeRinging),
        Case(200, b'{"success":false,"call_id":"1","call_id":"2"}', MayBeRinging, LINK, says="two call IDs"),
        Case(200, b'{"success":false,"a":{"call_id":"1"},"b":{"call_id":"2"}}', MayBeRinging),
        Case(200, b'{"Success":false,"error":"Not now"}', MayBeRinging),
        Case(200, b'{"success":true}', MayBeRinging),
        Case(200, b'{"a":{"call_id":"1"},"b":{"call_id":"2"}}', MayBeRinging),
        *(Case(200, b"", MayBeRinging, {"link": link}) for link in ("<https://[/1 2>", "<https://a>", "<>", "<", "x")),
        Case(200, PAGE, MayBeRinging, HTML | {"link": '<https://example.org/wp-json/>; rel="https://api.w.org/"'}),
    ]
    failures = [
        Case(401, b'{"error":"Inactive account"}', Misconfigured),
        Case(403, b'{"error":"owned by another user"}', Misconfigured),
        Case(404, b'{"error":"No outbound call was found by that id."}', NotFound),
        Case(404, b"<result><error>No outbound call was found by that id.</error></result>", NotFound),
        Case(405, b'{"error":"only GET"}', MayBeRinging),
        Case(500, b'{"error":"Database error"}', MayBeRinging),
    ]
    samples = [
        QUEUED_XML,
        FAILED_XML,
        b"status=failed&attempts=3&events%5B0%5D%5Bevent%5D=queued&events[0][timestamp]=1778500000",
        b'--b\r\nContent-Disposition: form-data; name="status"\r\n\r\nfailed\r\n--b--\r\n',
    ]

    def body_with_state(self, word: Any) -> bytes:
        details = json.loads(COMPLETED)["call_details"] | {"status": word, "attempts": "3"}
        return json.dumps({"call_details": details}).encode()

    def test_the_request_is_the_documented_one(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).place(self.order))
        assert received.line == "POST /api/apps/4410/9021/queue HTTP/1.1"
        assert received.headers["authorization"] == "Basic b3BzQGV4YW1wbGUub3JnOmRrX3Rlc3RfMTIz"
        assert received.headers["accept"] == "application/json"
        assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
        fields = received.parts
        assert json.loads(fields.pop("variables")) == {"ref": "att-000419", "name": "Paula"}
        assert fields == {
            "phone_number": "tel:+16175550144;ani=16175550100",
            "max_attempts": "1",
            "reattempt_wait": "60",
            "result_url": "https://calls.example.org/hooks/plum/9f3kQ2",
        }

    def test_the_name_of_the_variables_field_is_an_option(self) -> None:
        form = self.provider(variables_field="params").place(self.order).form
        assert "variables" not in form
        assert json.loads(form["params"])["name"] == "Paula"

    def test_a_customers_own_ref_is_kept(self) -> None:
        order = dataclasses.replace(self.order, dynamic_variables={"ref": "theirs"})
        assert json.loads(self.provider().place(order).form["variables"]) == {"ref": "theirs"}

    @pytest.mark.parametrize("number", ["+1617555;ani=8", "+16175550100;postd=9", "6175550100", "+1617555010p1"])
    def test_a_caller_number_cannot_carry_instructions(self, number: str) -> None:
        with pytest.raises(Rejected):
            self.provider().place(dataclasses.replace(self.order, from_number=number))

    def test_without_a_caller_number_none_is_sent(self) -> None:
        form = self.provider().place(dataclasses.replace(self.order, from_number="", callback_url="")).form
        assert form["phone_number"] == "tel:+16175550144"
        assert "result_url" not in form

    def test_an_assistant_needs_application_and_deployment(self) -> None:
        account = AccountConfig("https://p.example", self.credentials)
        assert set(PlumVoice.check_assistant("", {"application_id": "x"}, account)) == {
            "options.application_id",
            "options.deployment_id",
        }
        with pytest.raises(Misconfigured):
            self.provider().place(dataclasses.replace(self.order, assistant_options={"application_id": 1}))

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b'{"call_id":88120457}', {}),
            (b'{"result":{"call_id":"88120457"},"success":true}', {}),
            (b"<result><call_id>88120457</call_id></result>", {}),
            (b"", LINK),
            (b"queued", LINK),
            (b"", {"link": "<https://fuse.plumvoice.com:443/api/outbound/88120457?a=/b#/c>"}),
            (b"{}", {"link": '</api/outbound/88120457/>; rel="status", <https://other/1>'}),
            (b'{"call_id":"88120457"}', {"link": "<https://fuse.plumvoice.com/api/outbound/1>"}),
            (b'{"success":false,"call_id":"88120457"}', {}),
            (b'{"callId":88120457,"request_id":"r-1"}', {}),
            (b'{"a":{"b":"c"},"queue":{"call_id":"88120457"}}', {}),
            (b'[{"call_id":"88120457"}]', {}),
            (b'{"call_id":"88120457","x":NaN}', {}),
        ],
    )
    def test_the_id_is_found_in_body_or_link_header(self, wire: Wire, body: bytes, headers: dict[str, str]) -> None:
        placed = self.place(wire, answer(200, body, headers))
        assert (placed.provider_call_id, placed.state) == ("88120457", CallState.QUEUED)

    def test_the_status_is_read_from_the_documented_path(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert received.target == "/api/outbound/88120457"
        assert received.headers["authorization"] == "Basic b3BzQGV4YW1wbGUub3JnOmRrX3Rlc3RfMTIz"

    def test_a_completed_call_takes_its_times_from_the_events(self) -> None:
        found = self.read(COMPLETED)
        assert found.state is CallState.COMPLETED
        assert found.created_at == at(1778500000)
        assert (found.answered_at, found.ended_at) == (at(1778500019), at(1778500061))
        assert found.duration_seconds == 42
        assert found.to_number == ""  # a national number is not E.164
        assert found.ended_reason == ""

    def test_a_missing_duration_is_the_time_between_the_events(self) -> None:
        body = json.loads(COMPLETED)
        body["call_details"]["duration"] = None
        assert self.read(json.dumps(body).encode()).duration_seconds == 42

    def test_events_are_read_in_any_order_and_in_milliseconds(self) -> None:
        for change in (lambda events: events[::-1], lambda events: [events[i] for i in (2, 0, 3, 1)],
                       lambda events: [event | {"timestamp": event["timestamp"] * 1000} for event in events],
                       lambda events: {str(place): event for place, event in enumerate(events)},
                       json.dumps):  # fmt: skip
            body = json.loads(COMPLETED)
            body["call_details"]["events"] = change(body["call_details"]["events"])
            body["call_details"]["duration"] = None
            found = self.read(json.dumps(body).encode())
            assert (found.started_at, found.answered_at) == (at(1778500002), at(1778500019))
            assert (found.ended_at, found.duration_seconds) == (at(1778500061), 42)

    def test_events_of_one_second_are_in_the_order_of_a_call(self) -> None:
        names = ["disconnected", "connected", "dialing", "queued"]
        details = {"status": "completed", "events": [{"event": name, "timestamp": 1778500000} for name in names]}
        found = self.read(json.dumps({"call_details": details}).encode())
        assert (found.answered_at, found.duration_seconds) == (at(1778500000), 0)

    def test_an_event_without_a_readable_time_is_doubtful(self) -> None:
        for event in ({"event": "connected"}, {"event": "connected", "timestamp": "soon"}):
            details = FAILED | {"status": "completed", "events": [{"event": "dialing", "timestamp": 1778500002}, event]}
            found = self.read(json.dumps({"call_details": details}).encode())
            assert [(remark.field, remark.taken) for remark in found.remarks] == [("answered_at", False)]

    def test_xml_attributes_are_fields(self) -> None:
        found = self.read(
            b'<?xml version="1.0"?><result xmlns:i="urn:x"><call_details status="completed" attempts="1">'
            b'<duration unit="s">42</duration><result i:nil="true"/>'
            b'<events><item event="dialing" timestamp="1778500002"/><item event="connected" timestamp="1778500019"/>'
            b'<item event="disconnected"><timestamp zone="UTC">1778500061</timestamp></item></events>'
            b"</call_details></result>"
        )
        assert (found.state, found.duration_seconds) == (CallState.COMPLETED, 42)
        assert (found.started_at, found.answered_at, found.ended_at) == (at(1778500002), at(1778500019), at(1778500061))

    def test_numbers_as_text_are_no_oddity(self) -> None:
        for body in (COMPLETED, QUEUED_XML, FAILED_XML, json.dumps({"call_details": FAILED}).encode()):
            assert self.read(body).remarks == ()

    def test_xml_is_read_like_json_even_with_a_single_event(self) -> None:
        found = self.read(QUEUED_XML)
        assert (found.state, found.created_at) == (CallState.QUEUED, at(1778500000))
        assert found.may_go_back
        assert self.read(b"<result><call_details><status>queued</status><events/></call_details></result>") == Reading(
            CallState.QUEUED, provider_status="queued"
        )

    @pytest.mark.parametrize("word", ["busy", "no answer", "failed"])
    def test_a_failed_attempt_does_not_end_the_call_while_another_follows(self, word: str) -> None:
        between = {"status": word, "attempts": "1", "max_attempts": "3"}
        found = self.read(json.dumps({"call_details": between}).encode())
        assert (found.state, found.provider_status, found.may_go_back) == (CallState.QUEUED, word, True)
        assert self.read(json.dumps({"call_details": between | {"attempts": "3"}}).encode()).state.is_terminal
        assert self.provider().parse_callback({}, json.dumps(between).encode()).state.is_terminal

    def test_only_the_last_attempt_counts(self) -> None:
        events = [("dialing", 10), ("connected", 20), ("disconnected", 30), ("dialing", 400)]
        details = {
            "status": "failed",
            "attempts": 2,
            "max_attempts": 2,
            "events": [{"event": name, "timestamp": 1778500000 + at} for name, at in events],
        }
        found = self.read(json.dumps({"call_details": details}).encode())
        assert (found.started_at, found.answered_at) == (at(1778500400), None)
        assert found.ended_reason == "attempts_exhausted"

    @pytest.mark.parametrize(("word", "reason"), [("expired", "window_closed"), ("busy", "busy"), ("canceled", "")])
    def test_ends_have_trunkline_reasons(self, word: str, reason: str) -> None:
        assert self.read(self.body_with_state(word)).ended_reason == reason

    @pytest.mark.parametrize(
        ("changes", "seconds", "expected"),
        [
            ({}, 601, CallState.FAILED),
            ({}, 599, CallState.UNRECOGNISED),
            ({"attempts": "2"}, 601, CallState.UNRECOGNISED),
            ({"attempts": None}, 601, CallState.UNRECOGNISED),
            ({"events": []}, 601, CallState.UNRECOGNISED),
            ({"reattempt_wait": "600"}, 601, CallState.UNRECOGNISED),
            ({"reattempt_wait": ""}, 301, CallState.FAILED),
            ({"events": TALKED}, 9000, CallState.UNRECOGNISED),
        ],
    )  # fmt: skip
    def test_a_long_silence_after_an_unknown_status_is_a_failure(
        self, changes: dict[str, Any], seconds: int, expected: CallState
    ) -> None:
        body = json.dumps({"call_details": FAILED | {"status": "mystery"} | changes}).encode()
        found = self.read(body, now=at(1778500002) + timedelta(seconds=seconds))
        assert (found.state, found.provider_status) == (expected, "mystery")

    @pytest.mark.parametrize(
        ("changes", "placed_at"),
        [
            ({"status": 7}, None),
            ({"reattempt_wait": "soon"}, None),
            ({"attempts": "many"}, None),
            # Somebody may have answered, at a time that nobody can read.
            ({"events": [*TALKED[:1], {"event": "connected", "timestamp": "x"}]}, None),
            # Plum Voice's clock is eight hours behind: its silence is none.
            ({}, at(1778500002) + timedelta(hours=8)),
        ],
    )
    def test_doubtful_silence_ends_no_call(self, changes: dict[str, Any], placed_at: datetime | None) -> None:
        body = json.dumps({"call_details": FAILED | {"status": "mystery"} | changes}).encode()
        now = at(1778500002) + timedelta(hours=8, seconds=60)
        found = self.provider().read_status(Answer(200, {}, body), self.handle(placed_at=placed_at), now)
        assert found.state is CallState.UNRECOGNISED

    def test_a_doubtful_number_of_attempts_ends_no_call_that_may_be_dialled_again(self) -> None:
        for attempts, allowed, state in (
            ("x", 3, CallState.QUEUED),
            ("x", 1, CallState.BUSY),
            (1, "x", CallState.BUSY),
        ):
            details = {"status": "busy", "attempts": attempts, "max_attempts": allowed}
            assert self.read(json.dumps({"call_details": details}).encode()).state is state

    @pytest.mark.parametrize(
        ("label", "body"),
        [
            ("application/json", json.dumps(FAILED).encode()),
            ("", json.dumps(FAILED).encode("utf-16")),
            ("text/plain", json.dumps({"call_details": FAILED}).encode()),
            ("application/xml", FAILED_XML),
            ("text/html", FAILED_XML.replace(b"<call_details>", b"").replace(b"</call_details>", b"")),
            (
                "application/x-www-form-urlencoded",
                b"status=failed&queued_timestamp=1778500000&events="
                + quote_plus(json.dumps(FAILED["events"])).encode(),
            ),
            (
                "",
                b"call_details%5Bstatus%5D=failed&call_details[queued_timestamp]=1778500000&call_details[events][0][event]"
                b"=dialing&call_details[events][0][timestamp]=1778500002",
            ),
            ("application/x-www-form-urlencoded", b"call_details=" + quote_plus(json.dumps(FAILED)).encode()),
            (
                "multipart/form-data; boundary=b",
                b'--b\r\nContent-Disposition: form-data; name="status"\r\n\r\nfailed\r\n'
                b'--b\r\nContent-Disposition: form-data; name="queued_timestamp"\r\n\r\n1778500000\r\n'
                b'--b\r\nContent-Disposition: form-data; name="events"\r\n\r\n'
                + json.dumps(FAILED["events"]).encode()
                + b"\r\n--b--\r\n",
            ),
        ],
    )  # fmt: skip
    def test_a_callback_is_read_in_every_encoding(self, label: str, body: bytes) -> None:
        found = self.provider().parse_callback({"content-type": label}, body)
        assert (found.state, found.ended_reason) == (CallState.FAILED, "attempts_exhausted")
        assert (found.created_at, found.started_at) == (at(1778500000), at(1778500002))
        assert found.provider_call_id == ""

    @pytest.mark.parametrize("body", [b"", b"{}", b"garbage", PAGE, b"a=1&a=2", b"status=", b"a=1&a[b]=2"])
    def test_a_callback_without_a_call_is_unreadable(self, body: bytes) -> None:
        with pytest.raises(MayBeRinging):
            self.provider().parse_callback({"content-type": "application/x-www-form-urlencoded"}, body)
        assert self.provider().verify_callback({}, body, NOW) is Verification.UNSIGNED

    def test_an_unreadable_event_does_not_lose_the_outcome(self) -> None:
        for events in (None, "nonsense", "[", 7, [None, 7, {"event": "dialing"}], {"event": "x", "timestamp": "y"}):
            found = self.read(json.dumps({"call_details": FAILED | {"events": events}}).encode())
            assert found.state is CallState.FAILED

    def test_a_number_in_international_form_is_kept(self) -> None:
        for written in ("tel:+16175550144;ani=8009957586", "'+16175550144'"):
            body = json.dumps({"call_details": FAILED | {"phone_number": written}}).encode()
            assert self.read(body).to_number == "+16175550144"

    def test_a_check_reads_a_call_that_cannot_exist(self) -> None:
        assert self.provider().check().url.endswith("/api/outbound/0")

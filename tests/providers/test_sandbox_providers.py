"""Each fake provider against its provider's pages: keys, fields, refusals and responses."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest
from defusedxml import ElementTree

from providers.sandbox.server import Running
from tests.providers.test_sandbox_callbacks import after_its_end
from tests.waiting import eventually

ZEROS = "00000000-0000-0000-0000-000000000000"
AGENT = "b2f6a0c4-8d13-4f7e-9a50-3c1d7e9b6f02"
DROP = object()
http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if value is not DROP}


def wait_for_end(sandbox: Running) -> dict[str, Any]:
    eventually(lambda: sandbox.journal()[-1]["outcome"], "it never ended")
    return sandbox.journal()[-1]


# AlloMia


def allomia(sandbox: Running, key: str = "sandbox-allomia", **changes: Any) -> httpx.Response:
    body = {
        "phoneNumber": "+14165550101",
        "assistantId": str(uuid.uuid4()),
        "phoneNumberId": str(uuid.uuid4()),
        "customerName": "Ines Roy",
        "dynamicVariables": {"ref": "att-1"},
        "callbackUrl": "https://calls.example.org/hooks/1",
    }
    headers = {"Authorization": f"Bearer {key}"}
    return http.post(f"{sandbox.url}/allomia/api/outbound", json=changed(body, changes), headers=headers)


def allomia_get(sandbox: Running, path: str, **params: str) -> httpx.Response:
    headers = {"Authorization": "Bearer sandbox-allomia"}
    return http.get(f"{sandbox.url}/allomia{path}", headers=headers, params=params)


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        ("nobody", 401, "Invalid or missing API key"),
        ("sk_sandbox", 401, "Invalid or missing API key"),
        ("sandbox-allomia-readonly", 403, "Insufficient permissions"),
        ("sandbox-allomia-inactive", 409, "Organization is inactive"),
    ],
)
def test_allomia_keys(sandbox: Running, key: str, code: int, text: str) -> None:
    response = allomia(sandbox, key=key)
    assert (response.status_code, response.json()) == (code, {"error": text})


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"phoneNumber": "+1416555"}, "phoneNumber", "too_small"),
        ({"phoneNumber": "+" + "1" * 20}, "phoneNumber", "too_big"),
        ({"phoneNumber": "4165550101"}, "phoneNumber", "invalid_string"),
        ({"phoneNumber": 14165550101}, "phoneNumber", "invalid_type"),
        ({"phoneNumber": DROP}, "phoneNumber", "invalid_type"),
        ({"assistantId": DROP}, "assistantId", "invalid_type"),
        ({"phoneNumberId": ""}, "phoneNumberId", "too_small"),
        ({"customerName": "x" * 101}, "customerName", "too_big"),
        ({"dynamicVariables": {"n": 1}}, "dynamicVariables.n", "invalid_type"),
        ({"dynamicVariables": []}, "dynamicVariables", "invalid_type"),
        ({"callbackUrl": "ftp://example.org"}, "callbackUrl", "invalid_string"),
        ({"metadata": {}}, "metadata", "unrecognized_keys"),
    ],
)
def test_allomia_names_the_field_it_refuses(sandbox: Running, changes: dict[str, Any], field: str, code: str) -> None:
    response = allomia(sandbox, **changes)
    assert response.status_code == 400
    assert response.json()["error"] == "Invalid request data"
    assert [(detail["field"], detail["code"]) for detail in response.json()["details"]] == [(field, code)]
    assert sandbox.journal() == []


def test_allomia_does_not_find_an_assistant_id_of_zeros(sandbox: Running) -> None:
    response = allomia(sandbox, assistantId=ZEROS)
    assert (response.status_code, response.json()) == (404, {"error": "Assistant or phone number not found"})


def test_allomia_reports_calling_and_then_the_end(sandbox: Running) -> None:
    sandbox.control(speed=5)
    placed = allomia(sandbox, phoneNumber="+14165550103").json()
    assert set(placed) == {"outboundCallId", "contactId", "status", "message"} and placed["status"] == "calling"
    path = f"/api/outbound/{placed['outboundCallId']}/status"
    assert allomia_get(sandbox, path).json() == {
        "outboundCallId": placed["outboundCallId"],
        "contactId": placed["contactId"],
        "status": "calling",
        "callDetails": None,
    }
    wait_for_end(sandbox)
    ended = allomia_get(sandbox, path).json()
    assert ended["status"] == "busy"
    assert ended["callDetails"].pop("endedAt")
    assert ended["callDetails"] == {"startedAt": None, "duration": None, "endedReason": "busy"}


def test_allomia_knows_only_its_own_calls(sandbox: Running) -> None:
    response = allomia_get(sandbox, f"/api/outbound/{uuid.uuid4()}/status")
    assert (response.status_code, response.json()) == (404, {"error": "Outbound call not found"})
    assert allomia_get(sandbox, "/api/nothing").json() == {"error": "Not Found"}


def test_allomia_call_logs_have_pages_and_text_durations(sandbox: Running) -> None:
    for _ in range(3):
        outbound = allomia(sandbox).json()["outboundCallId"]
    wait_for_end(sandbox)
    listed = allomia_get(sandbox, "/api/calls", organizationId="o1", limit="2", callType="Outbound").json()
    assert listed["pagination"] == {
        "page": 1,
        "limit": 2,
        "total": 3,
        "totalPages": 2,
        "hasNextPage": True,
        "hasPreviousPage": False,
    }
    log = listed["calls"][0]
    assert log["userPhoneNumber"] == "+14165550101" and log["id"] != outbound
    assert isinstance(log["callDurationSeconds"], str)
    assert "transcriptUrl" in allomia_get(sandbox, f"/api/calls/{log['id']}", organizationId="o1").json()
    assert allomia_get(sandbox, "/api/calls").status_code == 400
    assert allomia_get(sandbox, "/api/calls", organizationId="o1", callType="Fax").status_code == 400


# PolyAI

TRIGGER, V1 = "/v1/outbound-calling/trigger", "/v1/outbound-calling"
AGENTS = f"/v1/agents/{AGENT}/telephony/outbound-calls"
TOKEN, API_KEY = {"X-PolyAi-Auth-Token": "sandbox-polyai"}, {"X-API-KEY": "sandbox-polyai"}


def polyai(sandbox: Running, path: str, headers: dict[str, str], **body: Any) -> httpx.Response:
    return http.post(f"{sandbox.url}/polyai{path}", json=body, headers=headers)


def polyai_get(sandbox: Running, path: str, headers: dict[str, str], **params: str) -> httpx.Response:
    return http.get(f"{sandbox.url}/polyai{path}", headers=headers, params=params)


def test_polyai_v1_trigger_goes_from_queued_to_failure_without_a_reason(sandbox: Running) -> None:
    sandbox.control(speed=10)
    sid = polyai(sandbox, TRIGGER, TOKEN, to_number="+442079460102").json()["callSid"]
    assert str(uuid.UUID(sid)) == sid
    answer = polyai_get(sandbox, f"{V1}/{sid}/status", TOKEN).json()
    assert set(answer) == {"callSid", "status", "created_at", "last_updated"}
    assert answer["status"] in ("queued", "calling")
    entry = wait_for_end(sandbox)
    assert (entry["status"], entry["outcome"]) == ("failure", "failed")
    assert polyai_get(sandbox, f"{V1}/{sid}/status", TOKEN).json()["status"] == "failure"


def test_polyai_v1_reports_reason_and_reference(sandbox: Running) -> None:
    sandbox.control(speed=2)
    body = {"to_number": "+16175550126", "metadata": {"ref": "att-9"}, "encryption": "TLS/SRTP"}
    sid = polyai(sandbox, V1, TOKEN, **body).json()["call_sid"]
    assert sid.startswith("OUT-")
    assert polyai_get(sandbox, f"{V1}/{sid}/status", TOKEN).json() == {"status": "queued", "reason": ""}
    entry = wait_for_end(sandbox)
    assert (entry["reference"], entry["rings"]) == ("att-9", False)
    assert polyai_get(sandbox, f"{V1}/{sid}/status", TOKEN).json() == {
        "status": "failure",
        "reason": "call queueing: max timeout limit exceeded",
    }


def test_polyai_agents_requires_the_environment_of_the_placing(sandbox: Running) -> None:
    placed = polyai(sandbox, AGENTS, API_KEY, toNumber="+16175550101", environment="live", metadata={"ref": "r"}).json()
    assert placed["status"] == "QUEUED"
    path = f"{AGENTS}/{placed['callSid']}/status"
    answer = polyai_get(sandbox, path, API_KEY, environment="live").json()
    assert set(answer) == {"callSid", "status", "reason"} and answer["status"] in ("QUEUED", "CALLING")
    assert polyai_get(sandbox, path, API_KEY, environment="sandbox").status_code == 404
    assert polyai_get(sandbox, path, API_KEY).status_code == 400
    assert polyai_get(sandbox, f"{V1}/{placed['callSid']}/status", TOKEN).status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "body", "code"),
    [
        (TRIGGER, API_KEY, {"to_number": "+16175550101"}, 401),
        (TRIGGER, {"X-PolyAi-Auth-Token": "wrong"}, {"to_number": "+16175550101"}, 401),
        (AGENTS, TOKEN, {"toNumber": "+16175550101", "environment": "live"}, 401),
        (TRIGGER, TOKEN, {"to_number": "6175550101"}, 400),
        (TRIGGER, TOKEN, {}, 400),
        (TRIGGER, TOKEN, {"to_number": "+16175550101", "metadata": {}}, 400),
        (V1, TOKEN, {"to_number": "+16175550101", "metadata": {"n": 1}}, 400),
        (V1, TOKEN, {"to_number": "+16175550101", "metadata": {"n": "x" * 20_000}}, 400),
        (V1, TOKEN, {"to_number": "+16175550101", "encryption": "tls_srtp"}, 400),
        (V1, TOKEN, {"toNumber": "+16175550101"}, 400),
        (AGENTS, API_KEY, {"toNumber": "+16175550101"}, 400),
        (AGENTS, API_KEY, {"toNumber": "+16175550101", "environment": "test"}, 400),
        (AGENTS.replace(AGENT, ZEROS), API_KEY, {"toNumber": "+16175550101", "environment": "live"}, 404),
    ],
)
def test_polyai_refusals(sandbox: Running, path: str, headers: dict[str, str], body: dict[str, Any], code: int) -> None:
    assert polyai(sandbox, path, headers, **body).status_code == code
    assert sandbox.journal() == []


def test_polyai_error_bodies_are_json_and_text_in_turn(sandbox: Running) -> None:
    kinds = {polyai(sandbox, TRIGGER, {}, to_number="+16175550101").headers["Content-Type"] for _ in range(2)}
    assert {kind.split(";")[0] for kind in kinds} == {"application/json", "text/plain"}


def test_polyai_forgets_after_its_retention(sandbox: Running) -> None:
    sid = polyai(sandbox, TRIGGER, TOKEN, to_number="+16175550101").json()["callSid"]
    wait_for_end(sandbox)
    path = f"{V1}/{sid}/status"
    assert polyai_get(sandbox, path, TOKEN).json()["status"] == "success"
    sandbox.control(retention_seconds=0)
    assert polyai_get(sandbox, path, TOKEN).status_code == 404
    assert polyai_get(sandbox, f"{V1}/not-a-sid/status", TOKEN).status_code == 400


# Plum Voice

BASIC = ("sandbox@example.org", "sandbox-plum")


def plum(sandbox: Running, deployment: str = "4410/9021", auth: Any = BASIC, **fields: str) -> httpx.Response:
    fields = {"phone_number": "tel:+16175550101;ani=6175550100", **fields}
    parts = {name: (None, value) for name, value in fields.items()}
    return http.post(f"{sandbox.url}/plumvoice/api/apps/{deployment}/queue", files=parts, auth=auth)


def plum_get(sandbox: Running, identifier: str, accept: str = "application/json") -> httpx.Response:
    url = f"{sandbox.url}/plumvoice/api/outbound/{identifier}"
    return http.get(url, auth=BASIC, headers={"Accept": accept})


def test_plum_queues_a_call_and_reports_it_in_its_own_format(sandbox: Running) -> None:
    response = plum(sandbox, variables='{"ref": "att-3"}', max_attempts="1", result_url="https://x.example/r")
    identifier = response.json()["call_id"]
    assert response.headers["Link"].endswith(f"/plumvoice/api/outbound/{identifier}>")
    entry = wait_for_end(sandbox)
    assert (entry["to_number"], entry["from_number"], entry["reference"]) == ("+16175550101", "+16175550100", "att-3")
    details = plum_get(sandbox, identifier).json()["call_details"]
    assert details["status"] == "completed" and details["attempts"] == "1"
    assert details["phone_number"] == "'tel:+16175550101;ani=6175550100'"
    assert [event["event"] for event in details["events"]] == ["queued", "dialing", "connected", "disconnected"]
    assert isinstance(details["events"][0]["timestamp"], int) and isinstance(details["queued_timestamp"], str)
    assert isinstance(details["duration"], int)


def test_plum_returns_xml_on_request(sandbox: Running) -> None:
    identifier = plum(sandbox).json()["call_id"]
    root = ElementTree.fromstring(plum_get(sandbox, identifier, "application/xml").text)
    assert root.tag == "result" and root.findtext("call_details/events/item/event") == "queued"
    error = ElementTree.fromstring(plum_get(sandbox, "1", "application/xml").text)
    assert error.findtext("error") == "No outbound call was found by that id."


def test_plum_id_is_only_in_link_or_numeric_xml_by_story(sandbox: Running) -> None:
    sparse = plum(sandbox, phone_number="tel:+16175550124")
    assert sparse.json() == {} and sandbox.journal()[-1]["id"] in sparse.headers["Link"]
    odd = plum(sandbox, phone_number="tel:+16175550125")
    assert ElementTree.fromstring(odd.text).findtext("call_id") == sandbox.journal()[-1]["id"]


@pytest.mark.parametrize(
    "fields",
    [
        {"phone_number": "hello"},
        {"phone_number": "tel:+16175550101;ani=6175550100;evil=1"},
        {"phone_number": "336175550101"},
        {"phone_number": ""},
        {"max_attempts": "0"},
        {"max_attempts": "11", "reattempt_wait": "60"},
        {"max_attempts": "2"},
        {"max_attempts": "2", "reattempt_wait": "59"},
        {"start_timestamp": "soon"},
        {"variables": "[]"},
        {"variables": "{"},
        {"result_url": "nowhere"},
        {"is_pci": "2"},
        {"reference": "x"},
    ],
)
def test_plum_refuses_malformed_fields(sandbox: Running, fields: dict[str, str]) -> None:
    response = plum(sandbox, **fields)
    assert response.status_code == 400 and response.json()["error"]
    assert sandbox.journal() == []


def test_plum_accepts_only_multipart(sandbox: Running) -> None:
    url = f"{sandbox.url}/plumvoice/api/apps/1/2/queue"
    assert http.post(url, auth=BASIC, data={"phone_number": "tel:+16175550101"}).status_code == 400
    assert http.post(url, auth=BASIC, json={"phone_number": "tel:+16175550101"}).status_code == 400
    assert http.get(url, auth=BASIC).status_code == 405


def test_plum_refuses_wrong_keys_and_deployment_ids_of_zeros(sandbox: Running) -> None:
    assert plum(sandbox, auth=("sandbox@example.org", "wrong")).status_code == 401
    assert plum(sandbox, auth=None).status_code == 401
    response = plum(sandbox, deployment="4410/0000")
    assert response.status_code == 404 and response.json()["error"].startswith("No deployment was found")


def test_plum_redials_by_itself_with_max_attempts(sandbox: Running) -> None:
    sandbox.control(speed=400)
    identifier = plum(
        sandbox, phone_number="tel:+16175550130", max_attempts="3", reattempt_wait="60"
    ).json()["call_id"]  # fmt: skip
    entry = wait_for_end(sandbox)
    assert (entry["outcome"], entry["attempts"]) == ("completed", 2)
    details = plum_get(sandbox, identifier).json()["call_details"]
    assert [event["event"] for event in details["events"]].count("dialing") == 2
    assert (details["attempts"], details["max_attempts"], details["reattempt_wait"]) == ("2", "3", "60")


def test_plum_cancels_the_queued_calls_of_a_deployment(sandbox: Running) -> None:
    waiting, other = plum(sandbox, phone_number="tel:+16175550128"), plum(sandbox, "7/8", phone_number="16175550128")
    cancel = f"{sandbox.url}/plumvoice/api/apps/4410/9021/cancel"
    response = http.delete(cancel, auth=BASIC)
    assert (response.status_code, response.content) == (202, b"")
    statuses = [plum_get(sandbox, r.json()["call_id"]).json()["call_details"]["status"] for r in (waiting, other)]
    assert statuses == ["canceled", "queued"]
    assert http.delete(cancel.replace("4410", "0"), auth=BASIC).status_code == 404


def test_plum_queues_all_rows_of_a_file_or_none(sandbox: Running) -> None:
    url = f"{sandbox.url}/plumvoice/api/apps/4410/9021/bulk_queue"

    def send(text: str) -> httpx.Response:
        return http.post(url, auth=BASIC, files={"csv": ("calls.csv", text.encode())})

    assert send("destination,name\n6175550101,A\nnonsense,B\n").status_code == 400
    assert send("number\n6175550101\n").status_code == 400
    assert sandbox.journal() == []
    ids = send("destination,ref\n6175550101,r1\n6175550102,r2\n").json()["call_ids"]
    assert [(dial["id"], dial["reference"]) for dial in sandbox.journal()] == list(zip(ids, ["r1", "r2"], strict=True))


def test_plum_expires_a_call_whose_window_has_closed(sandbox: Running) -> None:
    plum(sandbox, end_timestamp=str(int(time.time()) - 5))
    entry = wait_for_end(sandbox)
    assert (entry["status"], entry["outcome"], entry["rings"]) == ("expired", "expired", False)


# CallingBox

SECRET_KEY = {"Authorization": "Bearer sk_sandbox"}
PROMPT = {
    "to": "+14155550101",
    "prompt": "Confirm.",
    "context": {"ref": "att-4", "name": "Paula"},
    "returns": {"confirmed": "boolean"},
    "from_number": "+14155550100",
    "webhook_url": "https://x.example/w",
}
BY_AGENT = {"agent_id": AGENT, "to": "+14155550101", "context": {}, "metadata": {"ref": "att-5"}}


def box(sandbox: Running, body: dict[str, Any], **changes: Any) -> httpx.Response:
    return http.post(f"{sandbox.url}/callingbox/v1/calls", json=changed(body, changes), headers=SECRET_KEY)


def box_get(sandbox: Running, path: str, **params: str) -> httpx.Response:
    return http.get(f"{sandbox.url}/callingbox/v1{path}", headers=SECRET_KEY, params=params)


def test_a_callingbox_prompt_call_ends_before_its_result_is_available(sandbox: Running) -> None:
    sandbox.control(speed=5)
    response = box(sandbox, PROMPT)
    call = response.json()
    assert (response.status_code, call["status"], call["direction"]) == (201, "queued", "outbound")
    assert call["context"]["ref"] == "att-4" and call["agent_id"] is None and call["reservation_status"] == "reserved"
    wait_for_end(sandbox)
    with after_its_end(sandbox, 0.01):
        ended = box_get(sandbox, f"/calls/{call['id']}").json()
    assert (ended["status"], ended["result_status"], ended["result"]) == ("completed", "pending", None)
    with after_its_end(sandbox, 1):
        final = box_get(sandbox, f"/calls/{call['id']}").json()
    assert (final["result_status"], final["result"], final["reservation_status"]) == (
        "completed",
        {"confirmed": True},
        "settled",
    )
    assert final["billing_amount_milli_cents"] == round(final["billed_duration_seconds"] * 5000 / 60)
    segments = box_get(sandbox, f"/calls/{call['id']}/transcript").json()["segments"]
    assert [segment["sequence_no"] for segment in segments] == [0, 1]


def test_a_callingbox_voicemail_is_a_no_answer_whose_result_stays_pending(sandbox: Running) -> None:
    identifier = box(sandbox, BY_AGENT, to="+14155550105").json()["id"]
    entry = wait_for_end(sandbox)
    assert (entry["outcome"], entry["reference"]) == ("no_answer", "att-5")
    with after_its_end(sandbox, 60):
        call = box_get(sandbox, f"/calls/{identifier}").json()
    assert (call["status"], call["answered_by"], call["result_status"]) == ("no_answer", "machine", "pending")
    assert call["metadata"] == {"ref": "att-5"} and call["persona"]


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (PROMPT, {"to": DROP}),
        (PROMPT, {"to": "4155550101"}),
        (PROMPT, {"to": "+14165550101"}),
        (PROMPT, {"to": "+442079460101"}),
        (PROMPT, {"metadata": {"ref": "x"}}),
        (PROMPT, {"instructions": "x"}),
        (PROMPT, {"returns": {"a": "date"}}),
        (PROMPT, {"context": "text"}),
        (PROMPT, {"context": {"long": "x" * 33_000}}),
        (PROMPT, {"language": "fr"}),
        (PROMPT, {"voicemail_action": "sing"}),
        (PROMPT, {"tools": [{"type": "http"}]}),
        (PROMPT, {"tools": [{}] * 17}),
        (PROMPT, {"webhook_url": "nowhere"}),
        (BY_AGENT, {"prompt": "x"}),
        (BY_AGENT, {"returns": {}}),
        (BY_AGENT, {"voicemail_action": "hangup"}),
        (BY_AGENT, {"agent_id": ""}),
        (BY_AGENT, {"metadata": []}),
    ],
)
def test_callingbox_refuses_undocumented_bodies(
    sandbox: Running, body: dict[str, Any], changes: dict[str, Any]
) -> None:  # fmt: skip
    response = box(sandbox, body, **changes)
    assert response.status_code == 400 and isinstance(response.json()["error"], str)
    assert sandbox.journal() == []


def test_callingbox_can_refuse_one_generation(sandbox: Running) -> None:
    sandbox.control(callingbox_generations=["agent"])
    assert box(sandbox, PROMPT).json() == {"error": "agent_id is required"}
    assert box(sandbox, BY_AGENT).status_code == 201
    sandbox.control(callingbox_generations=["prompt"])
    assert box(sandbox, BY_AGENT).status_code == 400
    assert box(sandbox, PROMPT).status_code == 201


def test_callingbox_checks_keys_agents_and_credit(sandbox: Running) -> None:
    url = f"{sandbox.url}/callingbox/v1/calls"
    assert http.post(url, json=PROMPT, headers={"Authorization": "Bearer sk_other"}).status_code == 401
    broke = http.post(url, json=PROMPT, headers={"Authorization": "Bearer sk_sandbox_broke"})
    assert broke.status_code == 402 and broke.json()["error"].startswith("Calls paused. Your balance is")
    assert box(sandbox, BY_AGENT, agent_id=ZEROS).status_code == 404
    assert box_get(sandbox, "/calls/unknown").json() == {"error": "call unknown not found"}
    assert sandbox.journal() == []


def test_callingbox_errors_can_be_nested(sandbox: Running) -> None:
    assert box(sandbox, PROMPT, to="+14155550123").json() == {"error": {"message": "This number cannot be called"}}
    sandbox.control(callingbox_error_shape="nested")
    assert box(sandbox, PROMPT, to=DROP).json() == {"error": {"message": "to: Required"}}


def test_callingbox_lists_calls_newest_first_including_inbound_calls(sandbox: Running) -> None:
    ids = [box(sandbox, PROMPT).json()["id"] for _ in range(4)]
    seen: list[Any] = []
    after: dict[str, str] = {}
    for _ in range(10):
        page = box_get(sandbox, "/calls", limit="2", **after).json()
        seen += page["data"]
        if not page["has_more"]:
            break
        after = {"starting_after": page["data"][-1]["id"]}
    assert [call["id"] for call in seen if call["direction"] == "outbound"] == ids[::-1]
    assert sum(call["direction"] == "inbound" for call in seen) == 2
    newer = box_get(sandbox, "/calls", ending_before=seen[2]["id"]).json()["data"]
    assert [call["id"] for call in newer] == [call["id"] for call in seen[:2]]
    assert box_get(sandbox, "/calls", limit="101").status_code == 400
    assert box_get(sandbox, "/calls", status="queued").status_code == 400
    sandbox.control(callingbox_list_shape="array")
    assert len(box_get(sandbox, "/calls").json()) == 6


def test_callingbox_keeps_a_record_of_a_call_that_it_could_not_place(sandbox: Running) -> None:
    assert box(sandbox, PROMPT, to="+14155550136").status_code == 502
    assert sandbox.journal() == []
    (record,) = box_get(sandbox, "/calls").json()["data"]
    assert (record["status"], record["context"]["ref"]) == ("failed", "att-4")
    assert box_get(sandbox, f"/calls/{record['id']}").json() == record


def test_a_callingbox_call_with_a_lost_response_is_in_the_list(sandbox: Running) -> None:
    with pytest.raises(httpx.TransportError):
        box(sandbox, PROMPT, to="+14155550108")
    listed = box_get(sandbox, "/calls").json()["data"]
    assert [c["id"] for c in listed if c["context"].get("ref") == "att-4"] == [sandbox.journal()[0]["id"]]


def test_callingbox_has_a_number_and_an_outbound_agent(sandbox: Running) -> None:
    assert box_get(sandbox, "/numbers").json()[0]["status"] == "active"
    assert box_get(sandbox, "/agents", type="outbound").json()["data"][0]["type"] == "outbound"

"""The callbacks of the fake providers, received by a small server on this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import time_machine
from defusedxml import ElementTree

from providers.sandbox import server
from providers.sandbox.callbacks import stays_here
from providers.sandbox.callingbox_events import signature
from providers.sandbox.server import Running
from tests.waiting import eventually

http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Inbox:
    url: str
    answers: list[int] = field(default_factory=list)  # the next response statuses; 200 after the last one
    received: list[Received] = field(default_factory=list)

    def wait(self, count: int, matching: Callable[[Received], bool] = lambda _: True) -> list[Received]:
        """Wait for `count` matching callbacks, and a little longer to catch any extra ones."""
        eventually(lambda: sum(map(matching, self.received)) >= count, "not all of them come")
        time.sleep(0.08)
        found = [one for one in self.received if matching(one)]
        assert len(found) == count, self.received
        return found


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            box.received.append(Received(self.command, self.path, headers, body))
            self.send_response(box.answers.pop(0) if box.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    box.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield box
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def allomia(sandbox: Running, to: str, callback: str) -> str:
    body = {"phoneNumber": to, "assistantId": "a-1", "phoneNumberId": "n-1", "callbackUrl": callback}
    headers = {"Authorization": "Bearer sandbox-allomia"}
    return str(
        http.post(f"{sandbox.url}/allomia/api/outbound", json=body, headers=headers).json()["outboundCallId"]
    )  # fmt: skip


def plum(sandbox: Running, to: str, callback: str) -> str:
    parts = {"phone_number": (None, f"tel:{to}"), "result_url": (None, callback)}
    url = f"{sandbox.url}/plumvoice/api/apps/1/2/queue"
    auth = ("sandbox@example.org", "sandbox-plum")
    return str(http.post(url, files=parts, auth=auth).json().get("call_id"))


def box(sandbox: Running, to: str, callback: str) -> str:
    body = {"to": to, "webhook_url": callback, "context": {"ref": "r"}, "returns": {"ok": "boolean"}}
    headers = {"Authorization": "Bearer sk_sandbox"}
    return str(http.post(f"{sandbox.url}/callingbox/v1/calls", json=body, headers=headers).json()["id"])


def signed_by(secret: str, received: Received) -> bool:
    """Check the signature as the security page describes it, without the sandbox's code."""
    stamp, *given = received.headers["callingbox-signature"].split(",")
    message = stamp.removeprefix("t=").encode() + b"." + received.body
    return f"v1={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}" in given


def test_the_signature_matches_the_published_vector() -> None:
    body = (
        b'{"id":"0b7d3c52-6a0e-4c1b-9a55-2f1f6f0f9d11","type":"call.no_answer","created":1767225600,'
        b'"api_version":"2026-04","data":{"call":{"id":"5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3","status":"no_answer"}}}'
    )
    secret = "whsec_test_0123456789abcdef0123456789abcdef"
    expected = "5f797ca5ae60f24a5bcdd3879c225e236f75df2264a5b0f6d4430c1ccf5d6d91"
    assert signature(secret, 1767225600, body) == expected


@contextmanager
def after_its_end(sandbox: Running, seconds: float) -> Iterator[None]:
    """Set the clock to this many seconds after the end of the newest call."""
    ended = datetime.fromisoformat(sandbox.journal()[-1]["ended_at"])
    with time_machine.travel(ended + timedelta(seconds=seconds), tick=False):
        yield


def test_allomia_sends_the_status_body_once_at_the_end(sandbox: Running, inbox: Inbox) -> None:
    identifier = allomia(sandbox, "+14165550102", f"{inbox.url}/hook/1")
    (received,) = inbox.wait(1)
    assert (received.method, received.path, received.json["status"]) == ("POST", "/hook/1", "no-answer")
    assert received.json["outboundCallId"] == identifier
    headers = {"Authorization": "Bearer sandbox-allomia"}
    status = http.get(f"{sandbox.url}/allomia/api/outbound/{identifier}/status", headers=headers).json()
    assert received.json == status
    assert sandbox.journal()[0]["callbacks_sent"] == 1


def test_a_call_with_a_lost_response_still_has_a_callback(sandbox: Running, inbox: Inbox) -> None:
    with pytest.raises(httpx.TransportError):
        allomia(sandbox, "+14165550108", inbox.url)
    (received,) = inbox.wait(1)
    assert received.json["outboundCallId"] == sandbox.journal()[0]["id"]


@pytest.mark.parametrize(("digits", "count"), [("19", 0), ("20", 2), ("22", 1)])
def test_callbacks_are_missing_doubled_or_wrong_by_story(
    sandbox: Running, inbox: Inbox, digits: str, count: int
) -> None:  # fmt: skip
    identifier = allomia(sandbox, f"+141655501{digits}", inbox.url)
    eventually(lambda: sandbox.journal()[0]["ended_at"])
    time.sleep(0.25)
    received = inbox.wait(count)
    assert all((one.json["outboundCallId"] == identifier) is (digits == "20") for one in received)


def test_a_callback_can_come_before_the_status_changes(sandbox: Running, inbox: Inbox) -> None:
    sandbox.control(speed=5)
    identifier = allomia(sandbox, "+14165550121", inbox.url)
    inbox.wait(1)
    headers = {"Authorization": "Bearer sandbox-allomia"}
    url = f"{sandbox.url}/allomia/api/outbound/{identifier}/status"
    assert inbox.received[0].json["status"] == "completed"
    for seconds, word in (
        (0.2, "calling"),
        (0.45, "completed"),
    ):  # it changes two seconds late, at five times the speed
        with after_its_end(sandbox, seconds):
            assert http.get(url, headers=headers).json()["status"] == word


def test_a_call_can_end_before_the_response_to_its_placing(sandbox: Running, inbox: Inbox) -> None:
    sandbox.control(speed=5)
    allomia(sandbox, "+14165550138", inbox.url)
    answered = datetime.now(UTC)
    assert datetime.fromisoformat(sandbox.journal()[0]["ended_at"]) < answered
    inbox.wait(1)


def test_plum_uses_four_encodings_in_turn_and_sometimes_sends_a_get_first(sandbox: Running, inbox: Inbox) -> None:
    for _ in range(8):
        plum(sandbox, "+16175550101", inbox.url)
    posts = inbox.wait(8, lambda one: one.method == "POST")
    assert len([one for one in inbox.received if one.method == "GET"]) == 4
    kinds = sorted(_plum_status(one) for one in posts)
    assert kinds == sorted(
        [("form", "completed"), ("json", "completed"), ("wrapped", "completed"), ("xml", "completed")] * 2
    )
    assert not any(b"call_id" in one.body for one in posts)


def _plum_status(received: Received) -> tuple[str, str]:
    kind = received.headers["content-type"]
    if "xml" in kind:
        return "xml", ElementTree.fromstring(received.body.decode()).findtext("call_details/status") or ""
    if "form" in kind:
        return "form", parse_qs(received.body.decode())["status"][0]
    if "call_details" in received.json:
        return "wrapped", received.json["call_details"]["status"]
    return "json", received.json["status"]


def test_callingbox_sends_every_event_signed_and_one_terminal(sandbox: Running, inbox: Inbox) -> None:
    identifier = box(sandbox, "+14155550101", inbox.url)
    received = inbox.wait(4)
    by_type = {one.json["type"]: one for one in received}
    assert set(by_type) == {"call.queued", "call.ringing", "call.answered", "call.completed"}
    assert all(signed_by("whsec_sandbox", one) for one in received)
    last = by_type["call.completed"]
    assert last.json["data"]["call"]["result"] == {"ok": True}
    assert last.headers["callingbox-event-id"] == last.json["id"]
    assert last.headers["callingbox-event-type"] == last.headers["x-callingbox-event"] == "call.completed"
    assert last.headers["x-callingbox-call-id"] == identifier


@pytest.mark.parametrize(
    ("digits", "terminal"),
    [("02", "no_answer"), ("03", "busy"), ("04", "failed"), ("05", "no_answer"), ("29", "canceled")],
)
def test_callingbox_terminal_events(sandbox: Running, inbox: Inbox, digits: str, terminal: str) -> None:
    box(sandbox, f"+141555501{digits}", inbox.url)
    inbox.wait(1, lambda one: one.json["type"] == f"call.{terminal}")
    names = [one.json["type"] for one in inbox.received]
    assert set(names) <= {"call.queued", "call.ringing", f"call.{terminal}"} and len(set(names)) == len(names)


def test_callingbox_retries_with_the_same_id_until_2xx(sandbox: Running, inbox: Inbox) -> None:
    sandbox.control(speed=600)
    inbox.answers = [500, 302]
    box(sandbox, "+14155550128", inbox.url)
    first, second, third = inbox.wait(3)
    assert first.json["id"] == second.json["id"] == third.json["id"]
    assert first.body == third.body


def test_callingbox_also_posts_to_the_accounts_endpoint_with_its_own_secret(sandbox: Running, inbox: Inbox) -> None:
    sandbox.control(callingbox_endpoint_url=f"{inbox.url}/endpoint")
    box(sandbox, "+14155550129", f"{inbox.url}/call")
    inbox.wait(4)
    ends = {one.path: one for one in inbox.received if one.json["type"] == "call.canceled"}
    assert signed_by("whsec_sandbox", ends["/call"]) and not signed_by("whsec_sandbox", ends["/endpoint"])
    assert signed_by("whsec_sandbox_endpoint", ends["/endpoint"])
    assert ends["/call"].json["id"] != ends["/endpoint"].json["id"]


def test_callingbox_signs_wrongly_doubles_and_reverses_by_story(sandbox: Running, inbox: Inbox) -> None:
    box(sandbox, "+14155550122", inbox.url)
    (foreign,) = inbox.wait(1)
    assert not signed_by("whsec_sandbox", foreign)
    inbox.received.clear()
    box(sandbox, "+14155550120", inbox.url)
    doubles = inbox.wait(8)
    assert len({one.json["id"] for one in doubles}) == 4
    assert any(one.headers["callingbox-signature"].count("v1=") == 2 for one in doubles)
    assert all(signed_by("whsec_sandbox", one) for one in doubles)
    inbox.received.clear()
    box(sandbox, "+14155550125", inbox.url)
    inbox.wait(4)
    call = sandbox._sandbox.world.calls[-1]
    planned = sorted(sandbox._sandbox.voices["callingbox"].deliveries(call), key=lambda delivery: delivery.at)
    assert [delivery.event.split()[0] for delivery in planned] == [
        "call.completed",
        "call.answered",
        "call.ringing",
        "call.queued",
    ]


def test_callbacks_can_be_lost_and_doubled_by_settings(sandbox: Running, inbox: Inbox) -> None:
    sandbox.control(callback_loss_rate=1)
    allomia(sandbox, "+14165550101", inbox.url)
    eventually(lambda: sandbox.control()["faults"]["callbacks"].get("lost") == 1)
    inbox.wait(0)
    sandbox.control(callback_loss_rate=0, callback_double_rate=1)
    allomia(sandbox, "+14165550201", inbox.url)
    inbox.wait(2)
    assert sandbox.control()["faults"]["callbacks"] == {"lost": 1, "doubled": 1}


def test_callbacks_to_other_machines_are_not_sent(sandbox: Running) -> None:
    allomia(sandbox, "+14165550102", "http://callbacks.example.org/hook")
    eventually(lambda: sandbox.journal()[0]["callbacks_skipped"] == 1)
    assert sandbox.journal()[0]["callbacks_sent"] == 0


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:80/x", True),
        ("http://127.0.0.1.example.org/x", False),
        ("http://127.0.0.1@example.org/x", False),
        ("http://[broken", False),
    ],
)
def test_only_loopback_addresses_are_called(url: str, here: bool) -> None:
    assert stays_here(url) is here


def test_stopping_with_pending_callbacks_leaves_no_threads(inbox: Inbox) -> None:
    before = threading.active_count()
    with server.running(speed=1) as sandbox:
        box(sandbox, "+14155550106", inbox.url)
        inbox.wait(1)
    eventually(lambda: threading.active_count() == before, "threads were left behind")

"""What Sentry and a collector of traces get, over real sockets: what happened and where, and nothing about people."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from calls.dialing import placing
from calls.following import polling
from calls.models import Call
from calls.outcomes import recording
from config import traces
from config.error_reports import Handler
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tenants import telemetry
from tenants.models import Organization
from tests.calls.conftest import callers, number
from tests.calls.test_batch_promises import claims
from tests.calls.test_polling import followed, line
from tests.canaries import NUMBER, SECRET, SPELLINGS, SPOKEN, broken_writes, planted_in
from tests.config.test_starting import started
from tests.conftest import KeyMaker
from tests.receivers import Receiver, answering, receiving

__all__ = ["callers", "line", "number"]  # fixtures
OTLP = answering(200, {"Content-Type": "application/x-protobuf"})
SENTRY = answering(200, {"Content-Type": "application/json"}, b"{}")
NAME = "Ada Marmalade-Lovelace"


def body(received: Any) -> bytes:
    return gzip.decompress(received.body) if received.headers.get("content-encoding") == "gzip" else received.body


def reports(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the events of the envelopes that came: lines of JSON (https://develop.sentry.dev/sdk/envelopes)."""
    parts = [body(each).split(b"\n") for each in receiver.received]
    return [json.loads(payload) for lines in parts for head, payload in zip(lines[1::2], lines[2::2], strict=False)
            if json.loads(head)["type"] == "event"]  # fmt: skip


def spans(receiver: Receiver) -> list[Any]:
    found = [ExportTraceServiceRequest.FromString(body(each)) for each in receiver.received]
    return [
        span for each in found for resource in each.resource_spans for scope in resource.scope_spans
        for span in scope.spans
    ]  # fmt: skip


def values(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.fixture
def sentry() -> Iterator[Receiver]:
    """Sentry gets what the log gets."""
    with receiving(SENTRY) as receiver:
        handler, root = Handler(f"http://publickey@127.0.0.1:{receiver.port}/7"), logging.getLogger()
        root.addHandler(handler)
        yield receiver
        root.removeHandler(handler)
        handler.close()


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving(OTLP) as receiver:
        found = traces.Collector(f"http://127.0.0.1:{receiver.port}", {"api-key": "k"})
        telemetry.send_to(found.take, found.flush)
        yield receiver
        telemetry.send_to(None)
        found.close()


def flush() -> None:
    for handler in logging.getLogger().handlers:
        handler.flush()


def raise_from(text: str) -> None:
    try:
        raise KeyError(NUMBER, NAME)
    except KeyError as error:
        raise ValueError(text) from error


@pytest.mark.django_db
def test_an_error_has_its_place_and_its_keys_and_no_value(sentry: Receiver) -> None:
    log = logging.getLogger("calls.engine.lanes")
    for place, text in enumerate([*SPELLINGS, SECRET, SPOKEN, NAME]):
        try:
            raise_from(text)
        except ValueError:
            log.exception("Call %s: the answer of %s was lost", 40 + place, text)
        log.error(ValueError(text))
        log.warning("a warning is not reported: %s", text)
    flush()
    found = reports(sentry)
    assert len(found) == 2 * (len(SPELLINGS) + 3)
    sent = "\n".join(body(each).decode() for each in sentry.received)
    assert planted_in(sent) == set() and NAME not in sent and "marmalade" not in sent.lower()
    first = found[0]
    assert first["logentry"]["message"] == "Call %s: the answer of %s was lost"
    assert first["tags"]["call"] in (40, "40")
    kinds = [(each["type"], each["value"]) for each in first["exception"]["values"]]
    assert kinds == [("KeyError", "KeyError"), ("ValueError", "ValueError")]
    last = first["exception"]["values"][1]["stacktrace"]["frames"][-1]
    assert (last["function"], last["filename"]) == ("raise_from", "tests/config/test_collectors.py")


@pytest.mark.django_db
def test_requests_that_fail_tell_sentry_no_word_of_what_was_sent(
    sentry: Receiver, organization: Organization, client_for: KeyMaker
) -> None:
    client = client_for(organization)
    client.raise_request_exception = False
    people = {"phone": NUMBER, "name": SPOKEN, "variables": {"pin": SECRET, "of": NAME}}
    with broken_writes():
        answer = client.post(f"/api/v1/contacts/?search={SPOKEN}", people, "application/json")
    assert answer.status_code == 500
    flush()
    report, of_django = reports(sentry)
    sent = "\n".join(body(each).decode() for each in sentry.received)
    assert planted_in(sent) == set() and NAME not in sent
    assert report["tags"]["request_id"] == of_django["tags"]["request_id"] == answer["X-Request-Id"]
    assert of_django["logentry"]["message"] == "%s: %s" and of_django["transaction"] == "api/v1/contacts/$"
    assert report["exception"]["values"][-1]["type"] == DatabaseError.__name__


def test_what_strangers_send_is_not_reported(sentry: Receiver, client: Client) -> None:
    assert client.get("/admin/login/", headers={"host": f"{SPOKEN}.example"}).status_code == 400
    logging.getLogger("calls").error("last")
    flush()
    assert [each["logentry"]["message"] for each in reports(sentry)] == ["last"]


def test_repeats_and_the_senders_own_errors_are_not_reported(sentry: Receiver) -> None:
    logging.getLogger("urllib3.connectionpool").error("no connection")
    logging.getLogger("calls").error("The task queue cannot be read", extra={"repeats": True})
    flush()
    assert sentry.received == []


@pytest.mark.django_db
def test_the_way_of_a_call_is_one_trace_that_has_its_id(collector: Receiver, number: PhoneNumber) -> None:
    made = claims(number, 2)

    async def send(claim: placing.Claim) -> Any:
        async with httpx.AsyncClient() as client:
            return await placing.send(client, claim)  # type: ignore[arg-type]  # it is not asked: the time is over

    late = [placing.Claim(each.call, each.adapter, each.fence, each.committed - 1000) for each in made]
    answers = [(claim, asyncio.run(send(claim))) for claim in late]
    assert placing.record_all(answers) == []
    telemetry.flush()
    found = spans(collector)
    for call in Call.objects.all():
        way = [span for span in found if uuid.UUID(bytes=span.trace_id) == call.uuid]
        assert [span.name for span in way] == ["call.claim", "call.place", "call.record"]
        for span in way:
            assert values(span)["trunkline.call"] == call.pk and values(span)["trunkline.attempt"] == 1
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        assert values(way[1])["trunkline.answer"] == "Overslept"
    assert len(found) == 6
    assert collector.received[0].path == "/v1/traces" and collector.received[0].headers["api-key"] == "k"
    sent = b"".join(body(each) for each in collector.received).decode("latin-1")
    assert not [each for each in made if each.call.to_number.strip("+") in sent]


@pytest.mark.django_db
def test_the_end_of_a_call_is_traced_however_it_was_learned(
    collector: Receiver, line: PhoneNumber, django_capture_on_commit_callbacks: Any
) -> None:
    """Read together or alone, called back, listed: each end once, and no status before it. From the dialing on."""
    dialed = timezone.now() - timedelta(minutes=3)
    calls = [followed(line, place, dialed_at=dialed) for place in range(5)]
    ended = [Reading(CallState.COMPLETED, provider_call_id=f"p{place}") for place in range(5)]
    with django_capture_on_commit_callbacks(execute=True):
        due = polling.claim()
        answers = [(each, ended[each.call.pk - calls[0].pk], b"") for each in due if each.call in calls[:2]]
        assert polling.record_all(answers) == [] and len(answers) == 2
        for call, reading, source in zip(calls[2:4], ended[2:4], ("callback", "listing"), strict=True):
            recording.record(call.pk, reading, source)
            recording.record(call.pk, reading, source)  # said again: no further end
        recording.record(calls[4].pk, Reading(CallState.IN_PROGRESS, provider_call_id="p4"), "read")
    telemetry.flush()
    found = spans(collector)
    told = [(uuid.UUID(bytes=span.trace_id), span.name, values(span)["trunkline.source"]) for span in found]
    sources = ("read", "read", "callback", "listing")
    assert sorted(told) == sorted((call.uuid, "call.follow", by) for call, by in zip(calls, sources, strict=False))
    for span in found:
        assert abs(span.start_time_unix_nano / 10**9 - dialed.timestamp()) < 0.001
        assert values(span)["trunkline.status"] == "completed" and span.end_time_unix_nano > dialed.timestamp() * 10**9


@pytest.mark.django_db
def test_a_request_is_traced_by_its_route_and_its_request_id(collector: Receiver, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:2], "config.traces.TraceRequests", *settings.MIDDLEWARE[2:]]
    answer = Client().get(f"/admin/campaigns/contact/{NUMBER}/change/?q={SPOKEN}")
    Client().get(f"/nowhere/{SPOKEN}")
    telemetry.flush()
    page, nowhere = spans(collector)
    assert page.name == "GET admin/campaigns/contact/<path:object_id>/change/"
    assert uuid.UUID(bytes=page.trace_id).hex == answer["X-Request-Id"]
    assert (values(page)["trunkline.status"], values(nowhere)["trunkline.status"]) == (302, 404)
    assert not [each for each in collector.received if planted_in(body(each).decode("latin-1"))]


def test_a_collector_that_fails_costs_no_answer() -> None:
    def fail(span: telemetry.Span) -> None:
        raise RuntimeError(span.name)

    telemetry.send_to(fail)
    try:
        telemetry.ended("a", uuid.uuid4(), 1)
        with telemetry.span("b", uuid.uuid4()) as noted:
            noted["answer"] = "kept"
        with pytest.raises(KeyError), telemetry.span("c", uuid.uuid4()):
            raise KeyError("of the work")
    finally:
        telemetry.send_to(None)
    assert noted == {"answer": "kept"}


# The places of all numbers take 100 MB in each process, the pages 7 in each worker, the others 2 or 3.
RARELY_USED = {"sentry_sdk", "opentelemetry", "boto3", "storages", "phonenumbers.geodata", "phonenumbers.geocoder"} | {
    "django.test", "joserfc", "markdown_it", "segno", "unittest"
}  # fmt: skip
PAGES = {"calls.admin", "campaigns.admin", "providers.admin", "tenants.admin", "config.urls"}


def test_without_a_collector_nothing_is_measured_or_loaded() -> None:
    assert not telemetry.is_on()
    assert telemetry.span("a", uuid.uuid4()) is telemetry.span("b", uuid.uuid4())
    assert not [each for each in django_settings.MIDDLEWARE if "traces" in each]
    look = (
        "import sys, django; django.setup(); from calls.engine import process, supervisor, task_process; "
        f"print(sorted({RARELY_USED | PAGES} & set(sys.modules))); "
        f"from config import urls; print(sorted({RARELY_USED} & set(sys.modules)))"
    )
    said = started(["-c", look], DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL="sqlite://")
    assert said == (0, "[]\n[]\n")


@pytest.mark.slow
def test_processes_of_a_worker_report_and_their_parent_has_one_thread(tmp_path: Any) -> None:
    """The parent may not have the threads of a sender: it forks. A child sends what is left at its end."""
    work = f"""
import logging, uuid, django
django.setup()
from calls.engine.children import Child
from calls.engine.lifeline import Lifeline
from tenants import telemetry
log = logging.getLogger("calls.engine")
def work():
    with telemetry.span("work", uuid.UUID(int=7), call=3):
        log.error("Call %s: of a child", 3)
with telemetry.one_thread():
    for name in "ab":
        log.error("of the parent")
        child = Child(name, work, Lifeline())
        child.start()
        assert child.wait({60})
"""
    with receiving(SENTRY) as sentry, receiving(OTLP) as collector:
        more = {
            "SENTRY_DSN": f"http://publickey@127.0.0.1:{sentry.port}/7",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "ALLOW_LOOPBACK_URLS": "true",
        }
        status, said = started(["-c", work], DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL="sqlite://", **more)
    assert status == 0, said
    assert [each["logentry"]["message"] for each in reports(sentry)] == ["Call %s: of a child"] * 2
    assert [(span.name, values(span)) for span in spans(collector)] == [("work", {"trunkline.call": 3})] * 2

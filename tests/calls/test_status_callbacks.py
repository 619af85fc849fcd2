"""Status callbacks: order of checks, hints and evidence, repetition, and callbacks at the wrong moment."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.test import Client
from django.utils import timezone

from calls.dialing import placing
from calls.following import polling, status_callbacks
from calls.models import Call, Polling, ProviderCallback, Status, still_read_with_id, with_provider_id
from calls.outcomes import recording
from campaigns.models import DoNotCall
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging
from providers.models import Assistant
from tenants.models import Alert, Organization
from tests.calls import support
from tests.waiting import eventually

NUMBER = "+12125550150"
ENDED: dict[str, Any] = {
    "outboundCallId": "d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911",
    "contactId": "77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411",
    "status": "completed",
    "callDetails": {
        "startedAt": "2026-05-11T13:05:10Z",
        "endedAt": "2026-05-11T13:06:52Z",
        "duration": 102,
        "endedReason": "customer-ended-call",
    },
}
JSON = {"content-type": "application/json"}


def claimed(organization: Organization, provider: str, **fields: Any) -> placing.Claim:
    number = support.reach(organization, "http://127.0.0.1:9", provider, **fields)
    support.single(number, NUMBER)
    (found,) = placing.claim(number.account_id)
    return found


def raw_of(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def push(claim: placing.Claim, body: Any, headers: dict[str, str] = JSON) -> int:
    raw = raw_of(body)
    answer = status_callbacks.receive(claim.call.account.provider, claim.call.callback_token, headers, raw)
    for pk in status_callbacks.pending():
        status_callbacks.process(pk)
    return answer


def fresh(claim: placing.Claim) -> Call:
    return Call.objects.get(pk=claim.call.pk)


def signed(body: Any, secret: str = "whsec_sandbox", at: float | None = None) -> dict[str, str]:
    stamp = str(int(at or time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + raw_of(body), hashlib.sha256).hexdigest()
    return {**JSON, "callingbox-signature": f"t={stamp},v1={mac}"}


def test_nobodys_token_is_404_and_leaves_nothing(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    assert status_callbacks.receive("allomia", "nobody", JSON, b"{}") == 404
    assert status_callbacks.receive("plumvoice", claim.call.callback_token, JSON, b"{}") == 404
    assert status_callbacks.receive("allomia", claim.call.reference, JSON, b"{}") == 404
    assert not ProviderCallback.objects.exists()


def test_an_unsigned_callback_only_makes_the_next_read_due(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=ENDED["outboundCallId"]))
    later = timezone.now() + timedelta(hours=1)
    Polling.objects.update(next_read_at=later)
    assert push(claim, ENDED) == 200
    call = fresh(claim)
    assert call.status == Status.DIALING, "it was not signed"
    assert call.next_read_at is not None
    assert call.next_read_at < later


def test_an_unsigned_callback_that_names_another_call_is_ignored(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="another"))
    before = fresh(claim)
    push(claim, ENDED)
    after = fresh(claim)
    assert (after.status, after.provider_call_id, after.next_read_at) == (
        before.status,
        "another",
        before.next_read_at,
    )


def test_a_lost_answers_callback_supplies_the_id_and_a_read_confirms_it(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, MayBeRinging("?"))
    push(claim, ENDED)
    call = fresh(claim)
    assert (call.status, call.provider_call_id) == (Status.UNCONFIRMED, ENDED["outboundCallId"])
    assert Call.objects.due_for_read(call.next_read_at).filter(pk=call.pk).exists()  # type: ignore[arg-type]


def test_a_callback_that_overtakes_the_answer_waits_for_it(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    push(claim, ENDED)
    assert ProviderCallback.objects.get().processed_at is None
    placing.record(claim, MayBeRinging("?"))
    for pk in status_callbacks.pending():
        status_callbacks.process(pk)
    assert fresh(claim).provider_call_id == ENDED["outboundCallId"]


def test_plums_callback_is_the_outcome_where_no_id_is_known(callers: Organization) -> None:
    claim = claimed(callers, "plumvoice")
    placing.record(claim, MayBeRinging("?"))
    events = [{"event": "connected", "timestamp": 1778500019}, {"event": "disconnected", "timestamp": 1778500061}]
    push(claim, {"status": "completed", "attempts": "1", "max_attempts": "1", "duration": 42, "events": events})
    call = fresh(claim)
    assert (call.status, call.duration_seconds) == (Status.COMPLETED, 42)


def test_plums_callback_is_a_hint_where_an_id_is_known(callers: Organization) -> None:
    claim = claimed(callers, "plumvoice")
    placing.record(claim, Reading(CallState.QUEUED, provider_call_id="88120457"))
    push(claim, {"status": "completed", "attempts": "1", "max_attempts": "1"})
    assert fresh(claim).status == Status.PLACED


def envelope(status: str, **call: Any) -> dict[str, Any]:
    full = {"id": "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3", "status": status, "direction": "outbound", **call}
    kind = {"type": f"call.{status}", "created": 1778500100, "api_version": "2026-04"}
    return {"id": "0b7d3c52-6a0e-4c1b-9a55-2f1f6f0f9d11", **kind, "data": {"call": full}}


def test_a_signed_callback_is_evidence(callers: Organization) -> None:
    claim = claimed(callers, "callingbox")
    placing.record(claim, MayBeRinging("?"))
    body = envelope("no_answer", to_number=NUMBER)
    for _ in range(3):
        assert push(claim, body, signed(body)) == 200
    call = fresh(claim)
    assert (call.status, call.events.filter(type="ended").count()) == (Status.NO_ANSWER, 1)


@pytest.mark.parametrize("broken", ["wrong secret", "stale", "missing", "other body"])
def test_a_badly_signed_callback_is_401_and_leaves_nothing(callers: Organization, broken: str) -> None:
    claim = claimed(callers, "callingbox")
    body = envelope("completed")
    headers = {
        "wrong secret": signed(body, "whsec_other"),
        "stale": signed(body, at=time.time() - 400),
        "missing": JSON,
        "other body": signed(envelope("failed")),
    }[broken]
    assert push(claim, body, headers) == 401
    assert not ProviderCallback.objects.exists()
    assert fresh(claim).status == Status.PLACING


def test_an_account_without_a_secret_takes_callingboxs_callbacks_as_hints(callers: Organization) -> None:
    claim = claimed(callers, "callingbox", credentials={"api_key": "sk_sandbox"})
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"))
    body = envelope("completed")
    assert push(claim, body) == 200
    assert fresh(claim).status == Status.DIALING


@pytest.mark.parametrize("told", [{"opt_out": True}, {"opt_out": "yes", "slot": "10:00"}])
def test_a_hint_that_tells_more_of_an_ended_call_has_it_read_again(callers: Organization, told: dict[str, Any]) -> None:
    claim = claimed(callers, "callingbox", credentials={"api_key": "sk_sandbox"})
    assistant = claim.call.assistant
    assistant.opt_out_rules = [{"field": "result.opt_out", "equals": "true"}]
    assistant.save()
    at_provider = "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=at_provider))
    end = Reading(
        CallState.COMPLETED, provider_call_id=at_provider, result={"opt_out": False}, result_status="completed"
    )
    recording.record(claim.call.pk, end, "read")
    assert fresh(claim).next_read_at is None
    push(claim, envelope("completed"))
    assert fresh(claim).next_read_at is None, "it says nothing new"
    push(claim, envelope("completed", result=told, result_status="completed"))
    assert not DoNotCall.objects.exists(), "it was not signed"
    (due,) = polling.claim()
    polling.record(due, replace(end, result=told), b"")
    assert DoNotCall.objects.filter(phone=NUMBER).exists()
    assert fresh(claim).next_read_at is None
    push(claim, envelope("completed", result=told, result_status="completed"))
    assert fresh(claim).next_read_at is None, "it is known"


def test_a_signed_opt_out_is_taken_in_while_the_list_cannot_be_read(callers: Organization) -> None:
    claim = claimed(callers, "callingbox")
    Assistant.objects.update(opt_out_rules=[{"field": "result.opt_out", "equals": "true"}])
    at_provider = "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=at_provider))
    body = raw_of(envelope("completed", result={"opt_out": True}, result_status="completed"))
    with support.unreadable_list():
        client = Client(headers={name: value for name, value in signed(body).items() if name != "content-type"})
        path = f"/hooks/callingbox/{claim.call.callback_token}"
        assert client.post(path, body, content_type="application/json").status_code == 200
        for pk in status_callbacks.pending():
            status_callbacks.process(pk)
        assert ProviderCallback.objects.get().processed_at is not None
        assert fresh(claim).status == Status.COMPLETED
        assert fresh(claim).contact.held(timezone.now()) and not DoNotCall.objects.exists()
        support.single(claim.call.phone_number, NUMBER)
    assert placing.claim(claim.call.account_id) == [], "the hold stays when the list is read again"


def test_another_calls_end_on_a_calls_own_token_is_no_end_of_it(callers: Organization) -> None:
    """The earlier call to the same person, told on the token of the later one, whose answer was lost."""
    earlier = claimed(callers, "callingbox")
    at_provider = "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"
    placing.record(earlier, Reading(CallState.DIALING, provider_call_id=at_provider))
    recording.record(earlier.call.pk, Reading(CallState.NO_ANSWER, provider_call_id=at_provider), "read")
    support.single(earlier.call.phone_number, NUMBER)
    (claim,) = placing.claim(earlier.call.account_id)
    placing.record(claim, MayBeRinging("?"))
    for named in (at_provider, "0e0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f4"):
        context = {"ref": earlier.call.reference}
        body = envelope("no_answer", id=named, to_number=NUMBER, context=context)
        assert push(claim, body, signed(body)) == 200
        call = fresh(claim)
        assert (call.status, call.provider_call_id) == (Status.UNCONFIRMED, "")
    assert call.events.filter(type="conflict").exists()
    assert not Alert.objects.filter(key__contains="reused_id").exists()


def test_the_account_wide_address_finds_the_call_by_the_providers_id(callers: Organization) -> None:
    keys = {"api_key": "sk_sandbox", "webhook_secret": "whsec_sandbox", "endpoint_secret": "whsec_endpoint"}
    claim = claimed(callers, "callingbox", credentials=keys)
    body = envelope("busy", context={"ref": claim.call.reference})
    placing.record(claim, MayBeRinging("?"))
    raw, token = json.dumps(body).encode(), claim.call.account.hook_token
    assert status_callbacks.receive("callingbox", token, signed(body), raw, account_wide=True) == 401
    assert status_callbacks.receive("callingbox", token, signed(body, "whsec_endpoint"), raw, account_wide=True) == 200
    for pk in status_callbacks.pending():
        status_callbacks.process(pk)
    assert fresh(claim).status == Status.BUSY


def test_an_id_in_another_spelling_is_the_same_call(callers: Organization) -> None:
    """In a callback to the call's token and in one to the whole account, in both directions."""
    keys = {"api_key": "sk_sandbox", "webhook_secret": "whsec_sandbox", "endpoint_secret": "whsec_endpoint"}
    number = support.reach(callers, "http://127.0.0.1:9", "callingbox", credentials=keys)
    others: list[Callable[[uuid.UUID], str]] = [lambda one: str(one).upper(), lambda one: one.hex, "OUT-{}".format]
    pairs = [(str, other) for other in others] + [(other, str) for other in others]
    for place, (stored, sent) in enumerate([*pairs, *pairs]):
        support.single(number, f"+12125550{200 + place}")
        (claim,) = placing.claim(number.account_id)
        one = uuid.uuid4()
        placing.record(claim, Reading(CallState.DIALING, provider_call_id=stored(one)))
        body = envelope("busy")
        body["data"]["call"]["id"] = sent(one)
        if place < len(pairs):
            assert push(claim, body, signed(body)) == 200
        else:
            headers, token = signed(body, "whsec_endpoint"), number.account.hook_token
            status_callbacks.receive("callingbox", token, headers, raw_of(body), account_wide=True)
            for pk in status_callbacks.pending():
                status_callbacks.process(pk)
        assert fresh(claim).status == Status.BUSY, (stored(one), sent(one), place)


def test_one_id_in_two_cases_is_one_call(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="Abc-9911"))
    account = claim.call.account_id
    assert [call.pk for call in with_provider_id(account, "aBC-9911")] == [claim.call.pk]
    assert [call.pk for call in still_read_with_id(account, "9911")] == [claim.call.pk]
    for other in ("", "Abd-9911", "99110", "Abc-991"):
        assert with_provider_id(account, other) == still_read_with_id(account, other) == []
    assert with_provider_id(account + 1, "Abc-9911") == []
    with pytest.raises(IntegrityError), transaction.atomic():
        support.single(claim.call.phone_number, "+12125550151", provider_call_id="ABC-9911")


def test_a_compressed_callback_is_read_and_its_signature_is_over_the_bytes_sent(callers: Organization) -> None:
    claim = claimed(callers, "callingbox")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=envelope("busy")["data"]["call"]["id"]))
    body = gzip.compress(raw_of(envelope("busy")))
    assert push(claim, body, signed(envelope("busy"))) == 401
    assert push(claim, body, signed(body)) == 200
    assert fresh(claim).status == Status.BUSY
    assert bytes(ProviderCallback.objects.get().body) == body


def test_an_unreadable_callback_makes_the_next_read_due(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    later = timezone.now() + timedelta(hours=1)
    Polling.objects.update(next_read_at=later)
    assert push(claim, b"<html>") == 200
    call = fresh(claim)
    assert call.next_read_at is not None
    assert call.next_read_at < later
    assert call.status == Status.DIALING


@pytest.mark.parametrize(
    "body", [b"", b"\x00\xff", b"[" * 20000, b"<html>", b"null", b"{}", b'{"status":"' + b"x" * 5000 + b'"}']
)
@pytest.mark.parametrize("provider", ["allomia", "plumvoice"])
def test_nonsense_is_filed_and_harms_nothing(callers: Organization, provider: str, body: bytes) -> None:
    claim = claimed(callers, provider)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    assert push(claim, body) == 200
    assert ProviderCallback.objects.get().processed_at is not None
    assert fresh(claim).status == Status.DIALING


@pytest.mark.parametrize("known", ["5F0C2A8E-1D34-4B7A-9C11-7E2B90D4A6F3", "call-5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"])
def test_a_signed_callback_with_the_id_in_another_spelling_is_about_the_call(callers: Organization, known: str) -> None:
    claim = claimed(callers, "callingbox")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=known))
    body = envelope("no_answer", to_number="(212) 555-0150")
    push(claim, body, signed(body))
    assert (fresh(claim).status, fresh(claim).provider_call_id) == (Status.NO_ANSWER, known)


def test_an_end_in_a_body_that_is_only_partly_readable_is_taken(callers: Organization) -> None:
    claim = claimed(callers, "callingbox")
    placing.record(claim, MayBeRinging("?"))
    body = envelope("completed", started_at="yesterday", duration_seconds={"x": 1}, result=[1, "2"], to_number=7)
    push(claim, body, signed(body))
    call = fresh(claim)
    assert (call.status, call.started_at, call.duration_seconds) == (Status.COMPLETED, None, None)


def test_polyai_has_no_callbacks_and_a_push_to_a_calls_token_changes_nothing(callers: Organization) -> None:
    claim = claimed(callers, "polyai")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    assert push(claim, {"status": "success"}) == 200
    assert fresh(claim).status == Status.DIALING


def test_evidence_for_a_call_given_up_replaces_unknown(callers: Organization) -> None:
    claim = claimed(callers, "callingbox")
    placing.record(claim, MayBeRinging("?"))
    recording.give_up(claim.call.pk, Status.UNKNOWN, "26 hours")
    body = envelope("completed")
    push(claim, body, signed(body))
    assert fresh(claim).status == Status.COMPLETED


@pytest.mark.parametrize("count", [60, pytest.param(250, marks=pytest.mark.proof)])
@pytest.mark.parametrize("provider", ["allomia", "polyai", "plumvoice", "callingbox"])
def test_mutated_bodies_are_filed_and_never_break_the_inbox_or_the_call(
    callers: Organization, provider: str, count: int
) -> None:
    """Cut, doubled or overwritten: each body is processed once, and the call stays a valid row."""
    keys = {"credentials": {"api_key": "sk_sandbox"}} if provider == "callingbox" else {}
    claim = claimed(callers, provider, **keys)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    good = [json.dumps(ENDED), json.dumps(envelope("completed", result={"a": "\u0000"})), "status=completed&attempts=1"]
    chance = random.Random(20260512)
    for _ in range(count):
        raw = bytearray(chance.choice(good).encode())
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 9)] = chance.randbytes(chance.randint(0, 4)) * chance.choice([1, 1, 50])
        kind = chance.choice(["application/json", "application/xml", "application/x-www-form-urlencoded", ""])
        status_callbacks.receive(provider, claim.call.callback_token, {"content-type": kind}, bytes(raw))
    for pk in status_callbacks.pending(limit=300):
        status_callbacks.process(pk)
    assert ProviderCallback.objects.filter(processed_at=None).count() == 0
    assert ProviderCallback.objects.count() == count
    assert fresh(claim).status == Status.DIALING, "none of it was signed"


def test_a_callback_outlives_trouble_with_the_database(callers: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plum's callback can be the only evidence of a call, so a broken database connection must not lose it."""
    claim = claimed(callers, "plumvoice")
    placing.record(claim, MayBeRinging("?"))
    body = json.dumps({"status": "completed", "attempts": "1", "max_attempts": "1"}).encode()
    status_callbacks.receive("plumvoice", claim.call.callback_token, JSON, body)
    real, troubles = status_callbacks.process, iter([OperationalError("server closed the connection")])

    def troubled(pk: int) -> None:
        for trouble in troubles:
            raise trouble
        real(pk)

    monkeypatch.setattr(status_callbacks, "process", troubled)
    with support.engine():
        eventually(lambda: fresh(claim).status == Status.COMPLETED, "the callback was thrown away")


def test_a_hint_about_a_call_given_up_is_looked_into_for_a_while_and_not_for_ever(callers: Organization) -> None:
    claim = claimed(callers, "allomia")
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=ENDED["outboundCallId"]))
    recording.give_up(claim.call.pk, Status.UNKNOWN, "24 hours")
    push(claim, ENDED)
    assert fresh(claim).settle_until is not None
    Call.objects.update(placed_at=timezone.now() - timedelta(hours=24))
    (reading,) = polling.claim()
    polling.record(reading, MayBeRinging("502"), b"")
    assert fresh(claim).next_read_at is not None, "one failed read is not a while"
    Call.objects.update(settle_until=timezone.now())
    Polling.objects.update(next_read_at=timezone.now())
    (reading,) = polling.claim()
    polling.record(reading, MayBeRinging("502"), b"")
    assert fresh(claim).next_read_at is None


def failing(monkeypatch: pytest.MonkeyPatch, pks: set[int], error: Exception) -> None:
    """Processing these callbacks fails by a bug, after all the work and before the commit."""
    real = status_callbacks._apply

    def broken(call_id: int, *args: Any) -> None:
        real(call_id, *args)
        if ProviderCallback.objects.filter(pk__in=pks, call=call_id).exists():
            raise error

    monkeypatch.setattr(status_callbacks, "_apply", broken)


def filed(callers: Organization, number: str, account: Any = None) -> ProviderCallback:
    """Return the callback of a doubt at Plum, which is the only evidence of that call."""
    if account is None:
        account = support.reach(callers, "http://127.0.0.1:9", "plumvoice").account
    support.single(account.phone_numbers.get(), number)
    (claim,) = placing.claim(account.pk)
    placing.record(claim, MayBeRinging("?"))
    body = json.dumps({"status": "completed", "attempts": "1", "max_attempts": "1"}).encode()
    status_callbacks.receive("plumvoice", claim.call.callback_token, JSON, body)
    return ProviderCallback.objects.get(call=claim.call)


def status_of(row: ProviderCallback) -> str:
    assert row.call_id is not None
    return Call.objects.get(pk=row.call_id).status


def test_a_callback_that_trips_over_our_mistake_is_tried_again_while_others_are_processed(
    callers: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = filed(callers, NUMBER)
    second = filed(callers, "+12125550151", first.account)
    failing(monkeypatch, {first.pk}, KeyError("a mistake of ours"))
    with support.engine():
        eventually(lambda: status_of(second) == Status.COMPLETED)
        eventually(lambda: ProviderCallback.objects.get(pk=first.pk).attempts >= 1)
        first.refresh_from_db()
        assert (first.processed_at, first.error) == (None, "Processing failed (KeyError) and will be tried again.")
        assert status_of(first) == Status.UNCONFIRMED, "part of it was stored"
        monkeypatch.undo()
        ProviderCallback.objects.update(next_attempt_at=timezone.now())
        eventually(lambda: status_of(first) == Status.COMPLETED, "it was dropped")
    first.refresh_from_db()
    assert first.processed_at is not None
    assert first.error == ""


def test_a_callback_that_fails_again_and_again_is_set_aside_visibly(callers: Organization) -> None:
    row = filed(callers, NUMBER)
    waits = []
    for _ in range(5):
        assert status_callbacks.pending() == [row.pk]
        before = timezone.now()
        status_callbacks.note_failure(row.pk, "KeyError")
        assert status_callbacks.pending() == []
        row.refresh_from_db()
        waits.append(row.next_attempt_at - before)
        ProviderCallback.objects.update(next_attempt_at=before)
    assert waits[:4] == sorted(waits[:4])
    assert (row.attempts, row.error) == (5, "Set aside: processing failed 5 times (KeyError).")
    assert row.processed_at is not None
    event = row.call.events.get(type="callback")  # type: ignore[union-attr]
    assert event.detail == row.error


def test_a_worker_that_listed_a_callback_before_it_was_put_off_leaves_it_alone(callers: Organization) -> None:
    row = filed(callers, NUMBER)
    status_callbacks.note_failure(row.pk, "KeyError")
    status_callbacks.process(row.pk)
    row.refresh_from_db()
    assert row.processed_at is None


def test_trouble_with_the_database_costs_a_callback_no_attempt(
    callers: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = filed(callers, NUMBER)
    second = filed(callers, "+12125550151", first.account)
    failing(monkeypatch, {first.pk}, OperationalError("deadlock detected"))
    with support.engine():
        eventually(lambda: status_of(second) == Status.COMPLETED, "it waits")
    first.refresh_from_db()
    assert (first.attempts, first.processed_at) == (0, None)

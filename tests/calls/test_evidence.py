"""What is kept of evidence: byte for byte, with its oddities, its doubts, and what it says too late."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.dialing import placing
from calls.following import polling
from calls.models import Call, CallEvent, Polling, Status, WebhookDelivery, readable
from calls.models.events import LARGEST_EVIDENCE
from calls.outcomes import recording
from calls.outcomes.remarks import MOST_DOUBTS, MOST_EVENTS
from campaigns.models import Recipient
from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.errors import MayBeRinging
from providers.models import PhoneNumber
from tenants.models import Organization, WebhookEndpoint
from tests.calls import support
from tests.conftest import KeyMaker
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]

NUMBER = "+12125550150"
END = Reading(CallState.COMPLETED, provider_call_id="x1", provider_status="completed")


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "callingbox")


def dialed(number: PhoneNumber, **fields: Any) -> Call:
    call = support.single(number, NUMBER, **fields)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.DIALING, provider_call_id="x1"))
    call.refresh_from_db()
    return call


def record(call: Call, reading: Reading, source: str = "read", raw: bytes = b"") -> Call:
    recording.record(call.pk, reading, source, raw)
    return Call.objects.get(pk=call.pk)


def details(call: Call, kind: str) -> list[str]:
    return list(call.events.filter(type=kind).values_list("detail", flat=True))


def test_evidence_is_kept_byte_for_byte_and_its_size_is_known(number: PhoneNumber) -> None:
    call = dialed(number)
    raw = b"\xef\xbb\xbf{\x00\xff\xfe" + "é".encode() + b"}"
    record(call, END, raw=raw)
    event = call.events.get(type="ended")
    assert (bytes(event.raw), event.raw_size) == (raw, len(raw))
    assert readable(bytes(event.raw), event.raw_size) == "\ufeff{\\x00\\xff\\xfeé}"


def test_long_evidence_is_cut_and_says_so(number: PhoneNumber) -> None:
    call = dialed(number)
    record(call, END, raw=b"x" * 100_000)
    event = call.events.get(type="ended")
    assert (len(event.raw), event.raw_size) == (LARGEST_EVIDENCE, 100_000)
    assert readable(bytes(event.raw), event.raw_size).endswith("x\n… (the first 16,384 of 100,000 bytes)")
    assert readable(b"y" * 20_000).endswith("(the first 16,384 of 20,000 bytes)")


def test_a_failed_read_keeps_what_came(number: PhoneNumber) -> None:
    call = dialed(number)
    Polling.objects.update(next_read_at=timezone.now())
    (due,) = polling.claim()
    polling.record(due, MayBeRinging("unreadable"), b"<html>oops")
    assert bytes(call.events.get(type="read_failed").raw) == b"<html>oops"


def remark(path: str, said: str = "?", why: str = "It is odd.", *, taken: bool, field: str = "") -> Remark:
    return Remark(path, said, why, taken, field)


def test_each_oddity_is_told_once_and_a_doubt_stands_beside_the_field(number: PhoneNumber) -> None:
    call = dialed(number)
    odd = (
        remark("callDetails.duration", "42,000", "Not a number.", taken=False, field="duration_seconds"),
        remark("extra\x00\ud800", taken=False),
        remark("status", "Completed", "Read in another case.", taken=True, field="state"),
    )
    going = Reading(CallState.DIALING, provider_call_id="x1", remarks=odd)
    for _ in range(3):
        call = record(call, going)
    call = record(call, replace(END, remarks=(*odd, remark("status", taken=True))))
    assert details(call, "tolerated") == ["status: Read in another case. Sent: Completed", "status: It is odd. Sent: ?"]
    [doubts] = details(call, "doubt")
    assert doubts.startswith("callDetails.duration: Not a number. Sent: 42,000\nextra")
    assert call.doubts == [
        {"field": "duration_seconds", "said": "42,000", "why": "Not a number."},
        {"field": "extra\ufffd?", "said": "?", "why": "It is odd."},
    ]
    assert call.status == Status.COMPLETED


def test_what_our_clock_refutes_is_a_doubt_too(number: PhoneNumber) -> None:
    eight_hours = timezone.now() + timedelta(hours=8)
    call = record(dialed(number), replace(END, ended_at=eight_hours, duration_seconds=42_000_000))
    assert (call.status, call.ended_at, call.duration_seconds) == (Status.COMPLETED, None, None)
    assert [doubt["field"] for doubt in call.doubts] == ["ended_at", "duration_seconds"]
    assert call.terminal_at is not None
    assert call.terminal_at < eight_hours - timedelta(hours=7)


def test_a_provider_that_is_odd_without_end_fills_no_table(number: PhoneNumber) -> None:
    call = dialed(number)
    for n in range(MOST_EVENTS + 5):
        odd = tuple(remark(f"field{n}.{each}", "s" * 200, "w" * 300, taken=False) for each in range(8))
        call = record(call, Reading(CallState.DIALING, remarks=odd))
    assert MOST_EVENTS <= call.events.filter(type="doubt").count() <= MOST_EVENTS + 1
    assert details(call, "doubt")[-1] == "Further oddities of this call are not listed."
    assert len(call.doubts) == MOST_DOUBTS


def test_the_same_contradiction_is_told_once(number: PhoneNumber) -> None:
    call = record(dialed(number), END)
    for _ in range(3):
        record(call, replace(END, state=CallState.FAILED), raw=b"{}")
        record(call, replace(END, provider_call_id="another"), raw=b"{}")
    assert call.events.filter(type="conflict").count() == 2


def test_evidence_about_another_call_does_not_end_the_wait_for_a_result(number: PhoneNumber) -> None:
    call = record(dialed(number), replace(END, settled=False, result_status="pending"))
    after = record(call, replace(END, provider_call_id="another"))
    assert after.next_read_at is not None


# After the end.


def test_a_result_after_the_end_is_told_with_its_evidence_and_published_whenever_it_changes(
    number: PhoneNumber,
) -> None:
    WebhookEndpoint.objects.create(organization=number.organization, url="https://example.org/", events=["call.result"])
    call = record(dialed(number), replace(END, settled=False, result_status="pending"))
    assert not WebhookDelivery.objects.exists()
    call = record(call, replace(END, result={"a": 1}, result_status="completed", settled=False), raw=b"one")
    assert WebhookDelivery.objects.count() == 1
    record(call, replace(END, result={"a": 1}, result_status="completed", settled=False), raw=b"again")
    assert WebhookDelivery.objects.count() == 1
    call = record(call, replace(END, result={"a": 1, "b": 2}, result_status="completed"), raw=b"two")
    assert WebhookDelivery.objects.count() == 2
    assert [bytes(event.raw) for event in call.events.filter(type="added")] == [b"one", b"two"]
    assert details(call, "added")[0] == "Known only after the end: result, result status."
    assert (call.result, call.next_read_at) == ({"a": 1, "b": 2}, None)


def test_a_result_that_is_text_is_kept_shown_and_published(number: PhoneNumber) -> None:
    WebhookEndpoint.objects.create(organization=number.organization, url="https://example.org/", events=["call.result"])
    call = record(dialed(number), replace(END, result_text="a: \x00 1"))
    assert (call.result, call.result_text) == (None, "a: \ufffd 1")
    assert WebhookDelivery.objects.count() == 1


def test_a_price_after_the_end_is_kept(number: PhoneNumber) -> None:
    call = record(dialed(number), replace(END, settled=False))
    assert call.cost_price is None
    call = record(call, replace(END, price=support.usd("0.50")))
    assert call.cost_price == Decimal("0.50")
    call = record(call, replace(END, price=support.usd("0.60")))
    assert call.cost_price == Decimal("0.60")
    assert "from 0.50 USD to 0.60 USD" in details(call, "conflict")[0]


@pytest.mark.parametrize("moved", ["", "withdrawn", "called again"])
def test_a_voicemail_known_only_after_the_end_counts_for_the_retry(number: PhoneNumber, moved: str) -> None:
    made = support.campaign(number, support.people(number.organization, [NUMBER]), retries=3, status="running")
    made.retry_rules.create(outcome="voicemail", max_attempts=3, wait_minutes=120)
    contact = number.organization.contacts.get(phone=NUMBER)
    recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
    call = dialed(number, campaign=made, recipient=recipient)
    call = record(call, replace(END, settled=False))
    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == (Recipient.Status.DONE, "")
    if moved == "withdrawn":
        Recipient.objects.update(status=Recipient.Status.WITHDRAWN)
    elif moved:
        support.single(number, NUMBER, campaign=made, recipient=recipient)
    call = record(call, replace(END, answered_by="machine"))
    assert call.is_voicemail
    recipient.refresh_from_db()
    if moved:
        assert recipient.status in (Recipient.Status.DONE, Recipient.Status.WITHDRAWN)
        assert recipient.next_attempt_at is None
        return
    assert (recipient.status, recipient.reason) == (Recipient.Status.WAITING, "voicemail")
    assert recipient.next_attempt_at is not None
    assert recipient.next_attempt_at >= call.terminal_at + timedelta(minutes=120)  # type: ignore[operator]


def test_the_table_of_rules_names_columns_of_a_call() -> None:
    from calls.outcomes.folding import RULES

    columns = {field.name: field for field in Call._meta.get_fields() if hasattr(field, "attname")}
    for rule in RULES:
        limit = getattr(columns[rule.field], "max_length", None)
        assert limit is None or rule.length == limit or rule.field == "status", rule.field
    assert CallEvent._meta.get_field("type").max_length == 32


def test_the_page_shows_doubts_beside_their_fields_and_the_rest_apart(sign_in: SignIn, number: PhoneNumber) -> None:
    odd = (
        remark("call.duration_seconds", "<b>42,000", "It does not fit.", taken=False, field="duration_seconds"),
        remark("call.answered_by", "human, machine", "It is given twice.", taken=False, field="answered_by"),
        remark("call.ended_at", "yesterday", "It is no time.", taken=False, field="ended_at"),
        remark("call.result", "[1]", "It has no names.", taken=False, field="result"),
        remark("odd", "NaN", "It is no number.", taken=False),
        remark("status", "Completed", "Read in another case.", taken=True),
        remark("billed_duration_seconds", "42000", "Taken as milliseconds.", taken=True),
    )
    said = replace(END, result_text="mood: <i>bad", answered_by="human", ended_reason="hangup_callee", remarks=odd)
    call = record(dialed(number), said, raw=b"\xff")
    shown = sign_in(number.organization, "manager").get(reverse("admin:calls_call_change", args=[call.pk]))
    text = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", shown.content.decode()).split()))
    for expected in (
        "Duration Not believed: the provider said “<b>42,000”. It does not fit.",
        "Answered by a person. Not believed: the provider said “human, machine”. It is given twice.",
        "Ended Not believed: the provider said “yesterday”. It is no time.",
        "Result as text mood: <i>bad",
        "Result Not believed: the provider said “[1]”. It has no names.",
        "Not believed odd Not believed: the provider said “NaN”. It is no number.",
        "Read with tolerance status: Read in another case. Sent: Completed",
        "Billed duration: Taken as milliseconds. Sent: 42000",
        "The provider says 'completed'. The contact hung up.",
        r"\xff",
    ):
        assert expected in text, expected


def test_the_page_and_the_api_of_a_call_name_what_came_of_it(number: PhoneNumber, client_for: KeyMaker) -> None:
    odd = remark("x", "1", "It is odd.", taken=False)
    call = record(dialed(number), replace(END, result_text="mood: bad", remarks=(odd,)))
    found = client_for(number.organization).get(f"/api/v1/calls/{call.uuid}/").json()
    assert (found["result"], found["result_text"]) == (None, "mood: bad")
    assert found["doubts"] == [{"field": "x", "said": "1", "why": "It is odd."}]

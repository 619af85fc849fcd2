"""A call whose answer was lost is found in the provider's list by its reference, whatever the list is like."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.dialing import placing
from calls.following import reconciling
from calls.models import Call, Status
from providers.adapters import http
from providers.adapters.errors import MayBeRinging
from tenants.models import Alert, Organization
from tests.calls import support
from tests.providers.wire import Behaviour, Wire, answer, says

NUMBER = "+14155550123"
ID = "5f0c2a8e-1d34-4b7a-9c11-7e2b90d4a6f3"
OTHER_ID = "0b7d3c52-6a0e-4c1b-9a55-2f1f6f0f9d11"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture
def call(callers: Organization, wire: Wire) -> Call:
    number = support.reach(callers, wire.url, "callingbox")
    support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, MayBeRinging("?"))
    return Call.objects.select_related("account", "organization").get(pk=claim.call.pk)


def row(call: Call, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": ID,
        "status": "in_progress",
        "direction": "outbound",
        "to_number": NUMBER,
        "metadata": {"ref": call.reference},
        "created_at": timezone.now().isoformat(),
    }
    return made | changes


def foreign(number: int, **changes: Any) -> dict[str, Any]:
    """Return a row about a call that is not ours."""
    at = timezone.now().isoformat()
    plain = {"id": f"c-{number:05}", "status": "busy", "direction": "outbound", "metadata": None, "created_at": at}
    return plain | changes


def look(wire: Wire, call: Call, *pages: Behaviour) -> Call:
    """Search once with these answers of the provider, record what was found, and return the call."""
    wire.play(*pages)

    async def search() -> reconciling.Found:
        async with http.Client() as client:
            return await reconciling.search(client, call.account, [call])

    reconciling.record([call], asyncio.run(search()))
    return Call.objects.get(pk=call.pk)


def lists(call: Call) -> list[tuple[str, bytes]]:
    """Return lists in which our row is, as a provider may send them: what is odd, and the body."""
    ref, at = call.reference, timezone.now()
    plain = json.dumps(row(call))
    odd_rows: dict[str, Any] = {
        "number without plus": {"to_number": NUMBER[1:]},
        "formatted number": {"to_number": "(415) 555-0123"},
        "number as a number": {"to_number": 14155550123},
        "no number": {"to_number": None},
        "number of another type": {"to_number": {"e164": NUMBER}},
        "metadata as text": {"metadata": json.dumps({"ref": ref})},
        "metadata as text of text": {"metadata": json.dumps(json.dumps({"ref": ref}))},
        "metadata as names and values": {"metadata": [{"key": "ref", "value": ref}, {"key": "x", "value": 1}]},
        "reference in the context": {"metadata": None, "context": {"ref": ref, "name": "Ada"}},
        "context as text": {"metadata": "none", "context": json.dumps({"ref": ref})},
        "reference in capitals": {"metadata": {"ref": ref.upper()}},
        "unreadable time": {"created_at": "yesterday"},
        "old time": {"created_at": (at - timedelta(days=9)).isoformat()},
        "time without zone": {"created_at": at.replace(tzinfo=None).isoformat()},
        "unknown status": {"status": "in_progress", "duration_seconds": "soon", "result": [1]},
    }
    bodies = {name: json.dumps([foreign(1), row(call, **odd), foreign(2)]).encode() for name, odd in odd_rows.items()}
    beside: dict[str, str] = {
        "NaN in another row": '{"id": "n", "duration_seconds": NaN}',
        "NaN in our row": plain[:-1] + ', "duration_seconds": NaN}',
        "a repeated name in another row": '{"id": "n", "id": "m"}',
        "a row that is no JSON": "{oops}",
        "a row of another kind": "[1, 2], null, 7",
        "a row over 256 KiB": json.dumps(foreign(3, transcript="x" * 300_000)),
    }
    for name, text in beside.items():
        ours = "" if "our row" in name else f", {plain}"
        bodies[name] = f"[{json.dumps(foreign(1))}, {text}{ours}]".encode()
    many = [foreign(number, prompt="x" * 4000) for number in range(150)]
    bodies |= {
        "a list over 256 KiB": json.dumps({"data": [*many, row(call)], "has_more": False}).encode(),
        "the list last": json.dumps({"has_more": False, "object": "list", "data": [row(call)]}).encode(),
        "another name of the list": json.dumps({"calls": [row(call)]}).encode(),
        "a list as text": json.dumps({"data": json.dumps([row(call)])}).encode(),
        "UTF-16": json.dumps({"data": [row(call)]}).encode("utf-16"),
        "gzip": gzip.compress(json.dumps([row(call)]).encode()),
        "text after the list": json.dumps([row(call)]).encode() + b"\n<!-- 12 ms -->",
        "an old row first": json.dumps(
            {"data": [foreign(1, created_at="2020-01-01T00:00:00Z"), row(call)], "has_more": True}
        ).encode(),
    }
    return list(bodies.items())


def enveloped(call: Call) -> list[tuple[str, bytes]]:
    """Return lists that are inside other objects than documented."""
    rows = [foreign(1), row(call)]
    pages: dict[str, Any] = {
        "in an envelope": {"success": True, "data": {"data": rows, "has_more": False}},
        "embedded": {"count": 2, "_embedded": {"calls": rows}, "_links": {"self": {"href": "/"}}},
        "objects": {"meta": {"limit": 20}, "objects": rows},
    }
    return [(name, json.dumps(page).encode()) for name, page in pages.items()]


def test_the_reference_is_proof_whatever_is_beside_it(wire: Wire, call: Call, subtests: Any) -> None:
    for name, body in lists(call) + enveloped(call):
        with subtests.test(name):
            wire.play(answer(200, body))

            async def search() -> reconciling.Found:
                async with http.Client() as client:
                    return await reconciling.search(client, call.account, [call])

            found = asyncio.run(search())
            assert [reading.provider_call_id for reading in found.get(call.pk, ())] == [ID]


def test_a_call_that_is_found_is_followed(wire: Wire, call: Call) -> None:
    found = look(wire, call, answer(200, [row(call, to_number="(415) 555-0123")]))
    assert (found.status, found.provider_call_id) == (Status.IN_PROGRESS, ID)


def test_a_reference_beside_another_number_is_proof_with_a_doubt(wire: Wire, call: Call) -> None:
    found = look(wire, call, answer(200, [row(call, to_number="+14155559999")]))
    assert (found.status, found.provider_call_id) == (Status.IN_PROGRESS, ID)
    assert [doubt["field"] for doubt in found.doubts] == ["to_number"]
    assert "9999" in found.doubts[0]["said"]


def test_two_calls_with_our_reference_are_for_a_person(wire: Wire, call: Call) -> None:
    rows = [row(call), foreign(1), row(call, id=OTHER_ID, status="completed")]
    for _ in range(2):
        found = look(wire, call, answer(200, rows))
        assert (found.status, found.provider_call_id) == (Status.UNCONFIRMED, "")
        assert found.next_read_at is not None
    told = found.events.get(type="found_twice")
    assert ID in told.detail
    assert OTHER_ID in told.detail
    assert str(call.uuid) in Alert.objects.get(key=f"account.found_twice:{call.uuid}").message


def test_one_call_in_two_rows_is_one(wire: Wire, call: Call) -> None:
    rows = [row(call, id=None), row(call, id=ID.upper()), row(call)]
    found = look(wire, call, answer(200, {"data": rows, "has_more": True}), answer(200, {"data": rows}))
    assert (found.status, found.provider_call_id) == (Status.IN_PROGRESS, ID.upper())


def test_a_second_call_on_a_later_page_is_seen(wire: Wire, call: Call) -> None:
    first = {"data": [row(call), foreign(1)], "has_more": True}
    second = {"data": [row(call, id=OTHER_ID)], "has_more": False}
    assert look(wire, call, answer(200, first), answer(200, second)).status == Status.UNCONFIRMED


def test_pages_are_read_until_all_rows_are_older_than_the_dial(wire: Wire, call: Call) -> None:
    old = (timezone.now() - timedelta(days=1)).isoformat()
    pages: list[Any] = [
        [foreign(1), foreign(2, created_at=old)],
        [foreign(3, created_at=old), foreign(4, created_at=None)],
        [foreign(5, created_at=old), foreign(6, created_at=old)],
    ]
    assert look(wire, call, *(answer(200, {"data": page, "has_more": True}) for page in pages)).status == (
        Status.UNCONFIRMED
    )
    assert [request.target.rpartition("=")[2] for request in wire.requests] == ["100", "c-00002", "c-00004"]


def test_a_list_with_the_oldest_call_first_is_read_to_the_newest(wire: Wire, call: Call) -> None:
    def day(ago: int) -> str:
        return (timezone.now() - timedelta(days=ago)).isoformat()

    pages = [[foreign(1, created_at=day(9)), foreign(2, created_at=day(8))], [foreign(3, created_at=day(7)), row(call)]]
    first, second = (answer(200, {"data": page, "has_more": True}) for page in pages)
    assert look(wire, call, first, second).provider_call_id == ID


def test_a_page_that_names_the_next_one_is_followed_by_it(wire: Wire, call: Call, subtests: Any) -> None:
    rows = [foreign(1), foreign(2)]
    followed: dict[str, Any] = {
        "a cursor": {"data": rows, "next_cursor": "Y3Vyc29y"},
        "in other spelling": {"calls": rows, "nextPageToken": "x"},
        "a link": {"objects": rows, "meta": {"next": "/v1/calls?offset=20", "previous": None}},
        "a flag in an envelope": {"data": {"data": rows, "has_more": True}},
        "a flag beside": {"data": rows, "pagination": {"has_more": "true", "page": 1}},
    }
    last: dict[str, Any] = {
        "no cursor": {"data": rows, "next_cursor": None},
        "an empty cursor": {"data": rows, "next_page_uri": ""},
        "a flag before a cursor": {"data": rows, "has_more": False, "next_cursor": "Y3Vyc29y"},
    }
    for name, page in (followed | last).items():
        with subtests.test(name):
            wire.requests.clear()
            look(wire, call, answer(200, page), answer(200, []))
            assert len(wire.requests) == (2 if name in followed else 1)


def test_pages_that_repeat_end_the_search(wire: Wire, call: Call) -> None:
    page = answer(200, {"data": [foreign(1), foreign(2)], "has_more": True})
    other = answer(200, {"data": [foreign(3)], "has_more": True})
    look(wire, call, page)  # `starting_after` is ignored
    assert len(wire.requests) == 2
    wire.requests.clear()
    look(wire, call, page, other, page)  # a circle
    assert len(wire.requests) == 3


def test_the_cursor_is_the_last_readable_row_of_a_page_inbound_ones_too(wire: Wire, call: Call) -> None:
    inbound = [foreign(number, direction="inbound") for number in (1, 2)]
    page = f'{{"data": [{json.dumps(inbound[0])}, {json.dumps(inbound[1])}, {{oops}}], "has_more": "true"}}'
    found = look(wire, call, answer(200, page.encode()), answer(200, [row(call)]))
    assert wire.requests[1].target.endswith("starting_after=c-00002")
    assert found.provider_call_id == ID


def test_what_was_found_before_the_list_broke_counts(wire: Wire, call: Call) -> None:
    start = json.dumps([row(call), foreign(1)])[:-1].encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n"
    assert look(wire, call, says("cut", head + start)).provider_call_id == ID


def test_an_unreadable_list_proves_nothing(wire: Wire, call: Call) -> None:
    for behaviour in (answer(500), answer(200, b"<html>"), answer(200, {"data": {}}), answer(200, b"[")):
        found = look(wire, call, behaviour)
        assert (found.status, found.provider_call_id) == (Status.UNCONFIRMED, "")
        assert found.next_read_at is not None


def test_a_list_that_never_ends_is_left_and_what_it_said_counts(
    wire: Wire, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "LONGEST_SEARCH", 0.2)

    class Stuck(http.Client):
        async def rows(self, request: Any, take: Any) -> Any:
            take(json.dumps(row(call)).encode())
            await asyncio.Event().wait()

    async def search() -> reconciling.Found:
        return await reconciling.search(Stuck(), call.account, [call])

    reconciling.record([call], asyncio.run(search()))
    call.refresh_from_db()
    assert call.provider_call_id == ID

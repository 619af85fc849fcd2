"""The unchanged official Python package of CallingBox against the sandbox. If they differ, the sandbox is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from callingbox import Callingbox
from callingbox._exceptions import APIError, AuthenticationError, BadRequestError, NotFoundError
from callingbox.resources.webhooks import Webhooks
from callingbox.types.call import Call

from providers.sandbox.server import Running
from tests.providers.test_sandbox_callbacks import Inbox, inbox
from tests.waiting import eventually

__all__ = ["inbox"]  # a fixture

NUMBER = "+14155550101"
RETURNS = {"confirmed": "boolean", "note": "string"}


@pytest.fixture
def client(sandbox: Running) -> Iterator[Callingbox]:
    with Callingbox(api_key="sk_sandbox", base_url=f"{sandbox.url}/callingbox") as found:
        yield found


def create(client: Callingbox, to: str = NUMBER, **fields: Any) -> Call:
    return client.calls.create(to, prompt="Confirm the delivery.", **fields)


def ended(client: Callingbox, call: Call) -> Call:
    def settled() -> bool:
        found = client.calls.retrieve(call.id)
        return bool(found.ended_at) and found.reservation_status != "reserved" and found.result_status != "pending"

    eventually(settled, "the call does not end")
    return client.calls.retrieve(call.id)


def test_a_call_is_created_with_every_field_of_the_package(client: Callingbox) -> None:
    call = create(
        client,
        context={"name": "Paula", "ref": "att-1"},
        returns=RETURNS,
        language="es",
        from_="+14155550100",
        webhook_url="http://127.0.0.1:9/hook",
        voicemail_action="leave_message",
    )
    assert call.id
    assert (call.to_number, call.from_number, call.status, call.direction) == (
        NUMBER,
        "+14155550100",
        "queued",
        "outbound",
    )
    assert (call.prompt, call.returns, call.language) == ("Confirm the delivery.", RETURNS, "es")
    assert call.context == {"name": "Paula", "ref": "att-1"}
    assert (call.result, call.result_status, call.reservation_status) == (None, "pending", "reserved")
    assert call.created_at.endswith("Z")


def test_a_call_is_followed_to_its_end_and_its_result(client: Callingbox) -> None:
    call = ended(client, create(client, returns=RETURNS))
    assert (call.status, call.result_status, call.error_code) == ("completed", "completed", None)
    assert call.result is not None
    assert set(call.result) == set(RETURNS)
    assert call.started_at and call.answered_at and call.ended_at
    assert call.started_at <= call.answered_at <= call.ended_at
    assert isinstance(call.duration_seconds, int)
    assert isinstance(call.billing_amount_milli_cents, int)
    spoken = client.calls.retrieve_transcript(call.id)
    assert [(turn.sequence_no, turn.role) for turn in spoken] == [(0, "assistant"), (1, "user")]
    assert all(turn.text and turn.started_at and turn.source for turn in spoken)


def test_every_call_is_listed_over_pages_in_both_directions(client: Callingbox, sandbox: Running) -> None:
    made = [create(client, f"+1415555{number:02d}01").id for number in range(7)]
    for shape in ("page", "array"):
        sandbox.control(callingbox_list_shape=shape)
        listed = [call.id for call in client.calls.list(limit=100) if call.direction == "outbound"]
        assert listed == made[::-1]
    sandbox.control(callingbox_list_shape="page")
    page = client.calls.list(limit=3)
    assert (len(page), page.has_more) == (3, True)
    everything = [call.id for call in client.calls.list(limit=100)]
    assert [call.id for call in client.calls.iter_calls(limit=2)] == everything
    assert [call.id for call in client.calls.iter_calls(limit=2, starting_after=everything[2])] == everything[3:]
    assert [call.id for call in client.calls.iter_calls(limit=2, ending_before=everything[-1])] == everything[:-1]


@pytest.mark.parametrize("shape", ["plain", "nested"])
def test_errors_are_of_the_packages_types(sandbox: Running, client: Callingbox, shape: str) -> None:
    sandbox.control(callingbox_error_shape=shape)
    with pytest.raises(NotFoundError, match="not found"):
        client.calls.retrieve("5b1e0c1e-0000-4000-8000-00000000000a")
    with pytest.raises(BadRequestError, match="only US numbers"):
        create(client, "+33612345678")
    with pytest.raises(BadRequestError):
        client.calls.list(limit=1000)
    with (
        Callingbox(api_key="sk_wrong", base_url=f"{sandbox.url}/callingbox") as stranger,
        pytest.raises(AuthenticationError, match="API key"),
    ):
        stranger.calls.list()
    with (
        Callingbox(api_key="sk_sandbox_broke", base_url=f"{sandbox.url}/callingbox") as broke,
        pytest.raises(APIError, match="Your balance is"),
    ):
        create(broke)


def test_numbers_are_listed(client: Callingbox) -> None:
    [number] = client.numbers.list()
    assert (number.e164, number.country_code, number.status) == ("+14155550100", "US", "active")
    assert [each.id for each in client.numbers.iter_numbers()] == [number.id]


def test_a_webhook_is_verified_and_read(client: Callingbox, inbox: Inbox) -> None:
    call = create(client, webhook_url=f"{inbox.url}/hook", returns=RETURNS)
    received = inbox.wait(4)
    events = [
        Webhooks.construct_event(one.body, one.headers["callingbox-signature"], "whsec_sandbox") for one in received
    ]
    assert {event.type for event in events} == {"call.queued", "call.ringing", "call.answered", "call.completed"}
    [last] = [event for event in events if event.type == "call.completed"]
    assert last.id and last.created
    seen = Call.from_dict(last.data["call"])
    assert (seen.id, seen.status, seen.result_status) == (call.id, "completed", "completed")

    one = received[0]
    for body, header, secret in (
        (one.body + b" ", one.headers["callingbox-signature"], "whsec_sandbox"),
        (one.body, one.headers["callingbox-signature"], "whsec_other"),
        (one.body, "t=1," + one.headers["callingbox-signature"].partition(",")[2], "whsec_sandbox"),
        (one.body, "nonsense", "whsec_sandbox"),
    ):
        with pytest.raises(BadRequestError):
            Webhooks.construct_event(body, header, secret)


def test_a_webhook_signed_with_an_old_and_a_new_secret_is_verified(client: Callingbox, inbox: Inbox) -> None:
    create(client, "+14155550120", webhook_url=f"{inbox.url}/hook")
    for one in inbox.wait(8):
        Webhooks.construct_event(one.body, one.headers["callingbox-signature"], "whsec_sandbox")

"""Adapters against the sandbox over a socket. Both were written from the providers' pages and share no code.

The sandbox refuses undocumented fields, so an accepted order has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters import http, registry
from providers.adapters.base import AccountConfig, CallHandle, CallOrder, CallState, Provider, Reading
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected
from providers.sandbox.server import running
from tests.waiting import PATIENCE

UUID = "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e"
POLYAI = {"auth_token": "sandbox-polyai"}
BOX = {"api_key": "sk_sandbox", "webhook_secret": "whsec_sandbox"}
VARIANTS: dict[str, tuple[str, dict[str, str], dict[str, Any], str, dict[str, Any]]] = {
    "allomia": ("allomia", {"api_key": "sandbox-allomia"}, {}, UUID, {}),
    "polyai v1_trigger": ("polyai", POLYAI, {"generation": "v1_trigger"}, "", {}),
    "polyai v1": ("polyai", POLYAI, {"generation": "v1"}, "", {}),
    "polyai agents": (
        "polyai",
        POLYAI,
        {"generation": "agents", "environment": "live"},
        "agent-1",
        {"variant_id": "v"},
    ),
    "plumvoice": (
        "plumvoice",
        {"email": "sandbox@example.org", "developer_key": "sandbox-plum"},
        {},
        "",
        {"application_id": "4410", "deployment_id": "9021"},
    ),
    "callingbox prompt": (
        "callingbox",
        BOX,
        {"generation": "prompt"},
        "",
        {"prompt": "Confirm.", "returns": {"ok": "boolean"}, "language": "en", "voicemail_action": "hangup"},
    ),
    "callingbox agent": ("callingbox", BOX, {"generation": "agent"}, UUID, {}),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Any]:
    with running(speed=50, seed=7) as found:
        yield found


def adapter_for(sandbox: Any, variant: str, **credentials: str) -> Provider:
    slug, keys, options, _, _ = VARIANTS[variant]
    return registry.provider(slug, AccountConfig(f"{sandbox.url}/{slug}", {**keys, **credentials}, options))


def order(variant: str, to_number: str) -> CallOrder:
    _, _, _, external_id, options = VARIANTS[variant]
    carries = variant != "polyai v1_trigger"
    return CallOrder(
        reference="a1b2c3d4e5f60718",
        to_number=to_number,
        from_number="+16465550100",
        from_external_id=UUID,
        assistant_external_id=external_id,
        assistant_options=options,
        customer_name="Inès Roy",
        dynamic_variables={"slot": "Tuesday 9:30", "clinic": "Rue de l'Église"} if carries else {},
        callback_url="http://127.0.0.1:9/hooks/x/token",
    )


async def follow(adapter: Provider, placing: CallOrder, *, settled: bool = False) -> tuple[Reading, Reading]:
    """Place one call and read its status until it ends, as the engine does; with `settled`, until it has its cost."""
    async with http.Client() as client:
        placed = adapter.read_placing(await client.place(adapter.place(placing)))
        handle = CallHandle(
            placed.provider_call_id,
            placing.reference,
            placing.to_number,
            placing.assistant_external_id,
            placing.assistant_options,
            datetime.now(UTC),
        )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = adapter.read_status(await client.read(adapter.status(handle)), handle, datetime.now(UTC))
            if seen.state.is_terminal and (seen.settled or not settled):
                return placed, seen
            await asyncio.sleep(0.02)
    raise AssertionError("the call does not end")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("ending", "outcome"), [("01", "completed"), ("02", "no_answer"), ("03", "busy"), ("04", "failed")]
)
def test_every_generation_is_followed_from_placing_to_the_end(
    sandbox: Any, variant: str, ending: str, outcome: str
) -> None:
    number = f"+1212555{1 + list(VARIANTS).index(variant):02}{ending}"
    placed, ended = asyncio.run(follow(adapter_for(sandbox, variant), order(variant, number)))
    (dial,) = sandbox.journal(to_number=number)
    assert dial["id"] == placed.provider_call_id
    assert not placed.state.is_terminal
    if variant.startswith("polyai") and outcome in ("no_answer", "busy"):
        outcome = "failed"  # PolyAI does not distinguish them
    assert ended.state.value == outcome == dial["outcome"]


def reported(sandbox: Any, variant: str) -> dict[str, Any]:
    """Return what the readings of five calls report: one for each way in which the sandbox ends a call."""
    adapter, ends = adapter_for(sandbox, variant), {}
    for n, outcome in enumerate(("answered", "no_answer", "busy", "failed", "voicemail"), 1):
        number = f"+1508555{1 + list(VARIANTS).index(variant):02}{n:02}"
        ends[outcome] = asyncio.run(follow(adapter, order(variant, number), settled=True))[1]
    voicemail = ends["voicemail"]
    told = {
        "voicemail": voicemail.answered_by == "machine" or voicemail.ended_reason == "voicemail",
        "no_answer": ends["no_answer"].state is CallState.NO_ANSWER,
        "busy": ends["busy"].state is CallState.BUSY,
    }
    return {
        "merged_outcomes": {name: ends[name].state for name, tells in told.items() if not tells},
        "gives_duration": any((end.duration_seconds or end.billed_duration_seconds) for end in ends.values()),
        "gives_cost": any(end.price is not None for end in ends.values()),
        "gives_result": any(end.result for end in ends.values()),
        "gives_reason": any(end.provider_reason for end in ends.values()),
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_adapter_declares_what_its_provider_reports(sandbox: Any, variant: str) -> None:
    adapter = adapter_for(sandbox, variant)
    declared = {
        "merged_outcomes": dict(adapter.merged_outcomes),
        "gives_duration": adapter.gives_duration,
        "gives_cost": adapter.gives_cost,
        "gives_result": adapter.gives_result(VARIANTS[variant][3], VARIANTS[variant][4]),
        "gives_reason": adapter.gives_reason,
    }
    assert declared == reported(sandbox, variant)


def test_a_prompt_that_asks_for_no_result_has_none(sandbox: Any) -> None:
    adapter = adapter_for(sandbox, "callingbox prompt")
    asked = order("callingbox prompt", "+15085559901")
    without = replace(asked, assistant_options={"prompt": "Confirm."})
    assert not adapter.gives_result("", without.assistant_options)
    assert asyncio.run(follow(adapter, without, settled=True))[1].result is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_our_reference_is_sent_wherever_the_provider_has_a_field_for_it(sandbox: Any, variant: str) -> None:
    number = f"+1303555{1 + list(VARIANTS).index(variant):02}01"
    asyncio.run(follow(adapter_for(sandbox, variant), order(variant, number)))
    (dial,) = sandbox.journal(to_number=number)
    has_room = variant not in ("allomia", "polyai v1_trigger")
    assert dial["reference"] == ("a1b2c3d4e5f60718" if has_room else None)


@pytest.mark.parametrize(
    ("ending", "error", "dials"),
    [
        ("08", MayBeRinging, 1),  # connection dropped after dialling
        ("09", MayBeRinging, 0),  # 500 before dialling: the client cannot distinguish it from the next case
        ("10", MayBeRinging, 1),  # 500 after dialling
        ("11", NotSent, 0),  # 429
        ("12", MayBeRinging, 1),  # 2xx without an id
        ("13", MayBeRinging, 1),  # a proxy's 502
        ("23", Rejected, 0),  # 400 about this call
        ("34", MayBeRinging, 1),  # truncated JSON
        ("35", MayBeRinging, 0),  # dropped before dialling
        ("37", Misconfigured, 0),  # refused because of the account
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_response_to_a_placing_raises_the_right_error(
    sandbox: Any, variant: str, ending: str, error: type[ProviderError], dials: int
) -> None:
    number = f"+1415555{1 + list(VARIANTS).index(variant):02}{ending}"
    with pytest.raises(error) as caught:
        asyncio.run(follow(adapter_for(sandbox, variant), order(variant, number)))
    assert type(caught.value) is error
    assert len(sandbox.journal(to_number=number)) == dials


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_harmless_read_distinguishes_a_wrong_key_from_a_valid_one(sandbox: Any, variant: str) -> None:
    async def check(adapter: Provider) -> None:
        async with http.Client() as client:
            adapter.read_check(await client.read(adapter.check()))

    before = len(sandbox.journal())
    asyncio.run(check(adapter_for(sandbox, variant)))
    wrong = dict.fromkeys(VARIANTS[variant][1], "sk_wrong")
    with pytest.raises(Misconfigured):
        asyncio.run(check(adapter_for(sandbox, variant, **wrong)))
    assert len(sandbox.journal()) == before


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unknown_call_is_not_found(sandbox: Any, variant: str) -> None:
    async def ask(adapter: Provider) -> None:
        unknown = "123456789" if variant == "plumvoice" else "3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413"
        handle = CallHandle(unknown, assistant_external_id=VARIANTS[variant][3])
        async with http.Client() as client:
            adapter.read_status(await client.read(adapter.status(handle)), handle, datetime.now(UTC))

    with pytest.raises(NotFound):
        asyncio.run(ask(adapter_for(sandbox, variant)))


@pytest.mark.parametrize("shape", ["page", "array"])
@pytest.mark.parametrize("variant", ["callingbox prompt", "callingbox agent"])
def test_a_call_whose_response_was_lost_is_found_in_the_list(sandbox: Any, variant: str, shape: str) -> None:
    sandbox.control(callingbox_list_shape=shape)
    number = f"+1617555{10 + list(VARIANTS).index(variant) + 2 * (shape == 'page'):02}08"
    adapter = adapter_for(sandbox, variant)

    async def look() -> list[Reading]:
        async with http.Client() as client:
            with pytest.raises(MayBeRinging):
                adapter.read_placing(await client.place(adapter.place(order(variant, number))))
            found, page = [], ""
            while True:
                listing = adapter.read_list(await client.read(adapter.list_calls(page)))
                found += [seen for seen in listing.calls if seen.to_number == number]
                page = listing.next_page
                if not page:
                    return found

    (seen,) = asyncio.run(look())
    assert seen.reference == "a1b2c3d4e5f60718"
    assert seen.provider_call_id == sandbox.journal(to_number=number)[0]["id"]
    assert seen.state is not CallState.UNRECOGNISED

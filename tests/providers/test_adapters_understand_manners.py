"""Adapters, words and the fold against the sandbox's manners: what is concluded is what the sandbox meant.

The sandbox says what it meant; neither the adapters nor the fold share code with it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from calls.models import TERMINAL, Call, Status
from calls.outcomes.folding import fold
from providers.adapters import http, registry, words
from providers.adapters.base import AccountConfig, CallHandle, Provider, Reading, Verification
from providers.sandbox import manners
from providers.sandbox.server import Running, running
from tests.chaos.judging import bare
from tests.chaos.meaning import Meant, Stored, differences
from tests.providers.test_adapters_meet_the_sandbox import VARIANTS, order
from tests.providers.test_sandbox_callbacks import Inbox, inbox  # noqa: F401
from tests.waiting import PATIENCE, eventually

ENDINGS = {"01": "answered", "02": "no answer", "03": "busy", "04": "failed", "05": "voicemail"}
# Manners that leave nothing to believe in a field, or that contradict another one.
DOUBTFUL = {
    "absurd duration": {"duration_seconds", "billed_duration_seconds"},
    "duration NaN": {"duration_seconds", "billed_duration_seconds"},
    "duration twice": {"duration_seconds", "billed_duration_seconds"},
    "end before start": {"started_at", "answered_at", "ended_at", "duration_seconds", "billed_duration_seconds"},
    "year 1999": {"created_at", "started_at", "answered_at", "ended_at"},
    "local time four hours behind": {"created_at", "started_at", "answered_at", "ended_at"},
    "local time eight hours ahead": {"created_at", "started_at", "answered_at", "ended_at"},
}
ASKED = {"prompt": "Confirm.", "returns": {"confirmed": "boolean", "opt_out": "boolean", "note": "string"}}
UNLIKE = {"01", "03", "05"}  # endings whose callbacks differ
# Whether a call is read before its end, or before its bill is settled, depends on the machine.
SEEN_IN_TIME = {
    "unknown word before the end",
    "reserved at zero",
    "hold as amount",
    "empty result first, completed",
}
IN_LISTS = {"broken rows beside", "long list"}
IN_CALLBACKS = {"callback of 70 KB", "signature in capitals"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running(speed=400, seed=7) as found:
        yield found


class Followed:
    """One call: it is placed, read until nothing more will come, and each reading is folded."""

    def __init__(self, sandbox: Running, variant: str, number: str, zone: str = "", callback_url: str = "") -> None:
        slug, keys, options, external_id, assistant = VARIANTS[variant]
        account = AccountConfig(f"{sandbox.url}/{slug}", keys, options, zone)
        self.adapter: Provider = registry.provider(slug, account)
        if variant == "callingbox prompt":
            assistant = ASKED
        self.order = order(variant, number)
        object.__setattr__(self.order, "assistant_options", assistant)
        object.__setattr__(self.order, "callback_url", callback_url)
        now = datetime.now(UTC)
        self.call = Call(status=Status.PLACED, to_number=number, dialed_at=now, created_at=now)
        self.call.next_read_at = now
        self.doubts: set[str] = set()
        self.external_id = external_id

    async def place(self, client: http.Client) -> None:
        self.take(self.adapter.read_placing(await client.place(self.adapter.place(self.order))))

    async def read(self, client: http.Client) -> Reading:
        handle = CallHandle(
            self.call.provider_call_id,
            self.order.reference,
            self.order.to_number,
            self.external_id,
            self.order.assistant_options,
            self.call.dialed_at,
        )
        now = datetime.now(UTC)
        reading = self.adapter.read_status(await client.read(self.adapter.status(handle)), handle, now)
        self.take(reading)
        return reading

    def take(self, reading: Reading, source: str = "read") -> None:
        heard = words.interpret(reading, {}).reading
        now = datetime.now(UTC)
        found = fold(self.call, heard, now, source)
        assert not found.foreign, found.conflicts
        for name, value in found.changes.items():
            setattr(self.call, name, value)
        self.doubts |= {remark.field for remark in found.remarks if remark.field and not remark.taken}
        if self.call.status in TERMINAL:
            self.call.terminal_at = self.call.terminal_at or now
            self.call.next_read_at = None if reading.state.is_terminal and reading.settled else now

    async def to_the_end(self, client: http.Client) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            reading = await self.read(client)
            if reading.state.is_terminal and reading.settled:
                return
            assert time.monotonic() < deadline, f"it is not settled: {reading}"
            await asyncio.sleep(0.01)

    def compared(self, sandbox: Running) -> list[str]:
        """Return how the call differs from what the sandbox meant."""
        entry = sandbox.journal(to_number=self.call.to_number)[-1]
        stored = Stored(
            self.call.is_voicemail,
            self.call.duration_seconds,
            self.call.cost_price,
            self.call.result,
            self.call.result_text,
            self.doubts,
        )
        found = [f"{promise}: {said}" for promise, said in differences(Meant.from_journal(entry["meant"]), stored)]
        if self.call.status != entry["outcome"]:
            found.append(f"it ended as {self.call.status}, not as {entry['outcome']}")
        if self.call.provider_call_id and bare(self.call.provider_call_id) != bare(entry["id"]):
            found.append(f"its id is {self.call.provider_call_id}, not {entry['id']}")
        if self.call.ended_at and abs(self.call.ended_at - moment(entry["ended_at"])) > timedelta(seconds=61):
            found.append(f"it ended at {self.call.ended_at}, not at {entry['ended_at']}")
        return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def numbers(variant: str, turn: int) -> list[str]:
    """Return a number for each ending."""
    place = list(VARIANTS).index(variant)
    return [f"+1{212 + place}5{turn // 100:02}{turn % 100:02}{digits}" for digits in ENDINGS]


def followed(sandbox: Running, variant: str, turn: int, zone: str = "") -> list[Followed]:
    """Place one call for each ending, and follow them to the end."""
    calls = [Followed(sandbox, variant, number, zone) for number in numbers(variant, turn)]

    async def run() -> None:
        async with http.Client() as client:
            await asyncio.gather(*(call.place(client) for call in calls))
            await asyncio.gather(*(call.to_the_end(client) for call in calls))

    asyncio.run(run())
    return calls


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_manner_changes_what_is_concluded(sandbox: Running, variant: str, subtests: pytest.Subtests) -> None:
    slug = VARIANTS[variant][0]
    mine = [
        manner
        for manner in manners.CATALOGUE
        if slug in manner.providers and not manner.only_if_named and manner.name not in IN_LISTS | IN_CALLBACKS
    ]
    told: Counter[str] = Counter()
    for turn, manner in enumerate(mine):
        sandbox.control(manners_rate=1, manners=[manner.name])
        calls = followed(sandbox, variant, turn)
        for ending, call in zip(ENDINGS.values(), calls, strict=True):
            with subtests.test(manner.name, ending=ending):
                assert call.compared(sandbox) == []
                assert call.doubts <= DOUBTFUL.get(manner.name, set())
        told.update(name for call in calls for name in sandbox.journal(to_number=call.call.to_number)[0]["manners"])
    never = {manner.name for manner in mine} - set(told) - SEEN_IN_TIME
    assert never <= NOT_TOLD.get(variant, set())


# What a generation's answers have no field for.
_TIMES = {manner.name for manner in manners.CATALOGUE if manner.kind == "times"}
NOT_TOLD = {
    "polyai v1_trigger": {"id without its prefix", "end before start", "status with other separators"},
    "polyai v1": {*_TIMES, "id with a prefix", "status with other separators"},
    "polyai agents": {*_TIMES, "id with a prefix", "status with other separators", "status in capitals"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_manners_at_once_change_no_outcome(sandbox: Running, variant: str, subtests: pytest.Subtests) -> None:
    for turn, rate in enumerate((1.0, 0.5, 0.5, 0.3), start=300):
        sandbox.control(manners_rate=rate, manners=list(manners.BY_DEFAULT))
        for call in followed(sandbox, variant, turn):
            with subtests.test(rate=rate, number=call.call.to_number):
                assert call.compared(sandbox) == []


@pytest.mark.parametrize("variant", ["allomia", "callingbox prompt"])
def test_a_stated_zone_places_local_times(sandbox: Running, variant: str) -> None:
    for turn, (manner, zone) in enumerate(
        (("local time four hours behind", "Etc/GMT+4"), ("local time eight hours ahead", "Asia/Singapore")), start=400
    ):
        sandbox.control(manners_rate=1, manners=[manner])
        for call in followed(sandbox, variant, turn, zone):
            ended = sandbox.journal(to_number=call.call.to_number)[0]["ended_at"]
            assert call.call.ended_at is not None
            assert abs(call.call.ended_at - moment(ended)) < timedelta(seconds=2)
            assert call.doubts == set()


@pytest.mark.parametrize("variant", ["allomia", "plumvoice", "callingbox prompt"])
def test_a_callback_alone_tells_what_was_meant(
    sandbox: Running,
    variant: str,
    inbox: Inbox,  # noqa: F811
    subtests: pytest.Subtests,
) -> None:
    """Only an end: results and prices may come later than the callback."""
    slug = VARIANTS[variant][0]
    mine = [
        manner.name
        for manner in manners.CATALOGUE
        if slug in manner.providers and not manner.only_if_named and manner.name not in IN_LISTS | {"long transcript"}
    ]
    for turn, manner in enumerate(mine, start=500):
        sandbox.control(manners_rate=1, manners=[manner])
        inbox.received.clear()
        calls = [
            Followed(sandbox, variant, number, callback_url=f"{inbox.url}/{number[1:]}")
            for number in numbers(variant, turn)
            if number[-2:] in UNLIKE
        ]

        async def place(calls: list[Followed] = calls) -> None:
            async with http.Client() as client:
                await asyncio.gather(*(call.place(client) for call in calls))

        asyncio.run(place())
        for call in calls:
            with subtests.test(manner, ending=ENDINGS[call.call.to_number[-2:]]):
                hear(call, inbox)
                entry = sandbox.journal(to_number=call.call.to_number)[0]
                assert call.call.status == entry["outcome"]
                assert entry["meant"]["voicemail"] in (None, call.call.is_voicemail)


def hear(call: Followed, inbox: Inbox) -> None:  # noqa: F811
    """Take this call's callbacks, until one tells its end."""
    taken = 0

    def ended() -> bool:
        nonlocal taken
        mine = [
            one for one in list(inbox.received) if one.path == f"/{call.call.to_number[1:]}" and one.method == "POST"
        ]
        for one in mine[taken:]:
            verified = call.adapter.verify_callback(one.headers, one.body, datetime.now(UTC))
            assert verified is (Verification.VERIFIED if call.adapter.signs_callbacks else Verification.UNSIGNED)
            call.take(call.adapter.parse_callback(one.headers, one.body), "callback")
        taken = len(mine)
        return call.call.status in TERMINAL

    eventually(ended, "no callback tells the end")


def test_a_reused_id_is_seen_in_both_placings(sandbox: Running) -> None:
    sandbox.control(manners_rate=1, manners=["reused id"])
    first, second = (Followed(sandbox, "allomia", number) for number in numbers("allomia", 700)[:2])

    async def run() -> None:
        async with http.Client() as client:
            await first.place(client)
            await second.place(client)

    asyncio.run(run())
    assert first.call.provider_call_id == second.call.provider_call_id != ""

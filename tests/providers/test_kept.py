"""Reads over kept connections, under both event loops: what is an answer, what is sent again, what is kept."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import h11
import pytest

from providers.adapters import kept, responses
from providers.adapters.base import Answer, Request
from providers.adapters.errors import MayBeRinging, NotSent, ProviderError
from providers.adapters.http import Client
from tenants.egress.event_loop import new_event_loop
from tests.providers import skipping
from tests.providers.test_exchange import HEADS, then_resets
from tests.providers.wire import SILENCE, Behaviour, Wire, answer, says
from tests.waiting import PATIENCE, eventually

T = TypeVar("T")
OK = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"id":1}'


@pytest.fixture(params=[asyncio.new_event_loop, new_event_loop], ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


def run(loop_factory: Any, work: Callable[[Client], Coroutine[Any, Any, T]], **limits: Any) -> T:
    async def main() -> T:
        async with Client(**({"deadline": PATIENCE} | limits)) as client:
            return await work(client)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def says_and_stays(raw: bytes, *pieces: bytes) -> Behaviour:
    """Return a behaviour that sends these bytes, piece by piece, and leaves the connection open."""

    def act(wire: Wire, conn: socket.socket) -> bool:
        wire.take(conn)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (raw, *pieces):
            conn.sendall(piece)
            wire.closing.wait(0.01)
        return True

    return Behaviour("stays", act)


async def verdict(client: Client, request: Request) -> int | type[ProviderError]:
    try:
        return (await client.read(request)).status
    except ProviderError as error:
        return type(error)


def reads(loop_factory: Any, wire: Wire, *methods: str, **limits: Any) -> list[int | type[ProviderError]]:
    """Return the verdicts of reads, one after the other."""

    async def work(client: Client) -> list[int | type[ProviderError]]:
        found = []
        for place, method in enumerate(methods):
            found.append(await verdict(client, Request(method, f"{wire.url}/{place}")))
        return found

    return run(loop_factory, work, **limits)


def test_the_verdict_of_each_response_is_that_of_a_placing(
    loop_factory: Any, wire: Wire, subtests: pytest.Subtests
) -> None:
    for name, raw, status in HEADS:
        with subtests.test(name):
            wire.requests.clear()
            wire.play(says(name, raw))
            assert reads(loop_factory, wire, "GET") == [status or MayBeRinging]
            assert len(wire.requests) == 1  # a new connection is no reason to ask again


# What the first and the second read do: behaviours, verdicts, requests, connections.
REUSE: list[tuple[str, list[Behaviour], list[Any], int, int]] = [
    ("a usual answer", [answer(200, b"{}")], [200, 200], 2, 1),
    ("an answer in pieces", [says_and_stays(OK[:-5], OK[-5:])], [200, 200], 2, 1),
    ("a head in pieces", [says_and_stays(OK[:30], OK[30:])], [200, 200], 2, 1),
    (
        "chunks in pieces",
        [says_and_stays(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}", b"\r\n0\r", b"\n\r\n")],
        [200, 200], 2, 1,
    ),
    ("no content", [says_and_stays(b"HTTP/1.1 204 None\r\n\r\n")], [204, 204], 2, 1),
    ("the server asks to close", [answer(200, b"{}", {"connection": "close"})], [200, 200], 2, 2),
    ("an answer up to the end", [says("no length", b"HTTP/1.1 200 OK\r\n\r\n{}")], [200, 200], 2, 2),
    (
        "two lengths",
        [says_and_stays(OK[:-12] + b"\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n")],
        [200, 200], 2, 2,
    ),
    ("more than an answer", [says_and_stays(OK + b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")], [200, 200], 2, 2),
    ("closed without a byte", [answer(200, b"{}"), says("closes", b""), answer(200, b"{}")], [200, 200], 3, 2),
    ("reset without a byte", [answer(200, b"{}"), then_resets("resets", b""), answer(200, b"{}")], [200, 200], 3, 2),
    ("closed twice", [answer(200, b"{}"), says("closes", b"")], [200, MayBeRinging], 3, 2),
    ("closed in the answer", [answer(200, b"{}"), says("cut", OK[:-1]), answer(200, b"{}")], [200, MayBeRinging], 2, 1),
]  # fmt: skip


def test_what_a_kept_connection_serves(loop_factory: Any, wire: Wire, subtests: pytest.Subtests) -> None:
    for name, behaviours, verdicts, requests, connections in REUSE:
        with subtests.test(name):
            wire.requests.clear()
            before = wire.connections
            wire.play(*behaviours)
            assert reads(loop_factory, wire, "GET", "GET") == verdicts
            assert (len(wire.requests), wire.connections - before) == (requests, connections)


def test_only_a_get_is_sent_again(loop_factory: Any, wire: Wire) -> None:
    wire.play(answer(200, b"{}"), says("closes", b""), answer(200, b"{}"))
    assert reads(loop_factory, wire, "GET", "POST") == [200, MayBeRinging]
    assert [request.method for request in wire.requests] == ["GET", "POST"]


def test_a_connection_that_was_closed_or_that_spoke_meanwhile_gets_no_request(loop_factory: Any, wire: Wire) -> None:
    def speaks_late(raw: bytes) -> Behaviour:
        def act(wire: Wire, conn: socket.socket) -> bool:
            wire.take(conn)
            conn.sendall(OK)
            asked.wait(PATIENCE)
            if raw:
                conn.sendall(raw)
            return False

        return Behaviour("speaks late", act)

    for raw in (b"", b"HTTP/1.1 408 Too late\r\ncontent-length: 0\r\n\r\n"):
        asked = threading.Event()

        async def work(client: Client, asked: Any = asked) -> int:
            await client.read(Request("GET", wire.url))
            connection = next(iter(client._connections._idle.values()))[0]
            asked.set()
            while connection.is_usable:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.001)
            return (await client.read(Request("GET", wire.url))).status

        wire.requests.clear()
        wire.play(speaks_late(raw), answer(200, b"{}"))
        assert run(loop_factory, work) == 200
        assert len(wire.requests) == 2


def test_a_read_that_was_given_up_leaves_no_connection(loop_factory: Any, wire: Wire) -> None:
    """Its answer, when it comes, would be taken for that of the next read."""
    given_up = threading.Event()

    def answers_late(wire: Wire, conn: socket.socket) -> bool:
        wire.take(conn)
        given_up.wait(PATIENCE)
        conn.sendall(b"HTTP/1.1 201 Late\r\ncontent-length: 0\r\n\r\n")
        return True

    wire.play(Behaviour("answers late", answers_late), answer(200, b"{}"))

    async def work(client: Client) -> int:
        task = asyncio.create_task(client.read(Request("GET", wire.url)))
        await asyncio.to_thread(eventually, lambda: wire.requests)
        task.cancel()
        await asyncio.wait([task])
        given_up.set()
        return (await client.read(Request("GET", wire.url))).status

    assert run(loop_factory, work) == 200
    assert wire.connections == 2


def test_the_deadline_of_a_read_over_a_kept_connection(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two reads begin at different times: one timer serves both. Neither is sent again."""
    for limit in ("IDLE", "LIFE"):
        monkeypatch.setattr(kept, limit, 10 * skipping.DEADLINE)
    wire.play(answer(200, b"{}"), answer(200, b"{}"), SILENCE)

    async def work(client: Client) -> list[Any]:
        await asyncio.gather(*(verdict(client, Request("GET", wire.url)) for _ in range(2)))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, skipping.SkippingLoop)
        first = asyncio.create_task(verdict(client, Request("GET", wire.url)))
        await asyncio.to_thread(eventually, lambda: len(wire.requests) == 3)
        loop.skip(skipping.DEADLINE / 2)
        second = asyncio.create_task(verdict(client, Request("GET", wire.url)))
        await asyncio.to_thread(eventually, lambda: len(wire.requests) == 4)
        loop.skip(skipping.DEADLINE / 2 + 1)
        found: list[Any] = [await first, second.done()]
        loop.skip(skipping.DEADLINE / 2 + 1)
        return [*found, await second, len(client._connections._waiting), client._connections._open]

    found = run(skipping.SkippingLoop, work, deadline=skipping.DEADLINE)
    assert found == [MayBeRinging, False, MayBeRinging, 0, 0]
    assert (wire.connections, len(wire.requests)) == (2, 4)


def test_no_more_connections_than_allowed(loop_factory: Any, wire: Wire) -> None:
    wire.play(answer(200, b"{}"))
    urls = [f"http://{host}:{wire.port}/" for host in ("127.0.0.1", "localhost") for _ in range(4)]

    async def work(client: Client) -> list[int]:
        answers = await asyncio.gather(*(client.read(Request("GET", url)) for url in urls))
        assert client._connections._open == sum(map(len, client._connections._idle.values())) == 2
        return [found.status for found in answers]

    assert run(loop_factory, work, connections=2) == [200] * 8
    assert {request.headers["host"].split(":")[0] for request in wire.requests} == {"127.0.0.1", "localhost"}


def test_a_name_never_uses_the_connection_of_another(loop_factory: Any, wire: Wire) -> None:
    wire.play(answer(200, b"{}"))

    async def work(client: Client) -> None:
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            await client.read(Request("GET", f"http://{host}:{wire.port}/"))

    run(loop_factory, work)
    assert wire.connections == 2


def test_an_account_never_uses_the_connection_of_another(loop_factory: Any, wire: Wire) -> None:
    """A server or a proxy that confuses the answers of a connection must not confuse organizations."""
    wire.play(answer(200, b"{}"))
    keys = [{name: value} for name in ("Authorization", "x-api-key") for value in ("one", "two", "one")]

    async def work(client: Client) -> None:
        for headers in keys:
            await client.read(Request("GET", wire.url, headers))

    run(loop_factory, work)
    assert (len(wire.requests), wire.connections) == (6, 4)


def test_a_connection_serves_for_some_minutes(wire: Wire) -> None:
    """A change of the name's addresses is followed, however often the connection is used."""
    wire.play(answer(200, b"{}"))
    step = kept.IDLE / 2

    async def work(client: Client) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, skipping.SkippingLoop)
        for _ in range(round(1.5 * kept.LIFE / step)):
            await client.read(Request("GET", wire.url))
            loop.skip(step)
            await asyncio.sleep(0)

    run(skipping.SkippingLoop, work, deadline=skipping.DEADLINE)
    assert wire.connections == 2


def test_a_connection_that_was_idle_for_too_long_gets_no_request(wire: Wire) -> None:
    """Also before the timer that ends it has rung."""
    wire.play(answer(200, b"{}"))

    async def work(client: Client) -> None:
        await client.read(Request("GET", wire.url))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, skipping.SkippingLoop)
        loop._skipped += kept.IDLE
        await client.read(Request("GET", wire.url))

    run(skipping.SkippingLoop, work, deadline=skipping.DEADLINE)
    assert wire.connections == 2


def test_a_client_that_ends_lets_its_reads_fail_and_keeps_no_socket(loop_factory: Any, wire: Wire) -> None:
    wire.play(answer(200, b"{}"), SILENCE)

    async def work(client: Client) -> list[Any]:
        await client.read(Request("GET", wire.url))
        over = [asyncio.create_task(verdict(client, Request("GET", wire.url))) for _ in range(2)]
        await asyncio.to_thread(eventually, lambda: len(wire.requests) == 3)
        assert wire.connections == 2  # a kept one, and a new one
        await client.__aexit__(None, None, None)
        async with asyncio.timeout(PATIENCE):
            found: list[Any] = [await task for task in over]
        late = await verdict(client, Request("GET", wire.url))
        connections = client._connections
        assert connections._alarm is connections._sweeping is None
        return [*found, late, connections._open, len(connections._idle), len(connections._lent)]

    assert run(loop_factory, work, deadline=10 * PATIENCE) == [MayBeRinging, MayBeRinging, NotSent, 0, 0, 0]
    assert len(wire.requests) == 3


def test_an_idle_connection_is_closed_after_a_while(wire: Wire) -> None:
    wire.play(answer(200, b"{}"))

    async def work(client: Client) -> None:
        await client.read(Request("GET", wire.url))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, skipping.SkippingLoop)
        loop.skip(2 * kept.IDLE)
        while client._connections._open:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
        await client.read(Request("GET", wire.url))

    run(skipping.SkippingLoop, work, deadline=skipping.DEADLINE)
    assert wire.connections == 2


# The usual response, against h11.


def _by(usually: bool, pieces: list[bytes]) -> Any:
    """Return what the pieces of a response, and then the end, are read as."""

    def begun() -> h11.Connection:
        parser = responses.parser()
        parser.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        return parser

    incoming = responses.Incoming(begun, usually=usually)
    try:
        for place, piece in enumerate(pieces):
            if found := incoming.feed(piece):
                return found, incoming.leaves_connection, place
        return incoming.feed(b"")
    except Exception as error:
        return type(error)


_PARTS = [
    *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"404", b"100", b"204", b" OK", b" ", b"\r\n", b"\n", b"\r\n\r\n", b"\x00"),
    *(b"Content-Length: 2", b"content-length: 3", b"content-length: 2, 2", b"Content-Length: +2", b"content-length:"),
    *(b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"transfer-encoding: gzip, chunked", b" folded"),
    *(b"Connection: close", b"connection: Keep-Alive", b"Connection: upgrade", b"Upgrade: h2c", b"x-a : 1", b"x: \xff"),
    *(b"2\r\n{}\r\n", b"0\r\n\r\n", b"2;a=b\r\n{}\r\n", b"0\r\nx: y\r\n\r\n", b"{}", b"{", b"02\r\n{}\r\n", b"-2\r\n"),
]
_WHOLE = [
    OK,
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
    b"HTTP/1.1 404 Not Found\r\nDate: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nvary: a\r\nvary: b\r\ncontent-length: 2\r\n\r\n{}",
]


def test_the_usual_response_is_read_as_h11_reads_it() -> None:
    draw = random.Random(7)
    read_fast = 0
    for _ in range(6000):
        raw = draw.choice(_WHOLE)
        for _ in range(draw.choice([0, 0, 1, 1, 2])):
            at = draw.choice(
                [draw.randrange(len(raw) + 1), raw.find(b"\r\n") + 2, raw.rfind(b"\r\n\r\n") + 2, len(raw)]
            )
            lines = draw.choice(_PARTS) + draw.choice([b"", b"\r\n"])
            raw = draw.choice([raw[:at] + lines + raw[at:], raw[:at] + raw[at + 1 :], raw[:at] + lines])
        cuts = sorted(draw.randrange(len(raw) + 1) for _ in range(draw.choice([0, 0, 1, 2])))
        pieces = [piece for piece in map(raw.__getitem__, map(slice, [0, *cuts], [*cuts, None])) if piece]
        assert _by(True, pieces) == _by(False, pieces), pieces
        read_fast += isinstance(_usual(raw), Answer)
    assert 1000 < read_fast < 5000  # both kinds are compared


def _usual(raw: bytes) -> Answer | None:
    try:
        return responses.usual(raw)
    except responses.Incomplete:
        return None

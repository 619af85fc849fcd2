"""What a placing says of a hostile server, under both event loops: NotSent only if the server can have got nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import select
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from providers.adapters import exchange
from providers.adapters.base import Answer, Request
from providers.adapters.errors import MayBeRinging, NotSent, ProviderError
from providers.adapters.http import Client
from tenants.egress.event_loop import new_event_loop
from tests.providers.test_http import full_backlog
from tests.providers.wire import AMBIGUOUS, Behaviour, Wire, answer, closed_port, says
from tests.waiting import PATIENCE

T = TypeVar("T")
LOOPS = [asyncio.new_event_loop, new_event_loop]
NAME = "hooks.example.org"  # that of the certificate
GOOD = b'HTTP/1.1 201 OK\r\ncontent-length: 8\r\n\r\n{"id":1}'

Act = Callable[[Wire, socket.socket], bool]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


def run(loop_factory: Any, work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


async def verdict(client: Client, url: str, body: Any = None) -> Answer | type[ProviderError]:
    try:
        return await client.place(Request("POST", url, {"Authorization": "Bearer key"}, json=body or {"to": "+1416"}))
    except ProviderError as error:
        return type(error)


def place(loop_factory: Any, url: str, *, connect: float = PATIENCE) -> Answer | type[ProviderError]:
    async def work() -> Answer | type[ProviderError]:
        async with Client(deadline=PATIENCE, connect=connect) as client:
            return await verdict(client, url)

    return run(loop_factory, work())


def reset(conn: socket.socket) -> bool:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def then_resets(name: str, raw: bytes) -> Behaviour:
    def act(wire: Wire, conn: socket.socket) -> bool:
        wire.take(conn)
        conn.sendall(raw)
        return reset(conn)

    return Behaviour(name, act)


def passing_deadlines(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """Let the deadline of the whole exchange pass once `wire` hangs, on any kind of loop."""
    made: list[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = []
    real = asyncio.timeout

    def timeout(seconds: float) -> asyncio.Timeout:
        made.append((asyncio.get_running_loop(), real(seconds)))
        return made[-1][1]

    def hangs() -> None:
        loop, whole = made[0]

        def pass_now() -> None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                whole.reschedule(loop.time())

        loop.call_soon_threadsafe(pass_now)

    monkeypatch.setattr("providers.adapters.http.asyncio.timeout", timeout)
    wire.hangs = hangs


# What is an answer, and what may be ringing, by what the server does after it has read the request.
HEADS = [
    ("100-continue", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, 201),
    ("early hints", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + GOOD, 201),
    ("two responses", GOOD + b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", 201),
    ("chunks", b"HTTP/1.1 201 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n" + b'{"id":1}' + b"\r\n0\r\n\r\n", 201),
    ("no length", b'HTTP/1.1 201 OK\r\n\r\n{"id":1}', 201),
    ("HTTP/1.0", b'HTTP/1.0 201 OK\r\n\r\n{"id":1}', 201),
    ("a redirect", b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", 307),
    ("no content", b"HTTP/1.1 204 None\r\n\r\n", 204),
    ("a switch of protocols", b"HTTP/1.1 101 Switch\r\nupgrade: ws\r\n\r\n" + GOOD, None),
    ("only 100-continue", b"HTTP/1.1 100 Continue\r\n\r\n", None),
    ("a huge head", b"HTTP/1.1 201 OK\r\nx: " + b"y" * 300_000 + b"\r\ncontent-length: 0\r\n\r\n", None),
    ("endless headers", b"HTTP/1.1 201 OK\r\n" + b"x: y\r\n" * 50_000, None),
    ("two lengths", b'HTTP/1.1 201 OK\r\ncontent-length: 8\r\ncontent-length: 9\r\n\r\n{"id":1}', None),
    ("a negative length", b'HTTP/1.1 201 OK\r\ncontent-length: -8\r\n\r\n{"id":1}', None),
    ("a cut chunk", b"HTTP/1.1 201 OK\r\ntransfer-encoding: chunked\r\n\r\n99\r\n{", None),
    ("a chunk that is none", b"HTTP/1.1 201 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", None),
    ("a header without a colon", b"HTTP/1.1 201 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n", None),
    ("a NUL in a header", b"HTTP/1.1 201 OK\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n", None),
    ("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d\x00\x04", None),
    ("a status of words", b"HTTP/1.1 yes\r\n\r\n", None),
    ("nothing but lines", b"\r\n\r\n\r\n", None),
]


def test_one_request_and_the_verdict_of_each_response(loop_factory: Any, wire: Wire, subtests: pytest.Subtests) -> None:
    for name, raw, status in HEADS:
        with subtests.test(name):
            wire.requests.clear()
            wire.play(says(name, raw))
            found = place(loop_factory, wire.url)
            assert (found.status if isinstance(found, Answer) else found) == (status or MayBeRinging)
            assert len(wire.requests) == 1


def test_a_reset_in_a_response_may_be_ringing(loop_factory: Any, wire: Wire, subtests: pytest.Subtests) -> None:
    head, _ = GOOD.split(b"\r\n\r\n")
    for name, raw in {
        "at once": b"",
        "in the head": head,
        "after the head": head + b"\r\n\r\n",
        "in the body": GOOD[:-1],
    }.items():
        with subtests.test(name):
            wire.requests.clear()
            wire.play(then_resets(name, raw))
            assert place(loop_factory, wire.url) is MayBeRinging
            assert len(wire.requests) == 1


def test_what_is_ambiguous_is_so_under_each_loop(
    loop_factory: Any, wire: Wire, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for behaviour in AMBIGUOUS:
        if "gzip" in behaviour.name:  # a body is not the transport's matter
            continue
        with subtests.test(behaviour.name), monkeypatch.context() as patch:
            wire.requests.clear()
            passing_deadlines(patch, wire)
            wire.play(behaviour)
            assert place(loop_factory, wire.url) is MayBeRinging
            assert len(wire.requests) <= 1


# What never gets the request.


def test_what_cannot_be_connected_to_got_nothing(
    loop_factory: Any, wire: Wire, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("tenants.egress.guard.look_up", unknown)
    with subtests.test("no such name"):
        assert place(loop_factory, "http://provider.example.org/") is NotSent
    with subtests.test("refused"):
        assert place(loop_factory, f"http://127.0.0.1:{closed_port()}/") is NotSent
    with subtests.test("not accepted"), full_backlog() as url:
        assert place(loop_factory, url, connect=0.2) is NotSent


def handshakes(serving: ssl.SSLContext) -> dict[str, Act]:
    def reset_at_once(_: Wire, conn: socket.socket) -> bool:
        return reset(conn)

    def reset_after_hello(_: Wire, conn: socket.socket) -> bool:
        conn.recv(65536)
        return reset(conn)

    def close_after_hello(_: Wire, conn: socket.socket) -> bool:
        conn.recv(65536)
        return False

    def half_a_hello(_: Wire, conn: socket.socket) -> bool:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = serving.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(conn.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        conn.sendall(outgoing.read()[:60])
        return reset(conn)

    return {found.__name__: found for found in (reset_at_once, reset_after_hello, close_after_hello, half_a_hello)}


def in_tls(serving: ssl.SSLContext, raw: bytes, *, resets: bool = False) -> Behaviour:
    def act(wire: Wire, conn: socket.socket) -> bool:
        with serving.wrap_socket(conn, server_side=True) as secured:
            wire.take(secured)
            if raw:
                secured.sendall(raw)
            return reset(secured) if resets else False

    return Behaviour("speaks TLS", act, at_once=True)


def test_a_failed_handshake_carried_no_request(
    loop_factory: Any,
    wire: Wire,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
    authority: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = authority
    monkeypatch.setattr("tenants.egress.authorities.tls_context", lambda: trusting)
    for name, act in handshakes(serving).items():
        with subtests.test(name):
            wire.play(Behaviour(name, act, at_once=True))
            assert place(loop_factory, f"https://127.0.0.1:{wire.port}/") is NotSent
    with subtests.test("a certificate of another name"):
        wire.play(in_tls(serving, GOOD))
        assert place(loop_factory, f"https://127.0.0.1:{wire.port}/") is NotSent
    assert wire.requests == []


def test_the_descriptor_of_a_connection_that_was_reset_before_its_handshake_is_closed_once(
    loop_factory: Any, authority: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    _, trusting = authority

    async def connect(sock: socket.socket) -> None:
        with pytest.raises(OSError, match="reset"):
            await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=sock, ssl=trusting, server_hostname=NAME
            )

    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        peer = server.accept()[0]
        reset(peer)
        peer.close()
        select.select([sock], [], [], PATIENCE)
        run(loop_factory, connect(sock))
        assert sock.fileno() == -1


def test_a_request_in_tls_is_sent_once_and_only_its_answer_proves_anything(
    loop_factory: Any,
    wire: Wire,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
    authority: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = authority
    monkeypatch.setattr("tenants.egress.authorities.tls_context", lambda: trusting)
    addresses(monkeypatch, "127.0.0.1")
    for raw, resets, status in ((GOOD, False, 201), (b"", False, None), (b"", True, None), (GOOD[:-1], True, None)):
        with subtests.test(raw=raw, resets=resets):
            wire.requests.clear()
            wire.play(in_tls(serving, raw, resets=resets))
            found = place(loop_factory, f"https://{NAME}:{wire.port}/")
            assert (found.status if isinstance(found, Answer) else found) == (status or MayBeRinging)
            assert [request.headers["host"] for request in wire.requests] == [f"{NAME}:{wire.port}"]


# Names with several addresses.


def addresses(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[str]:
    """Let every name have these addresses. Return the names that are looked up."""
    asked: list[str] = []

    def look_up(_: Any, host: str, port: int) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr("tenants.egress.guard.look_up", look_up)
    return asked


def test_several_addresses_get_one_request(
    loop_factory: Any, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses(monkeypatch, "127.0.0.2", "127.0.0.1")
    with Wire() as wire:
        wire.play(says("good", GOOD))
        with subtests.test("the first refuses"):
            found = place(loop_factory, f"http://{NAME}:{wire.port}/")
            assert isinstance(found, Answer)
            assert len(wire.requests) == 1
        with subtests.test("the first takes no connection"), hanging("127.0.0.2", wire.port):
            wire.requests.clear()
            assert isinstance(place(loop_factory, f"http://{NAME}:{wire.port}/"), Answer)
            assert len(wire.requests) == 1
        with subtests.test("the one that answered may have rung, so the other is not asked"):
            addresses(monkeypatch, "127.0.0.1", "127.0.0.1")
            wire.requests.clear()
            wire.play(then_resets("resets", b""))
            assert place(loop_factory, f"http://{NAME}:{wire.port}/") is MayBeRinging
            assert len(wire.requests) == 1


@contextlib.contextmanager
def hanging(host: str, port: int) -> Iterator[None]:
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind((host, port))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield


def test_a_name_is_looked_up_once_for_many_and_not_from_a_failure(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = addresses(monkeypatch, "127.0.0.1")
    wire.play(answer(201))

    async def work() -> list[Any]:
        async with Client(deadline=PATIENCE, connect=PATIENCE) as client:
            url = f"http://{NAME}:{wire.port}/"
            return await asyncio.gather(*(verdict(client, url) for _ in range(5)))

    assert all(isinstance(found, Answer) for found in asyncio.run(work()))
    assert asked == [NAME]

    failing = [True, False]

    def once(_: Any, host: str, port: int) -> Any:
        if failing.pop(0):
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("tenants.egress.guard.look_up", once)

    async def twice() -> list[Any]:
        async with Client(deadline=PATIENCE, connect=PATIENCE) as client:
            return [await verdict(client, f"http://{NAME}:{wire.port}/") for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first is NotSent
    assert isinstance(second, Answer)


# Every verdict against what the server really got.


class _Fickle:
    """A server that treats each connection at random, and keeps every byte that it gets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self.got: list[bytes] = []

    def serve(self) -> None:
        while True:
            conn, _ = self._listening.accept()
            with conn, contextlib.suppress(OSError):
                if self._act(conn) == "stop":
                    return

    def _act(self, conn: socket.socket) -> str:
        how = self._random.choice(["close", "reset", "early", "half", "read", "answer"])
        if how in ("half", "read", "answer"):
            conn.settimeout(PATIENCE)
            raw = conn.recv(20 if how == "half" else 65536)
            if raw == b"stop":
                return "stop"
            self.got.append(raw)
        if how == "early":
            conn.sendall(b"HTTP/1.1 400 Timeout\r\ncontent-length: 0\r\n\r\n")
        elif how == "answer":
            conn.sendall(GOOD)
        elif how == "reset":
            reset(conn)
        return how


def test_whatever_got_a_byte_may_be_ringing_and_got_it_once(loop_factory: Any) -> None:
    server = _Fickle(7)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()

    async def work() -> dict[str, Any]:
        found: dict[str, Any] = {}
        left = iter(range(1000))
        async with Client(deadline=PATIENCE, connect=PATIENCE) as client:

            async def some() -> None:
                for number in left:
                    found[f"/{number:04}"] = await verdict(client, f"{server.url}{number:04}")

            await asyncio.gather(*(some() for _ in range(20)))
        return found

    verdicts = run(loop_factory, work())
    while thread.is_alive():
        with contextlib.suppress(OSError), socket.create_connection(server._listening.getsockname()) as last:
            last.sendall(b"stop")
        thread.join(0.01)
    server._listening.close()
    got = Counter(raw.decode().split(" ")[1] for raw in server.got if raw)
    assert len(verdicts) == 1000
    assert set(got.values()) == {1}
    assert {path for path in got if verdicts[path] is NotSent} == set()
    answered = [path for path, found in verdicts.items() if isinstance(found, Answer) and found.status == 201]
    assert set(answered) <= set(got)
    assert MayBeRinging in verdicts.values()


def test_a_connection_that_ended_or_spoke_first_gets_no_request(
    wire: Wire, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came before the request is no response to it, so the provider has nothing, and is told nothing."""
    early: dict[str, Callable[[exchange._Receiver], None]] = {
        "ended": lambda receiver: receiver.connection_lost(None),
        "broke": lambda receiver: receiver.connection_lost(ConnectionResetError()),
        "will say no more": lambda receiver: receiver.eof_received(),
        "spoke": lambda receiver: receiver.data_received(GOOD),
    }
    real = exchange._Receiver.connection_made
    for name, happens in early.items():
        with subtests.test(name), monkeypatch.context() as patch:

            def made(receiver: exchange._Receiver, transport: asyncio.BaseTransport, happens: Any = happens) -> None:
                real(receiver, transport)
                happens(receiver)

            patch.setattr(exchange._Receiver, "connection_made", made)
            wire.play(says("good", GOOD))
            assert place(asyncio.new_event_loop, wire.url) is NotSent
    assert wire.requests == []

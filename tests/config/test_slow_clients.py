"""Slow clients do not hold up the web process: 50 of them sit there, and others are answered."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from config import buffered_worker
from config.buffered_worker import LEAST, LEAST_OF_A_FILE, PATIENCE, Channel, TcpServer, client_network
from config.strict_requests import UPLOADS_AT_ONCE, UPLOADS_OF_A_CLIENT
from tests import waiting
from tests.config.slow_application import LARGE, application

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, READERS = 50, 12  # READERS: each large answer takes a temporary file; more than there are threads are enough


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Start the web server as it is documented, with a small application."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "tests.config.slow_application", "--bind", f"127.0.0.1:{found}"]
    process = subprocess.Popen([*command, "--log-level", "critical"], cwd=ROOT)
    try:
        waiting.eventually(lambda: _answers(found))
        yield found
    finally:
        process.terminate()
        assert process.wait(waiting.PATIENCE) == 0


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=waiting.PATIENCE).text == "ok 0"
    return False


@contextlib.contextmanager
def clients(port: int, count: int, sent: bytes, **options: int) -> Iterator[list[socket.socket]]:
    """Open connections that each send something and then neither send nor read."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.get("buffer", 65536))
            client.settimeout(30)
            client.connect(("127.0.0.1", port))
            client.sendall(sent)
            found.append(client)
        yield found


ATTACKS = {
    "nothing sent": (CLIENTS, b""),
    "unfinished headers": (CLIENTS, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "),
    "unfinished body": (CLIENTS, b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf"),
    "unread answer": (READERS, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"),
}


def test_others_are_answered_while_slow_clients_sit_there(port: int) -> None:
    for name, (count, sent) in ATTACKS.items():
        with clients(port, count, sent, buffer=4096):
            assert _answers(port), name


def test_a_slow_client_that_goes_on_is_served_in_full(port: int) -> None:
    head = b"POST /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nha"
    with clients(port, 1, head) as (client,):
        assert _answers(port)
        client.sendall(b"lf")
        assert client.makefile("rb").read().endswith(b"\r\n\r\nok 4")
    with clients(port, 1, b"GET /large HTTP/1.0\r\n\r\n", buffer=4096) as (client,):
        assert _answers(port)
        _, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
        assert len(body) == LARGE


def test_a_header_spelled_with_an_underscore_is_not_taken_for_the_proxys(port: int) -> None:
    sent = b"GET /environ HTTP/1.0\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    with clients(port, 1, sent) as (client,):
        answer = client.makefile("rb").read()
    assert b"192.0.2.1" in answer and b"6.6.6.6" not in answer


def test_an_endless_line_ends_the_connection_and_a_needless_wait_does_not_begin(port: int) -> None:
    endless = b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000
    with clients(port, 1, endless) as (client,):
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    waiting = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    with clients(port, 1, waiting) as (client,):
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


def test_files_that_strangers_send_leave_no_more_than_their_room(port: int) -> None:
    file = b"POST /imports/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with clients(port, UPLOADS_AT_ONCE, file):
        waiting.eventually(lambda: _refused(port, file))
        assert _answers(port)
    waiting.eventually(lambda: not _refused(port, file))


def _refused(port: int, sent: bytes) -> bool:
    with clients(port, 1, sent) as (client,):
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            return client.recv(100).startswith(b"HTTP/1.1 503 ")
        return False


class Paced(Channel):
    """A connection without a socket. The numbers are its seconds and bytes."""

    def __init__(self, **fields: Any) -> None:
        none: list[Any] = []
        self.requests, self.request, self.total_outbufs_len, self.closed = none, None, 0, False
        self.__dict__.update(fields)

    def handle_close(self) -> None:
        self.closed = True

    class adj:
        send_bytes = 18000


class Part:
    """A request that has begun to arrive."""

    def __init__(self, takes_file: bool = False) -> None:
        self.takes_file = takes_file


def test_a_client_that_moves_almost_nothing_loses_its_connection() -> None:
    part, file, job = Part(), Part(takes_file=True), object()
    cases: list[tuple[dict[str, Any], int, bool]] = [
        ({"request": part}, 1, True),  # a header, byte by byte
        ({"request": part}, LEAST // PATIENCE + 1, False),
        ({"request": file}, LEAST_OF_A_FILE // PATIENCE - 10, True),  # a file, at the pace of other requests
        ({"request": file}, LEAST_OF_A_FILE // PATIENCE + 1, False),
        ({"total_outbufs_len": 10}, 0, True),  # an answer is not taken
        ({"total_outbufs_len": 10**6, "requests": [job]}, 0, True),
        ({"total_outbufs_len": 10**6, "requests": [job]}, 10**4, False),
        ({"total_outbufs_len": 10, "requests": [job]}, 0, False),  # the application is slow, not the client
        ({"requests": [job]}, 0, False),
        ({}, 0, False),
    ]
    for fields, rate, closed in cases:
        channel = Paced(**fields)
        for second in range(0, 10 * PATIENCE, 5):
            channel.check_pace(float(second))
            channel.moved += 5 * rate
        assert channel.closed == closed, fields


def test_a_client_that_was_done_in_between_starts_anew() -> None:
    channel: Any = Paced(request=Part())
    channel.check_pace(0)
    channel.request = None
    channel.check_pace(10)
    channel.request = Part()
    channel.check_pace(15)
    channel.check_pace(15 + PATIENCE - 1)
    assert not channel.closed
    channel.check_pace(15 + PATIENCE)
    assert channel.closed


def test_a_request_that_turns_out_to_bring_a_file_has_the_whole_time_for_it() -> None:
    channel: Any = Paced(request=Part())
    channel.check_pace(0)
    channel.request.takes_file = True
    channel.check_pace(PATIENCE)
    channel.moved = LEAST_OF_A_FILE
    channel.check_pace(2 * PATIENCE)
    assert not channel.closed


def test_the_socket_of_a_client_that_takes_no_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a socket can never be written, so that nothing may wait for that."""
    monkeypatch.setattr(buffered_worker, "PATIENCE", 0.1)
    connections: dict[int, Any] = {}
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        adjustments = Adjustments(sockets=[listening], cleanup_interval=0, outbuf_high_watermark=1024**3)
        server = TcpServer(
            application,
            connections,
            True,
            listening,
            adj=adjustments,
            dispatcher=dispatcher,
            sockinfo=info,
            bind_socket=False,
        )

        def turned(present: bool) -> bool:
            wasyncore.loop(timeout=0.05, use_poll=True, map=connections, count=1)
            found = [channel for channel in server.active_channels.values() if channel.total_outbufs_len]
            return bool(found) == present and bool(server.active_channels) == present

        try:
            with clients(listening.getsockname()[1], 1, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", buffer=4096):
                waiting.eventually(lambda: turned(True))
                waiting.eventually(lambda: turned(False))
        finally:
            dispatcher.shutdown(timeout=1)
            wasyncore.close_all(connections, ignore_all=True)


def test_one_client_does_not_take_the_places_of_all_for_files(settings: Any) -> None:
    class Server(buffered_worker.Paced):
        def __init__(self, *addresses: str) -> None:
            files = [Paced(request=Part(takes_file=True), addr=(each, 1)) for each in addresses]
            self.active_channels = dict(enumerate(files))

    mine = client_network(("8.8.8.8", 1))
    assert Server(*["8.8.8.8"] * UPLOADS_OF_A_CLIENT).has_room(mine)
    assert not Server(*["8.8.8.8"] * (UPLOADS_OF_A_CLIENT + 1)).has_room(mine)
    assert not Server(*["::ffff:8.8.8.8"] * (UPLOADS_OF_A_CLIENT + 1)).has_room(mine)
    assert Server("8.8.8.8", *["9.9.9.9"] * (UPLOADS_OF_A_CLIENT + 1)).has_room(mine)
    nearby = [f"2600:1:2:3::{number}" for number in range(UPLOADS_OF_A_CLIENT + 1)]
    assert not Server(*nearby).has_room(client_network(("2600:1:2:3:4::1", 1, 0, 0)))
    assert Server(*["10.0.0.5"] * UPLOADS_AT_ONCE).has_room(client_network(("10.0.0.5", 1)))  # a proxy
    assert not Server(*["10.0.0.5"] * (UPLOADS_AT_ONCE + 1)).has_room(client_network(("10.0.0.5", 1)))
    settings.TRUSTED_PROXIES = (ip_network("8.8.8.0/24"),)  # one outside sends for many as well
    assert Server(*["8.8.8.8"] * UPLOADS_AT_ONCE).has_room(client_network(("8.8.8.8", 1)))

"""The client for customers' URLs connects only to public addresses. The tests use real sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from providers import outgoing
from providers.urls_allowed import check_base_url, check_callback_url
from tenants.egress.addresses import is_public
from tests.receivers import Receiver, answering, receiving
from tests.spellings import SPELLINGS
from tests.waiting import PATIENCE

BODY = b'{"type":"call.ended"}'


def post(url: str, lookup: Any = None, tls: ssl.SSLContext | None = None, deadline: float = PATIENCE) -> int:
    async def go() -> int:
        async with outgoing.Client(lookup=lookup, tls=tls, deadline=deadline) as client:
            return await client.post(url, BODY, {"content-type": "application/json", "webhook-id": "w1"})

    return asyncio.run(go())


def words(url: str, **given: Any) -> str:
    with pytest.raises(outgoing.Undelivered) as found:
        post(url, **given)
    return str(found.value)


def words_of(text: str) -> list[str]:
    return text.split()


# Addresses.

PRIVATE = words_of(
    """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1
    198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ::
    ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1
    2001:0:7f00:1:: 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fd12:3456::1
    fe80::1 fe80::1%eth0 fec0::1 ff02::1 168.63.129.16 100.100.100.200 fd00:ec2::254
    fd20:ce::254 localhost example.org 127.1 0x7f000001
    """
)
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4007::200e"]


def test_which_addresses_are_public() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


# Spellings.


@pytest.fixture
def listener(settings: Any) -> Iterator[Receiver]:
    """Listen on every loopback address. No test may connect to it."""
    settings.ALLOW_LOOPBACK_URLS = False
    with receiving(host="0.0.0.0") as found:
        yield found


def test_no_spelling_of_a_private_address_is_saved_or_connected_to(listener: Receiver) -> None:
    for host in SPELLINGS:
        for url in (f"https://{host}:{listener.port}/", f"http://{host}:{listener.port}/", f"https://{host}/"):
            for check in (check_callback_url, check_base_url):
                with pytest.raises(ValidationError):
                    check(url)
            assert words(url) == "address not allowed"
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "https://",
        "https:///path",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org/#part",
        "https://example.org\t/",
        "https://example.org/ x",
        "https://example.org:99999/",
        "https://example.org/" + "x" * 2000,
        "http://example.org/",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url: str, settings: Any) -> None:
    settings.ALLOW_LOOPBACK_URLS = False
    with pytest.raises(ValidationError):
        check_callback_url(url)
    assert words(url) == "address not allowed"


def resolver(*answers: list[str]) -> Any:
    """Return a lookup that gives the next answer each time, and then repeats the last one."""
    said = iter(answers)
    last: list[str] = []
    asked: list[str] = []

    def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        nonlocal last
        asked.append(host)
        last = next(said, last)
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(kinds[ipaddress.ip_address(each).version], socket.SOCK_STREAM, 0, "", (each, port)) for each in last]

    lookup.asked = asked  # type: ignore[attr-defined]
    return lookup


# Responses and failures of the receiver.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(status: int) -> None:
    with receiving() as inside, receiving(answering(status, {"Location": inside.url})) as receiver:
        assert post(receiver.url) == status
        assert (inside.connections, len(receiver.received)) == (0, 1)


def test_an_endless_body_is_not_read_completely() -> None:
    sent: list[int] = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            sent.append(handler.wfile.write(b"x" * 65536))

    with receiving(endless) as receiver:
        assert post(receiver.url) == 200
    assert sum(sent) < 64 * 1024 * 1024


def test_a_body_that_does_not_end_costs_no_status() -> None:
    """At the deadline the client closes the response and returns its status."""
    taken = threading.Event()

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.wfile.flush()
        taken.wait(PATIENCE)

    with receiving(drip) as receiver:
        assert status_within_a_deadline(receiver.url) == 200
        taken.set()


def status_within_a_deadline(url: str) -> int:
    """Return the status at the first deadline that leaves the machine enough time for the headers."""
    for deadline in (0.3, 3.0, 30.0):
        with suppress(outgoing.Undelivered):
            return post(url, deadline=deadline)
    return post(url)


def test_failures_are_reported_by_class() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert words(f"http://127.0.0.1:{port}/") == "connection refused"
    asked = threading.Event()
    with receiving(lambda handler: asked.wait(PATIENCE)) as silent:
        assert words(silent.url, deadline=0.3) == "timed out"
        asked.set()
    with receiving(lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.2 secret banner\r\n\r\n")) as banner:
        assert words(banner.url) == "answer not readable"
    with receiving(lambda handler: handler.connection.close()) as rude:
        assert words(rude.url) == "connection broken"

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    assert words("https://nobody.example.org/", lookup=unknown) == "name not found"


# TLS.


def test_the_certificate_must_match_the_name(authority: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """The client connects to the resolved address; SNI, certificate check and Host use the name in the URL."""
    serving, trusting = authority
    seen: list[str | None] = []
    serving.sni_callback = lambda _, name, __: seen.append(name)
    lookup = resolver(["127.0.0.1"])
    with receiving(tls=serving) as receiver:
        assert post(f"https://hooks.example.org:{receiver.port}/hook", lookup=lookup, tls=trusting) == 204
        assert seen == ["hooks.example.org"]
        assert receiver.received[0].headers["host"] == f"hooks.example.org:{receiver.port}"
        other = f"https://other.example.org:{receiver.port}/hook"
        assert words(other, lookup=lookup, tls=trusting) == "certificate not valid"
        assert words(f"https://hooks.example.org:{receiver.port}/", lookup=lookup) == "certificate not valid"
        assert len(receiver.received) == 1

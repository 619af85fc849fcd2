"""Every client that leaves this installation goes where the guard lets it, and nowhere else. Real sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from providers import outgoing
from providers.adapters.base import Request
from providers.adapters.errors import Misconfigured, NotAllowed, ProviderError
from providers.adapters.http import Client
from tenants.egress import authorities, guard, policy, sessions
from tenants.egress.guard import Guard, Lookup, Refused
from tenants.egress.policy import Origin, Policy, origin
from tests.providers.conftest import authority
from tests.receivers import Receiver, answering, receiving
from tests.spellings import SPELLINGS
from tests.waiting import PATIENCE

__all__ = ["authority"]
PUBLIC, INSIDE = "93.184.216.34", "127.0.0.1"
NAME = "hooks.example.org"  # that of the certificate


def told(*addresses: str) -> Any:
    """Return a lookup that gives these addresses for every name, and counts."""

    def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        lookup.asked.append(host)  # type: ignore[attr-defined]
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (kinds[ipaddress.ip_address(each).version], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses
        ]

    lookup.asked = []  # type: ignore[attr-defined]
    return lookup


def in_turn(*answers: str) -> Any:
    """Return a lookup that gives the next answer each time, and then repeats the last one."""
    left = list(answers)

    def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        lookup.asked.append(host)  # type: ignore[attr-defined]
        found: list[tuple[Any, ...]] = told(left.pop(0) if len(left) > 1 else left[0])(host, port)
        return found

    lookup.asked = []  # type: ignore[attr-defined]
    return lookup


# The ways out. Each sends one request and returns its status, or raises what its callers handle.


def placing(url: str, lookup: Lookup) -> int:
    return _by_provider_client(lambda client: client.place(Request("POST", url, {"X-Key": "k"}, json={})), lookup)


def reading(url: str, lookup: Lookup) -> int:
    return _by_provider_client(lambda client: client.read(Request("GET", url, {"X-Key": "k"})), lookup)


def listing(url: str, lookup: Lookup) -> int:
    return _by_provider_client(lambda client: client.rows(Request("GET", url), lambda row: None), lookup)


def _by_provider_client(send: Callable[[Client], Any], lookup: Lookup) -> int:
    async def run() -> int:
        async with Client(deadline=PATIENCE, connect=PATIENCE, lookup=lookup) as client:
            return int((await send(client)).status)

    return asyncio.run(run())


def webhook(url: str, lookup: Lookup) -> int:
    async def run() -> int:
        async with outgoing.Client(deadline=PATIENCE, lookup=lookup) as client:
            return await client.post(url, b"{}", {})

    return asyncio.run(run())


def plain(url: str, lookup: Lookup) -> int:
    with sessions.plain_client(lookup=lookup) as client:
        try:
            return client.get(url).status_code
        except httpx.ConnectError as error:
            raise guard.refusal(error) or error from None


WAYS = {way.__name__: way for way in (placing, reading, listing, webhook, plain)}
PROVIDER_WAYS = ("placing", "reading", "listing")


def refused(name: str, *, odd: bool = False) -> Any:
    """Expect that this way out refuses, and does not just fail. `odd`: the spelling may be no address at all."""
    if name in PROVIDER_WAYS:
        return pytest.raises(Misconfigured if odd else NotAllowed)
    if name == "webhook":
        return pytest.raises(outgoing.Undelivered, match=r"^address not (public|allowed)$")
    return pytest.raises((Refused, httpx.InvalidURL) if odd else Refused)


@pytest.fixture
def listener(settings: Any) -> Iterator[Receiver]:
    """Listen on every address of this machine, in production mode. No test may connect to it."""
    settings.ALLOW_LOOPBACK_URLS = False
    with receiving(host="0.0.0.0") as found:
        yield found


def test_no_spelling_of_an_inner_address_is_connected_to_by_any_way(listener: Receiver) -> None:
    """Every name leads inside, so that a spelling which is taken for a name is judged by what it resolves to."""
    assert len(set(SPELLINGS)) >= 60
    for name, send in WAYS.items():
        for spelling in SPELLINGS:
            for scheme in ("https", "http"):
                with refused(name, odd=True):
                    send(f"{scheme}://{spelling}:{listener.port}/", told(INSIDE))
    assert listener.connections == 0


def test_one_inner_address_among_several_is_enough_to_refuse(listener: Receiver) -> None:
    for name, send in WAYS.items():
        for addresses in (
            [PUBLIC, INSIDE],
            [INSIDE, PUBLIC],
            [INSIDE],
            ["::1"],
            ["::ffff:127.0.0.1"],
            ["10.0.0.7"],
            ["64:ff9b::7f00:1"],
            ["169.254.169.254"],
            ["fe80::1"],
        ):
            lookup = told(*addresses)
            with refused(name):
                send(f"https://{NAME}:{listener.port}/", lookup)
            assert lookup.asked == [NAME]
    assert listener.connections == 0


def test_a_name_that_leads_inside_at_the_second_lookup_is_connected_to_as_it_was_checked(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[str] = []

    def record(self: socket.socket, address: Any) -> None:
        went.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", record)
    for name, send in WAYS.items():
        went.clear()
        lookup = in_turn(PUBLIC, INSIDE)
        monkeypatch.setattr(socket, "getaddrinfo", _numeric_or(lookup))
        with pytest.raises((ProviderError, outgoing.Undelivered, httpx.ConnectError)):
            send(f"https://{NAME}:{listener.port}/", lookup)
        assert (set(went), lookup.asked) == ({PUBLIC}, [NAME]), name
    assert listener.connections == 0


def _numeric_or(lookup: Any) -> Any:
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if more.get("flags", 0) & socket.AI_NUMERICHOST or host in (PUBLIC, INSIDE):
            return real(host, port, *args, **more)
        return lookup(host, port)

    return found


def test_the_connection_goes_to_the_address_and_everything_else_keeps_the_name(
    authority: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, trusting = authority
    seen: list[str | None] = []
    serving.sni_callback = lambda _, name, __: seen.append(name)
    monkeypatch.setattr(authorities, "tls_context", lambda: trusting)
    with receiving(tls=serving) as receiver:
        for name in ("placing", "reading", "webhook", "plain"):
            assert WAYS[name](f"https://{NAME}:{receiver.port}/", told(INSIDE)) == 204
            assert (seen.pop(), receiver.received.pop().headers["host"]) == (NAME, f"{NAME}:{receiver.port}")
        for send in WAYS.values():
            with pytest.raises((ProviderError, outgoing.Undelivered, httpx.ConnectError)):
                send(f"https://other.example.org:{receiver.port}/", told(INSIDE))
        assert receiver.received == []


def test_many_requests_share_a_lookup_and_a_silent_name_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = told(INSIDE)

    async def run() -> None:
        watching = Guard(lookup=lookup)
        found = await asyncio.gather(*(watching.addresses(NAME, 443) for _ in range(20)))
        assert {str(each[0][4]) for each in found} == {str((INSIDE, 443))}
        later = time.monotonic() + guard.KEPT + 1
        monkeypatch.setattr("tenants.egress.guard.time.monotonic", lambda: later)
        await watching.addresses(NAME, 443)
        await watching.close()

    asyncio.run(run())
    assert lookup.asked == [NAME, NAME]


def test_the_names_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "KEPT_AT_MOST", 10)

    async def run() -> int:
        watching = Guard(lookup=told(INSIDE))
        for number in range(50):
            await watching.addresses(f"h{number}.example.org", 443)
        kept = len(watching._found)
        await watching.close()
        return kept

    assert asyncio.run(run()) <= 10


def test_proxies_of_the_environment_are_used_by_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for send in WAYS.values():
            assert send(receiver.url, told(INSIDE)) in (204, 501)
        assert (proxy.connections, receiver.connections) == (0, len(WAYS))


# Hosts that an installation allows.


def allowing(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    allowed = Policy(origins=frozenset(origin(word) for word in words))
    monkeypatch.setattr(policy, "_source", lambda: allowed)


def test_an_allowed_host_is_reached_and_no_other_name_of_its_address(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.port
    allowing(monkeypatch, f"http://pbx.example.lan:{port}", f"secure.example.lan:{port}", f"http://10.0.0.5:{port}")
    for name, send in WAYS.items():
        before = listener.connections
        assert send(f"http://PBX.example.lan.:{port}/", told(INSIDE)) in (204, 501)
        assert listener.connections == before + 1
        for url in (
            f"http://other.example.lan:{port}/",  # another name of the same address
            f"https://other.example.lan:{port}/",
            f"http://pbx.example.lan:{port + 1}/",  # another port
            f"http://secure.example.lan:{port}/",  # allowed over https alone
            f"http://sub.pbx.example.lan:{port}/",
        ):
            with refused(name):
                send(url, told(INSIDE))
        for address in ("169.254.169.254", "fd00:ec2::254", "224.0.0.1", "0.0.0.0", "255.255.255.255"):
            with refused(name):  # what is never allowed
                send(f"http://pbx.example.lan:{port}/", told(address))
        assert listener.connections == before + 1


def test_an_address_is_not_reached_because_an_allowed_name_leads_to_it(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowing(monkeypatch, f"http://pbx.example.lan:{listener.port}")

    async def by_name_and_then_by_address() -> None:
        async with Client(deadline=PATIENCE, connect=PATIENCE, lookup=told(INSIDE)) as client:
            assert (await client.read(Request("GET", f"http://pbx.example.lan:{listener.port}/"))).status in (204, 501)
            for send in (client.read, client.place):
                for address in (INSIDE, "[::ffff:127.0.0.1]"):
                    with pytest.raises(NotAllowed):
                        await send(Request("GET", f"https://{address}:{listener.port}/"))

    asyncio.run(by_name_and_then_by_address())
    assert listener.connections == 1


def test_a_redirect_inside_is_refused_even_to_a_caller_that_follows(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOW_LOOPBACK_URLS = False
    with receiving() as inside, receiving(answering(307, {"Location": inside.url})) as outside:
        allowing(monkeypatch, f"http://pbx.example.lan:{outside.port}")
        url = f"http://pbx.example.lan:{outside.port}/"
        with sessions.plain_client(lookup=told(INSIDE)) as client, pytest.raises(httpx.ConnectError):
            client.post(url, follow_redirects=True)
        assert placing(url, told(INSIDE)) == webhook(url, told(INSIDE)) == 307
        assert (inside.connections, outside.connections) == (0, 3)


def test_the_setting_takes_hosts_and_says_what_is_wrong_with_others() -> None:
    assert origin("pbx.example.lan") == Origin("https", "pbx.example.lan", 443)
    assert origin("PBX.example.lan.:8443") == Origin("https", "pbx.example.lan", 8443)
    assert origin("http://10.0.0.5") == Origin("http", "10.0.0.5", 80)
    assert origin("https://[fd12::1]:5000") == Origin("https", "fd12::1", 5000)
    for word in (
        *("", "*", "*.example.lan", "10.0.0.0/8", "pbx.example.lan/path", "ftp://pbx.example.lan", "a b", "ü.example"),
        *("user@pbx.example.lan", "pbx.example.lan:0", "pbx.example.lan:99999", "pbx:x", "https://"),
        *("169.254.169.254", "224.0.0.1", "0.0.0.0", "[fd00:ec2::254]", "[::]", "127.1", "2130706433", "0x7f000001"),
    ):
        with pytest.raises(ValueError, match=r".+"):
            origin(word)


def test_before_the_settings_are_read_nothing_private_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_source", Policy)
    with receiving() as receiver:
        with pytest.raises(NotAllowed):
            reading(receiver.url, told(INSIDE))
        assert receiver.connections == 0


def test_no_socket_is_made_for_an_inner_address(settings: Any) -> None:
    """The last check, for a client that came to an address without the guard's lookup."""
    settings.ALLOW_LOOPBACK_URLS = False
    watching = Guard()
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(Refused):
            watching.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))
    watching.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (PUBLIC, 443))).close()

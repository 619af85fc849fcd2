"""The client's address behind trusted proxies, and what strangers write into a proxy's headers."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tenants.client_address import TrustedProxyMiddleware, client_address, client_network, forwarded

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1")

# The peer, X-Forwarded-For, the client's address. The entries of a chain are written from the client to the last proxy.
CHAINS = [
    ("203.0.113.9", None, "203.0.113.9"),
    ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger writes the header
    ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
    ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),  # the client sent the first entry, the proxy the second
    ("10.0.0.1", "10.9.9.9, 198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),  # two proxies of ours
    ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.3, 10.0.0.2", "198.51.100.1"),
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # a client in our own network
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "unknown", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1, _hidden, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "<script>", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1,,", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
    ("10.0.0.1", " 198.51.100.1 ", "198.51.100.1"),
    ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
    ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
    ("10.0.0.1", '"[2001:db8::7]"', "2001:db8::7"),
    ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
    ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
    ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("2001:db8:ffff::1", "2001:db8::7, 2001:db8:ffff::2", "2001:db8::7"),
    ("2001:db8:eeee::1", "198.51.100.1", "2001:db8:eeee::1"),
    ("", "198.51.100.1", "198.51.100.1"),  # a Unix socket: only this machine connects to it, and it is trusted here
    ("", None, "127.0.0.1"),
    ("", "unknown", "127.0.0.1"),
]


def through(**meta: Any) -> HttpRequest:
    """Return the request as the middleware passes it on."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    TrustedProxyMiddleware(view)(RequestFactory().get("/", **{key: it for key, it in meta.items() if it is not None}))
    return seen[0]


@pytest.fixture(autouse=True)
def _proxies(settings: Any) -> None:
    settings.TRUSTED_PROXIES = tuple(map(ip_network, PROXIES))
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy() -> None:
    for peer, chain, client in CHAINS:
        request = through(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=chain)
        assert client_address(request) == client, (peer, chain)
        assert request.META["REMOTE_ADDR"] in {client, peer if chain is None else "", ""}, "libraries read the same"
        assert forwarded(request) == (chain is not None)


def test_only_a_trusted_proxy_says_that_a_request_came_over_https() -> None:
    for peer, scheme, secure in [
        ("203.0.113.9", "https", False),
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "HTTPS", True),
        ("10.0.0.1", "http", False),
        ("10.0.0.1", "https, http", False),  # the client wrote the first word
        ("10.0.0.1", "http, https", True),
        ("10.0.0.1", None, False),
        ("2001:db8:ffff::1", "https", True),
    ]:
        assert through(REMOTE_ADDR=peer, HTTP_X_FORWARDED_PROTO=scheme).is_secure() == secure, (peer, scheme)


def test_no_other_header_names_the_client() -> None:
    for name in ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_HOST"):
        request = through(REMOTE_ADDR="10.0.0.1", **{name: "198.51.100.1"})
        assert client_address(request) == "10.0.0.1" and name not in request.META
        assert forwarded(request), "it may come through a proxy that is not configured"


def test_without_trusted_proxies_nothing_is_believed(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ()
    for peer in ("127.0.0.1", "10.0.0.1", ""):
        request = through(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="198.51.100.1", HTTP_X_FORWARDED_PROTO="https")
        assert client_address(request) == (peer or "127.0.0.1") and not request.is_secure()


def test_limits_take_a_network_that_one_client_can_use_up_for_one_client() -> None:
    for address, network in (
        ("192.0.2.77", "192.0.2.77"),
        ("::ffff:192.0.2.77", "192.0.2.77"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::", "2001:db8:1:3::"),
        ("", "127.0.0.1"),
    ):
        assert client_network(through(REMOTE_ADDR=address)) == network, address

"""Decide which network addresses are public, and which are internal ones that an installation may allow. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Python's `is_private` and `is_global` know most of these networks, but not all, and it depends on the version.
_DENIED_4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds serve a machine's secrets there
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
    )
)
_UNICAST_6 = IPv6Network("2000::/3")  # all other addresses are local, translated, multicast or unused
_DENIED_6 = tuple(
    ip_network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: contains an IPv4 address
        "3fff::/20",
    )
)
# Where clouds serve a machine's secrets, as far as these addresses look public or internal.
_METADATA = frozenset(
    ip_address(text)
    for text in (
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)
_INTERNAL = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1/128")
)


@lru_cache(4096)
def is_public(address: str) -> bool:
    """Return whether this is a public internet address. Return False for text that is not an address."""
    found = _read(address)
    if found is None or found in _METADATA or not found.is_global:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in net for net in _DENIED_4)
    return not found.scope_id and found in _UNICAST_6 and not any(found in net for net in _DENIED_6)


def is_loopback(address: str) -> bool:
    """Return whether this is an address of this machine's loopback. Return False for text that is not an address."""
    found = _read(address)
    return found is not None and found.is_loopback


def names_loopback(host: str) -> bool:
    """Return whether the host of an address is this machine's loopback."""
    return host == "localhost" or is_loopback(host)


def is_internal(address: str) -> bool:
    """Return whether an installation may allow this private address by name: never one that serves secrets."""
    found = _read(address)
    return found is not None and found not in _METADATA and any(found in net for net in _INTERNAL)


@lru_cache(4096)
def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found

"""Resolve names, check every address that is found, and create sockets for checked addresses alone.

A name is resolved once, and the connection goes to the addresses that were checked. So it does no harm when the name
leads elsewhere a moment later.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, cast

from aiohappyeyeballs import AddrInfoType, start_connection

from tenants.egress.policy import Policy, current

KEPT = 10.0  # seconds for which the checked addresses of a name are kept
KEPT_AT_MOST = 1000  # names
LOOKUPS_AT_ONCE = 64  # threads, so that a silent name server does not delay the lookups of other names
NEXT_ADDRESS = 0.25  # seconds until the next address of a name is tried too; the first connection is used
NOT_PUBLIC = "leads to a network address that is not public"
NOT_SECURE = "does not start with https://"

Lookup = Callable[..., Sequence[tuple[Any, ...]]]


class Refused(OSError):
    """This installation sends nothing there, and has sent nothing. The text is what the address does wrong."""


class Guard:
    """What one client may connect to. Use one per event loop.

    Requests that need the same name wait for one lookup. Tests pass a `lookup` instead of `socket.getaddrinfo`.
    """

    def __init__(self, *, lookup: Lookup | None = None, policy: Policy | None = None) -> None:
        self._policy = policy or current()
        self._lookup = lookup or socket.getaddrinfo
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")
        self._found: dict[tuple[str, int], tuple[float, asyncio.Task[list[AddrInfoType]]]] = {}
        self._named: set[tuple[str, int]] = set()  # addresses and ports of hosts that are allowed by name

    def check(self, scheme: str, host: str, port: int) -> None:
        """Raise Refused if no request may go out with this scheme, or to this host if it is an address and no name.

        An address needs no lookup. So without this check one would be reached because a name that is allowed leads to
        it.
        """
        if not self._policy.admits_scheme(scheme, host, port):
            raise Refused(NOT_SECURE)
        if is_address(host):
            address, named = host.strip("[]"), self._policy.names(host, port)
            if not self._policy.admits(address, named=named):
                raise Refused(NOT_PUBLIC)
            if named:  # aiohttp looks no address up
                self._named.add((address, port))

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a connected socket. Raise Refused, another OSError or UnicodeError."""
        addresses = await self.addresses(host, port)
        return await start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1, socket_factory=self.socket
        )

    async def addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Return a name's addresses, all of them checked. Raise Refused, another OSError or UnicodeError."""
        until, lookup = self._found.get((host, port), (0.0, None))
        if lookup is None or (lookup.done() and time.monotonic() > until):
            self._make_room()
            lookup = asyncio.create_task(self._look_up(host, port))
            lookup.add_done_callback(_seen)
            self._found[host, port] = (time.monotonic() + KEPT, lookup)
        try:
            return await asyncio.shield(lookup)  # who gives up must not end the lookup of the others
        except (OSError, UnicodeError):
            self._found.pop((host, port), None)
            raise

    def socket(self, info: AddrInfoType) -> socket.socket:
        """Create a socket, but only for an allowed address, however the client came to it."""
        family, kind, protocol, _, address = info
        named = (str(address[0]), address[1]) in self._named
        if not self._policy.admits(str(address[0]), named=named):
            raise Refused(NOT_PUBLIC)
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """End the lookups that nobody waits for any more."""
        lookups = [lookup for _, lookup in self._found.values()]
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make_room(self) -> None:
        if len(self._found) >= KEPT_AT_MOST:
            now = time.monotonic()
            over = [key for key, (until, lookup) in self._found.items() if lookup.done() and now > until]
            for key in over or [key for key, (_, lookup) in self._found.items() if lookup.done()]:
                del self._found[key]

    async def _look_up(self, host: str, port: int) -> list[AddrInfoType]:
        try:
            rows: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:  # it is a name, and asking for its addresses takes time
            loop = asyncio.get_running_loop()
            rows = await loop.run_in_executor(self._threads, look_up, self._lookup, host, port)
        if self._policy.names(host, port):
            self._named |= {(str(row[4][0]), port) for row in rows}
        return checked(self._policy, host, port, rows)


def look_up(lookup: Lookup, host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Ask for a name's addresses, once."""
    return lookup(host, port, type=socket.SOCK_STREAM)


def checked(policy: Policy, host: str, port: int, rows: Sequence[tuple[Any, ...]]) -> list[AddrInfoType]:
    """Return the addresses of a name. Raise Refused if any of them is not allowed, OSError if there is none."""
    if not rows:
        raise socket.gaierror(socket.EAI_NONAME, "The name has no address.")
    named = policy.names(host, port)
    if not all(policy.admits(str(row[4][0]), named=named) for row in rows):
        raise Refused(NOT_PUBLIC)
    return cast(list[AddrInfoType], list(dict.fromkeys(rows)))


@lru_cache(4096)
def is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def refusal(error: BaseException | None) -> Refused | None:
    """Return the refusal that caused an error of a library, None if another failure did."""
    while error is not None:
        for found in (error, getattr(error, "os_error", None)):
            if isinstance(found, Refused):
                return found
        error = error.__cause__ or error.__context__
    return None


def _seen(lookup: asyncio.Task[Any]) -> None:
    """Take note of a failure, because all who waited for it may have given up."""
    if not lookup.cancelled():
        lookup.exception()

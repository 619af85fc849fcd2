"""Send requests to providers, return responses and classify failures. No other module sends to a provider.

Placing uses a transport of our own (`exchange.py`), because only the code that writes knows whether anything was sent.
Each placing opens a new connection. Reads may be repeated, so they use kept connections (`kept.py`). Lists of calls are
read with aiohttp, because they may be long.

All connect through one guard (`tenants/egress/`), so a request whose address is not public is not sent. All use
HTTP/1.1, at most 2 MiB, and one deadline for the whole exchange. They use no redirects, no proxies from the environment
and no cookies. They ask for no compression; undoing it is left to the decoder, because evidence is kept as
it came. A list of calls is read row by row and may be longer. No error message contains an address, a header or a key.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
import h11
from yarl import URL

from providers.adapters.base import Answer, Request
from providers.adapters.decoding import MAX_BODY
from providers.adapters.encoding import Encoded, encode
from providers.adapters.errors import MayBeRinging, Misconfigured, NotAllowed, NotSent, ProviderError
from providers.adapters.exchange import Exchange, TooLate
from providers.adapters.kept import Connections, Read
from providers.adapters.responses import too_long
from providers.adapters.rows import Splitter
from tenants.egress import authorities, sessions
from tenants.egress.guard import Guard, Lookup, Refused, refusal
from tenants.egress.policy import PORTS

DEADLINE = 30.0  # seconds for the whole exchange
CONNECT = 5.0  # seconds each for name lookup, connection and TLS
LISTS = 20  # lists of calls that are read at once
NO_ANSWER = "The provider did not answer in time."
NOT_CONNECTED = "Could not connect to the provider; nothing was sent."
NO_ADDRESS = (
    "The name in the account's address was not found; nothing was sent. Check the address, and this machine's DNS."
)
CERTIFICATE = "Calls go on when it is valid. Ask the provider, and check the clock of this machine."
NOT_IN_TIME = "The provider did not accept the connection in time; nothing was sent."
BROKEN = "The connection broke before the provider answered."
UNKNOWN_FAILURE = "The connection to the provider failed."
SENTENCES: dict[type[Exception], str] = {
    h11.RemoteProtocolError: "The provider closed the connection before it answered, or did not answer in HTTP.",
    aiohttp.ServerDisconnectedError: "The provider closed the connection before it answered.",
    aiohttp.ClientPayloadError: "The provider closed the connection in the middle of its response.",
}
# What aiohttp raises while nothing is sent yet.
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL, UnicodeError)


class Client:
    """Send requests to providers. Use one per event loop, as `async with Client() as client`.

    `deadline` and `connect` are in seconds. `connections` limits the concurrent reads. Tests pass a `lookup`.
    """

    def __init__(
        self,
        *,
        deadline: float = DEADLINE,
        connect: float = CONNECT,
        connections: int = 300,
        lookup: Lookup | None = None,
    ) -> None:
        self._deadline = deadline
        self._connect = connect
        self._at_most = connections
        self._lookup = lookup

    async def __aenter__(self) -> Self:
        self._guard = Guard(lookup=self._lookup)
        timeout = aiohttp.ClientTimeout(total=self._deadline, sock_connect=self._connect)
        self._session = sessions.session(self._guard, timeout, authorities.tls_context(), limit=LISTS)
        self._connections = Connections(
            self._guard,
            authorities.tls_context(),
            connect=self._connect,
            deadline=self._deadline,
            limit=self._at_most,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()
        await self._session.close()
        await self._guard.close()

    async def place(self, request: Request, *, by: float = math.inf) -> Answer:
        """Send one request exactly once and return any complete response, redirects included.

        `by`: the moment (monotonic) after which it must not be written any more. Connecting takes time too.

        Raise NotSent only if no byte left this machine. Raise Misconfigured (our address or key) or Rejected (this
        call's data) if the request cannot be sent at all. Raise MayBeRinging for every other failure.
        """
        encoded = self._encoded(request)
        exchange = Exchange(self._guard, authorities.tls_context(), self._connect, by)
        try:
            async with asyncio.timeout(self._deadline):
                return await exchange.run(encoded)
        except Exception as error:
            raise _verdict(error, sent=exchange.sent) from None

    async def read(self, request: Request) -> Answer:
        """Send a harmless request. Raise the same errors as `place`.

        It may use a kept connection, and may be sent twice.
        """
        encoded = self._encoded(request)
        read = Read(self._connections)
        try:
            return await read.run(encoded)
        except Exception as error:
            raise _verdict(error, sent=read.sent) from None

    async def rows(self, request: Request, take: Callable[[bytes], None]) -> Answer:
        """Read a list of calls as `read` does, and call `take` with each row. The answer's body is without its rows.

        Rows that came before an error have been taken. A failed request has no rows: its answer is whole.
        """

        encoded, splitter = self._encoded(request), Splitter(take)
        try:
            async with self._session.request(
                encoded.method,
                URL(encoded.address.text, encoded=True),
                headers=encoded.headers,
                data=encoded.body or None,
                allow_redirects=False,
            ) as response:
                if 200 <= response.status < 300:
                    async for chunk in response.content.iter_any():
                        splitter.feed(chunk)
                    body = splitter.envelope()
                else:
                    body = await _whole(response)
                names = {name.lower() for name in response.headers}
                found = {name: ", ".join(response.headers.getall(name)) for name in names}
                return Answer(response.status, found, body)
        except _BEFORE_SENDING as error:
            raise _verdict(refusal(error) or error, sent=False) from None
        except Exception as error:
            raise _verdict(error, sent=True) from None

    def _encoded(self, request: Request) -> Encoded:
        encoded = encode(request)
        address = encoded.address
        try:
            self._guard.check(address.scheme, address.host, address.port or PORTS[address.scheme])
        except Refused as refused:
            raise _not_allowed(refused) from None
        return encoded


def _verdict(error: Exception, *, sent: bool) -> ProviderError:
    """Return what a failed exchange means. The error's class proves nothing; whether anything was sent does."""
    if isinstance(error, MayBeRinging):
        return error
    if isinstance(error, TooLate):
        return NotSent(NOT_IN_TIME)
    if isinstance(error, Refused):  # nothing is connected then
        return _not_allowed(error)
    if isinstance(error, TimeoutError | OSError):
        if not sent:
            return NotSent(NOT_IN_TIME if isinstance(error, TimeoutError) else _not_connected(error))
        return MayBeRinging(NO_ANSWER if isinstance(error, TimeoutError) else BROKEN)
    if isinstance(error, h11.LocalProtocolError | aiohttp.InvalidURL | UnicodeError) and not sent:
        return Misconfigured("The account's address or key cannot be sent over HTTP; enter it again.")
    return MayBeRinging(SENTENCES.get(type(error), UNKNOWN_FAILURE))


def _not_connected(error: OSError) -> str:
    """Return why there was no connection, as far as somebody can do something about it."""
    found = error.__cause__ if isinstance(error, aiohttp.ClientError) else error
    if isinstance(found, ssl.SSLCertVerificationError):
        why = found.verify_message.rstrip(".")
        return f"The provider's certificate is not valid ({why}); nothing was sent. {CERTIFICATE}"
    return NO_ADDRESS if isinstance(found, socket.gaierror) else NOT_CONNECTED


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_long(response.status, body)
    return bytes(body)


def _not_allowed(refused: Refused) -> NotAllowed:
    return NotAllowed(
        f"The account's address {refused}, so nothing was sent. Correct the address, or have the administrator of this "
        "installation allow its host (ALLOWED_OUTGOING_HOSTS)."
    )

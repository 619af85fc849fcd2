"""A gunicorn worker that slow clients do not hold up.

One thread reads requests and sends answers, for all connections at once (waitress). A request takes one of the
`--threads` only when its last byte has arrived, and gives the thread back when its answer is made, not when it is
sent. Large bodies and answers wait in temporary files. A client that moves almost nothing loses its connection.
"""

from __future__ import annotations

import os
import resource
import time
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

from config.strict_requests import FILE, UPLOADS_AT_ONCE, UPLOADS_OF_A_CLIENT, StrictRequest
from tenants.client_address import network_of_peer

PATIENCE = 20  # seconds in which a client must move something
LEAST = 10_000  # bytes in that time, unless it is done sooner
LEAST_OF_A_FILE = 1_000_000  # likewise while a file comes in, since only few may come in at once
CONNECTIONS = 1000
SPARE_FILES = 500  # file descriptors beside those of connections: temporary files, databases, logs


class Channel(HTTPChannel):
    """A connection that notices when its client hardly sends or takes anything."""

    moved = 0  # bytes, in either direction
    window: tuple[float, int, int] | None = None  # when it began, `moved` then, and how much is asked of the client

    def __init__(self, server: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self.parser_class = partial(StrictRequest, has_room=partial(server.has_room, client_network(self.addr)))

    def received(self, data: bytes) -> bool:
        self.moved += len(data)
        return bool(super().received(data))

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent = int(super().send(data, do_close=do_close))
        self.moved += sent
        return sent

    @property
    def waits_for_client(self) -> bool:
        """Return whether part of a request has arrived, or an answer waits to be taken."""
        ready = self.total_outbufs_len > 0 and (not self.requests or self.total_outbufs_len >= self.adj.send_bytes)
        return self.request is not None or ready

    def readable(self) -> bool:
        return bool(self.connected and super().readable())

    def writable(self) -> bool:
        """Return whether there is something to write. A closed socket is not asked: its number may be another's."""
        return bool(self.connected and super().writable())

    def check_pace(self, now: float) -> None:
        """Close the connection if its client has moved less than it must in PATIENCE seconds.

        Closing does not wait until the socket can be written: it never can, if the client takes nothing.
        """
        if not self.waits_for_client:
            self.window = None
            return
        least = LEAST_OF_A_FILE if self.request is not None and self.request.takes_file else LEAST
        if self.window is None or self.window[2] != least:
            self.window = now, self.moved, least
        elif now - self.window[0] >= PATIENCE:
            if self.moved - self.window[1] < least:
                self.will_close = True
                self.handle_close()
            self.window = now, self.moved, least


def client_network(address: Any) -> str | None:
    """Return the network of whoever connects, as all limits count clients. None for a proxy and for a Unix socket."""
    host = address[0] if isinstance(address, tuple) and address else ""
    return network_of_peer(str(host))


class Paced:
    """A waitress server that checks the pace of its clients."""

    channel_class = Channel
    active_channels: dict[int, Channel]

    def maintenance(self, now: float) -> None:
        super().maintenance(now)  # type: ignore[misc]  # of waitress: connections without any request
        for channel in list(self.active_channels.values()):
            channel.check_pace(now)

    def has_room(self, network: str | None) -> bool:
        """Return whether one more file may come in, beside those that come in or are being read.

        The request that asks is among those that are counted.
        """
        found = [
            client_network(channel.addr)
            for channel in list(self.active_channels.values())
            for request in (channel.request, *channel.requests)
            if request is not None and request.takes_file
        ]
        return len(found) <= UPLOADS_AT_ONCE and (network is None or found.count(network) <= UPLOADS_OF_A_CLIENT)


class TcpServer(Paced, TcpWSGIServer):
    pass


class UnixServer(Paced, UnixWSGIServer):
    pass


def connections_allowed() -> int:
    """Raise this process's limit of open files as far as it may, and return how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS if soft in (wanted, resource.RLIM_INFINITY) else max(100, min(soft, wanted) - SPARE_FILES)


class BufferedWorker(Worker):
    """Run the application behind waitress, in a process that gunicorn starts, watches and stops."""

    notified = 0.0  # when gunicorn was last told that this process is alive

    def run(self) -> None:
        adjustments = Adjustments(
            sockets=[each.sock for each in self.sockets],
            threads=self.cfg.threads,
            connection_limit=connections_allowed(),
            cleanup_interval=5,
            channel_timeout=60,
            max_request_header_size=self.cfg.limit_request_line + self.cfg.limit_request_field_size * 4,
            max_request_body_size=2 * FILE,  # the limits of `strict_requests` are smaller
            inbuf_overflow=128 * 1024,
            outbuf_overflow=256 * 1024,
            outbuf_high_watermark=1024**3,  # below, an answer waits in a file and holds no thread
            clear_untrusted_proxy_headers=False,  # `tenants.client_address` decides whom to believe
            ident=None,
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(adjustments.threads)
        connections: dict[int, Any] = {}
        servers = [self._server(sock, adjustments, dispatcher, connections) for sock in adjustments.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn(connections)
        self._finish(servers, dispatcher, connections)

    def _server(self, sock: Any, adjustments: Any, dispatcher: Any, connections: dict[int, Any]) -> Any:
        kind = UnixServer if sock.family.name == "AF_UNIX" else TcpServer
        sockinfo = (sock.family, sock.type, sock.proto, sock.getsockname())
        options = {"adj": adjustments, "dispatcher": dispatcher, "sockinfo": sockinfo, "bind_socket": False}
        return kind(self.wsgi, connections, True, sock, **options)

    def _turn(self, connections: dict[int, Any]) -> None:
        now = time.monotonic()
        if now >= self.notified + 1:  # it touches a file: too much for every event
            self.notify()
            self.notified = now
        wasyncore.loop(timeout=1, use_poll=True, map=connections, count=1)

    def _finish(self, servers: list[Any], dispatcher: Any, connections: dict[int, Any]) -> None:
        """Accept nothing more, and let requests that have arrived end within gunicorn's `--graceful-timeout`."""
        for server in servers:
            server.accepting = False
        until = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < until and any(
            channel.requests or channel.total_outbufs_len
            for server in servers
            for channel in server.active_channels.values()
        ):
            self._turn(connections)
        dispatcher.shutdown(timeout=1)

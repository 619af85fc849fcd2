"""Relay TCP connections to another port of this machine, so that a test can have a server away and back."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any


@contextmanager
def relay(port: int, to: int, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> Iterator[None]:
    """Relay what connects to `port` of an address of this machine to the port `to`. `tls`: the relay's end has TLS."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            try:
                here = tls.wrap_socket(self.request, server_side=True) if tls else self.request
            except OSError:  # the client does not trust the certificate
                return
            with here, socket.create_connection(("127.0.0.1", to)) as there:
                back = threading.Thread(target=_copy, args=(there, here), daemon=True)
                back.start()
                _copy(here, there)
                back.join()

    class Server(ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        block_on_close = False  # a client may keep its connection

    with Server((host, port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def _copy(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

"""A customer's server on loopback, over real sockets: records webhooks and responds as the test wants."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Act = Callable[[BaseHTTPRequestHandler], object]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`act` may be changed while it runs. `at_once` is the largest number of simultaneous requests."""

    port: int = 0
    act: Act = lambda handler: answer(handler, 204)
    received: list[Received] = field(default_factory=list)
    at_once: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


def answer(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None, body: bytes = b""
) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def answering(status: int, headers: dict[str, str] | None = None, body: bytes = b"", after: float = 0) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(after)
        answer(handler, status, headers, body)

    return act


@contextmanager
def receiving(
    act: Act | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    receiver = Receiver()
    lock, present = threading.Lock(), [0]
    if act:
        receiver.act = act

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                present[0] += 1
                receiver.at_once = max(receiver.at_once, present[0])
            try:
                with suppress(OSError):
                    receiver.act(self)
            finally:
                with lock:
                    present[0] -= 1

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[socket.socket, object]:
            found = super().get_request()
            receiver.connections += 1
            return found

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the client closed the connection early

    server = Server((host, 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

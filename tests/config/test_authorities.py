"""EXTRA_CA_FILE: what an operator's own authority has signed is believed by every way out, and by none without it."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import certifi
import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.mail import get_connection

from config import traces
from config.authorities import bundle
from config.bucket import BucketFailed, Storage
from config.environment import read
from config.error_reports import Handler
from config.mail_url import EMAIL_URL
from config.uploads_url import UPLOADS_URL
from providers import outgoing
from providers.adapters.errors import ProviderError
from tenants import telemetry
from tenants.egress.authorities import tls_context
from tenants.egress.documents import NoDocument, read_json
from tests.buckets import serving
from tests.certificates import serving as certified
from tests.postgresql import free_port
from tests.receivers import answering, receiving
from tests.relay import relay
from tests.tenants.test_egress import WAYS
from tests.test_environment import GIVEN, NOWHERE

HOST = "localhost"  # a name that every machine knows; the certificate is for it


@pytest.fixture
def server_side(tmp_path: Path, settings: Any) -> ssl.SSLContext:
    settings.VAR_DIR = tmp_path / "var"
    return certified(tmp_path, HOST)


@contextmanager
def believing(settings: Any, file: str) -> Iterator[None]:
    """Run as a process does that was started with this setting."""
    settings.EXTRA_CA_FILE = file
    for each in (tls_context, bundle):
        each.cache_clear()
    try:
        yield
    finally:
        settings.EXTRA_CA_FILE = ""
        for each in (tls_context, bundle):
            each.cache_clear()


class Smtp(StreamRequestHandler):
    """As much of RFC 5321 as a client needs to say that it is there, with TLS from the first byte (RFC 8314)."""

    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)  # type: ignore[attr-defined]
        super().setup()

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            self.wfile.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 yes\r\n")

    def finish(self) -> None:
        super().finish()
        self.request.close()


class Servers(ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client does not believe the certificate


def by_web(send: Callable[[str], object]) -> Callable[[ssl.SSLContext], bool]:
    """Return a way that has arrived when the server got the request."""

    def arrives(tls: ssl.SSLContext) -> bool:
        with receiving(answering(200, {"Content-Type": "application/json"}, b"{}"), tls=tls) as receiver:
            try:
                send(f"https://{HOST}:{receiver.port}/")
            except (ProviderError, outgoing.Undelivered, httpx.ConnectError, NoDocument):
                assert receiver.received == []
            return len(receiver.received) == 1

    return arrives


def report(url: str) -> None:
    handler = Handler(url.replace("://", "://publickey@") + "7")
    handler.handle(logging.LogRecord("calls", logging.ERROR, __file__, 1, "It failed", (), None))
    handler.flush()
    handler.close()


def trace(url: str) -> None:
    found = traces.Collector(url, {})
    telemetry.send_to(found.take, found.flush)
    try:
        telemetry.ended("call", uuid4(), telemetry.now())
        found.flush()
    finally:
        telemetry.send_to(None)
        found.close()


def mail(tls: ssl.SSLContext) -> bool:
    with Servers(("127.0.0.1", 0), Smtp) as server:
        server.tls = tls  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            found = EMAIL_URL.read(f"smtp://{HOST}:{server.server_address[1]}?ssl=true")
            connection = get_connection(found.backend, host=found.host, port=found.port, use_ssl=found.tls, timeout=20)
            try:
                return bool(connection.open())
            except ssl.SSLCertVerificationError:
                return False
            finally:
                connection.close()
        finally:
            server.shutdown()


def s3(tls: ssl.SSLContext) -> bool:
    with serving() as found:
        port = free_port()
        with relay(port, found.port, tls):
            url = found.url.replace(f"127.0.0.1:{found.port}", f"{HOST}:{port}").replace("tls=false", "tls=true")
            try:
                Storage(**UPLOADS_URL.read(url).storage["OPTIONS"]).save("file", ContentFile(b"1"))
            except BucketFailed:
                assert not found.objects
            return bool(found.objects)


def looked_up(host: str, port: int, **more: Any) -> list[Any]:
    return socket.getaddrinfo("127.0.0.1", port, **more)


EVERY_WAY = {
    **{name: by_web(lambda url, send=send: send(url, looked_up)) for name, send in WAYS.items()},  # type: ignore[misc]
    "documents of single sign-on": by_web(read_json),
    "error reports": by_web(report),
    "traces": by_web(trace),
    "mail": mail,
    "bucket": s3,
}


@pytest.mark.parametrize("way", EVERY_WAY)
def test_each_way_out_believes_the_file_and_nothing_without_it(
    way: str, server_side: ssl.SSLContext, settings: Any, tmp_path: Path
) -> None:
    with believing(settings, ""):
        assert not EVERY_WAY[way](server_side)
    with believing(settings, str(tmp_path / "chain.pem")):
        assert EVERY_WAY[way](server_side)


def test_public_authorities_stay(server_side: ssl.SSLContext, settings: Any, tmp_path: Path) -> None:
    public = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509"]
    with believing(settings, str(tmp_path / "chain.pem")):
        joined = ssl.create_default_context(cafile=bundle())
        for context in (tls_context(), joined):
            assert context.cert_store_stats()["x509"] == public + 1
        assert [each.name for each in (tmp_path / "var").iterdir()] == ["authorities.pem"]
    with believing(settings, ""):
        assert tls_context().cert_store_stats()["x509"] == public


def test_a_file_with_a_private_key_is_refused(server_side: ssl.SSLContext, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "chain.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    with pytest.raises(ImproperlyConfigured, match=r"^EXTRA_CA_FILE names a file with a private key"):
        read(NOWHERE, GIVEN | {"EXTRA_CA_FILE": str(both)})


def test_what_editors_and_people_write_around_certificates_does_no_harm(
    server_side: ssl.SSLContext, settings: Any, tmp_path: Path
) -> None:
    chain = (tmp_path / "chain.pem").read_bytes()
    public = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509"]
    odd = tmp_path / "odd.pem"
    for written in (
        b"\xef\xbb\xbf" + chain,
        "# Autorit\u00e9 de la clinique\n".encode() + chain,
        chain.replace(b"\n", b"\r\n"),
        b"subject=CN = x\n\n" + chain + b"\n\n",
    ):
        odd.write_bytes(written)
        assert read(NOWHERE, GIVEN | {"EXTRA_CA_FILE": str(odd)}).extra_ca_file == str(odd)
        with believing(settings, str(odd)):
            for context in (tls_context(), ssl.create_default_context(cafile=bundle())):
                assert context.cert_store_stats()["x509"] == public + 1, written[:20]
    der = ssl.PEM_cert_to_DER_cert(chain.decode())
    for written in (der, b"", b"\n", b"\xff\xfe", chain[:200]):
        odd.write_bytes(written)
        with pytest.raises(ImproperlyConfigured, match=r"^EXTRA_CA_FILE names a file without certificates in PEM"):
            read(NOWHERE, GIVEN | {"EXTRA_CA_FILE": str(odd)})

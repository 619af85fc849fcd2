"""A small S3 server on loopback: the part of Amazon's protocol that Trunkline uses, with path-style addresses.

It is written from Amazon's description of its API (version 2006-03-01) and knows nothing of boto3. It checks the name
of the key and not the signature.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY, SECRET, BUCKET = "AKIATRUNKLINE", "s3cr3t/s3cr3t+s3cr3t", "trunkline-uploads"


@dataclass
class Bucket:
    """What the server holds: object -> its bytes and when they were written. `requests` are method and path."""

    port: int = 0
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    refuses: int = 0  # the status of every answer, 0: none is refused

    @property
    def url(self) -> str:
        """Return the address as UPLOADS_URL has it."""
        return f"s3://{KEY}:{SECRET.replace('/', '%2F')}@127.0.0.1:{self.port}/{BUCKET}?tls=false"

    def written(self, name: str, data: bytes, at: datetime | None = None) -> None:
        self.objects[name] = data, at or datetime.now(UTC)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def bucket(self) -> Bucket:
        return cast(_Server, self.server).bucket

    def handle_one_request(self) -> None:
        self.close_connection = False
        super().handle_one_request()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if name := self._object():
            self.bucket.written(name, body)
            self._answer(200, headers={"ETag": f'"{_digest(body)}"'})

    def do_GET(self) -> None:
        if (name := self._object()) is None:
            return
        if not name:
            self._list()
            return
        data, at = self.bucket.objects.get(name, (None, None))
        if data is None or at is None:
            self._refuse(404, "NoSuchKey")
            return
        if self.headers.get("If-Match", f'"{_digest(data)}"') != f'"{_digest(data)}"':
            self._refuse(412, "PreconditionFailed")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, end = (int(wanted[1]), int(wanted[2]) + 1) if wanted else (0, len(data))
        headers = {"ETag": f'"{_digest(data)}"', "Last-Modified": format_datetime(at, usegmt=True)}
        self._answer(206 if wanted else 200, data[start:end], headers)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        if name := self._object():
            self.bucket.objects.pop(name, None)
            self._answer(204)

    def _object(self) -> str | None:
        """Return the name of the object, "" for the bucket itself. None: the request is refused and answered."""
        bucket, _, name = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        self.bucket.requests.append((self.command, name))
        signed = re.match(rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/", self.headers.get("Authorization", ""))
        if self.bucket.refuses:
            self._refuse(self.bucket.refuses, "ServiceUnavailable")
        elif not signed:
            self._refuse(403, "InvalidAccessKeyId")
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        else:
            return name
        return None

    def _list(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        prefix = asked.get("prefix", [""])[0]
        rest = {name: name.removeprefix(prefix) for name in sorted(self.bucket.objects) if name.startswith(prefix)}
        folders = {prefix + name.partition("/")[0] + "/" for name in rest.values() if "/" in name}
        files = [name for name, left in rest.items() if "/" not in left]
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>{self.bucket.objects[name][1]:%Y-%m-%dT%H:%M:%S.000Z}"
            f"</LastModified><Size>{len(self.bucket.objects[name][0])}</Size></Contents>"
            for name in files
        )
        entries += "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
        text = f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self._answer(200, text.encode(), {"Content-Type": "application/xml"})

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bucket: Bucket


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


@contextmanager
def serving() -> Iterator[Bucket]:
    """Run the server with an empty bucket."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.bucket = Bucket(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.bucket
        finally:
            server.shutdown()
            thread.join()

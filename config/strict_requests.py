"""Requests that leave no doubt where they end, and no more of a body than its address takes. Knows no Django.

A proxy and this server must never disagree where one request ends and the next begins. So what can be read in two ways
is refused, and the connection closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

HEADERS = 100
CHUNK_LINE = 1024  # bytes: the size of a chunk and its extensions
TRAILER = 8192  # bytes
UPLOADS = re.compile(r"/imports?(/preview)?/?$")  # the addresses that take a file
FILE = 600 * 1024 * 1024  # IMPORT_MAX_BYTES is less, and its refusal explains itself
OTHER_BODY = 2 * 1024 * 1024  # likewise DATA_UPLOAD_MAX_MEMORY_SIZE
UPLOADS_AT_ONCE = 16  # in one process, so that strangers do not fill the disk with temporary files
UPLOADS_OF_A_CLIENT = 4  # of these, so that one client does not take the places of all

_FOLDED = re.compile(rb"\r\n[ \t]")
_LENGTH = re.compile(rb"^content-length[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^transfer-encoding[ \t]*:[ \t]*([^\r]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Busy(Error):
    code, reason = 503, "Service Unavailable"


class StrictRequest(HTTPRequestParser):
    """Read one request. `has_room` says whether one more file may come in now."""

    completed: bool
    error: Error | None
    expect_continue: bool
    takes_file = False

    def __init__(self, adj: object, has_room: Callable[[], bool]) -> None:
        super().__init__(adj)
        self.has_room = has_room

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
            _check(header_plus, self.version)
        finally:
            # Nobody is asked to go on with a request that has no body or is refused.
            self.expect_continue = self.expect_continue and (self.chunked or 0 < self.content_length <= self.most)
        self.takes_file = self.most == FILE and (self.chunked or self.content_length > OTHER_BODY)

    @property
    def most(self) -> int:
        """Return how many bytes a body for this address may have."""
        return FILE if UPLOADS.search(getattr(self, "path", "")) else OTHER_BODY

    def received(self, data: bytes) -> int:
        began = self.headers_finished
        consumed = int(super().received(data))
        if self.headers_finished and not self.error:
            self.error = self._fault(began)
            self.completed = self.completed or self.error is not None
        if self.error:
            self.expect_continue = False
        return consumed

    def _fault(self, began: bool) -> Error | None:
        if max(self.content_length, self.body_bytes_received) > self.most:
            return RequestEntityTooLarge(f"A body for this address has at most {self.most} bytes.")
        body = self.body_rcv
        if isinstance(body, ChunkedReceiver) and (len(body.control_line) > CHUNK_LINE or len(body.trailer) > TRAILER):
            return BadRequest("A line between chunks is too long.")
        if self.takes_file and not began and not self.has_room():
            return Busy("Too many files are being uploaded. Try again later.")
        return None


def _check(head: bytes, version: str) -> None:
    """Raise ParsingError for a head of a request that a proxy may read otherwise than this server."""
    encodings, lengths = _ENCODING.findall(head), _LENGTH.findall(head)
    if version not in ("1.0", "1.1"):
        raise ParsingError("HTTP/1.0 and HTTP/1.1 are understood")
    if _FOLDED.search(head):
        raise ParsingError("A header continues on a second line")
    if encodings and (lengths or version == "1.0" or [each.lower() for each in encodings] != [b"chunked"]):
        raise ParsingError("The length of the body is not certain")
    if head.count(b"\r\n") > HEADERS + 2:  # the first line, and the empty one
        raise ParsingError("There are too many headers")

"""Requests that a proxy may read otherwise, or that grow without end, are refused (RFC 9112)."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from waitress.adjustments import Adjustments

from config.strict_requests import CHUNK_LINE, FILE, OTHER_BODY, TRAILER, UPLOADS, StrictRequest

ADJUSTMENTS = Adjustments(max_request_body_size=2 * FILE)
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
UPLOAD = b"POST /api/v1/contact-lists/1/imports/ HTTP/1.1\r\nHost: a\r\n"


def read(*sent: bytes, room: bool = True) -> Any:
    request = StrictRequest(ADJUSTMENTS, lambda: room)
    for data in sent:
        while data and not request.completed:
            data = data[request.received(data) :]
    return request


def code(*sent: bytes, room: bool = True) -> int:
    """Return the status with which a request is refused at once, 0 if it is not."""
    request = read(*sent, room=room)
    request.close()
    assert not request.error or (request.completed and not request.expect_continue)
    return request.error.code if request.error else 0


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def test_a_request_that_can_be_read_in_two_ways_is_refused() -> None:
    chunks = b"\r\n2\r\nhi\r\n0\r\n\r\n"
    refused = {
        "two lengths": POST + length(2) + length(3) + b"\r\nhi",
        "the same length twice": POST + length(2) + length(2) + b"\r\nhi",
        "length and chunks": POST + length(4) + CHUNKED + chunks,
        "chunks and length": POST + CHUNKED + b"content-length : 4\r\n" + chunks,
        "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n" + chunks,
        "chunked in two lines": POST + CHUNKED + CHUNKED + chunks,
        "chunks in 1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + chunks,
        "chunks in 1.2": POST.replace(b"1.1", b"1.2") + CHUNKED + chunks,
        "an unknown version": POST.replace(b"1.1", b"9.9") + b"\r\n",
        "a folded header": POST + b"X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n",
        "a folded encoding": POST + b"Transfer-Encoding:\r\n\tchunked\r\n" + chunks,
        "a signed length": POST + b"Content-Length: +2\r\n\r\nhi",
        "a negative chunk": POST + CHUNKED + b"\r\n-2\r\nhi\r\n0\r\n\r\n",
        "a bare LF after a chunk's size": POST + CHUNKED + b"\r\n2;\nhi\r\n0\r\n\r\n",
        "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n" + chunks,
        "more headers than anybody needs": POST + b"X: a\r\n" * 100 + b"\r\n",
    }
    assert {name: code(sent) for name, sent in refused.items()} == dict.fromkeys(refused, 400)
    read_in_full = (
        POST + length(2) + b"\r\nhi",
        POST + b"transfer-encoding:  Chunked \r\n" + chunks,
        POST.replace(b"1.1", b"1.0") + length(2) + b"\r\nhi",
        POST + b"X: a\r\n" * 98 + length(2) + b"\r\nhi",
    )
    for sent in read_in_full:
        for parts in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
            request = read(*parts)
            assert request.completed and not request.error
            assert request.get_body_stream().read() == b"hi"


def test_a_line_between_chunks_does_not_grow_without_end() -> None:
    assert code(POST + CHUNKED + b"\r\n2;", b"a" * CHUNK_LINE, b"a") == 400
    assert code(POST + CHUNKED + b"\r\n0\r\nX: ", b"a" * TRAILER, b"a") == 400
    assert code(POST + CHUNKED + b"\r\n2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n") == 0


def test_a_body_is_as_large_as_its_address_allows() -> None:
    assert code(POST + length(OTHER_BODY) + b"\r\n") == 0
    assert code(POST + length(OTHER_BODY + 1) + b"\r\n") == 413
    assert code(POST + CHUNKED + b"\r\n%x\r\n" % FILE, b"a" * (OTHER_BODY - 100)) == 0  # sizes of chunks count too
    assert code(POST + CHUNKED + b"\r\n%x\r\n" % FILE, b"a" * OTHER_BODY, b"a") == 413
    assert code(UPLOAD + length(FILE) + b"\r\n") == 0
    assert code(UPLOAD + length(FILE + 1) + b"\r\n") == 413


def test_files_come_in_while_there_is_room() -> None:
    for large in (length(OTHER_BODY + 1), CHUNKED):
        assert code(UPLOAD + large + b"\r\n", room=False) == 503
        assert code(UPLOAD + large + b"\r\n", room=True) == 0
    assert code(UPLOAD + length(OTHER_BODY) + b"\r\n", room=False) == 0  # a small file always has room


def test_only_a_body_that_is_wanted_is_asked_for() -> None:
    expect = b"Expect: 100-continue\r\n\r\n"
    assert read(POST + length(2) + expect).expect_continue
    assert read(POST + CHUNKED + expect).expect_continue
    assert read(UPLOAD + length(FILE) + expect).expect_continue
    for sent in (b"GET / HTTP/1.1\r\n" + expect, POST + length(0) + expect, POST + length(OTHER_BODY + 1) + expect):
        request = read(sent)
        assert request.completed and not request.expect_continue


def test_every_address_that_takes_a_file_may_be_sent_one() -> None:
    def addresses(found: Any, before: str = "") -> list[str]:
        if isinstance(found, URLPattern):
            return [before + str(found.pattern)]
        assert isinstance(found, URLResolver)
        return [each for below in found.url_patterns for each in addresses(below, before + str(found.pattern))]

    every = {path.lstrip("^/").rstrip("$") for path in addresses(get_resolver())}
    taking = {path for path in every if UPLOADS.search("/" + path)}
    assert taking == {
        "api/v1/^contact-lists/(?P<id>[^/.]+)/imports/",
        "api/v1/^contact-lists/(?P<id>[^/.]+)/imports/preview/",
        "admin/campaigns/contactlist/import/",
        "admin/campaigns/contactlist/<int:pk>/import/",
        "admin/campaigns/donotcall/import/",
    }

"""Documents of another server: whatever it draws out, one time limit covers it."""

from __future__ import annotations

import socket

import pytest

from tenants.egress import documents
from tenants.egress.documents import NoDocument, read_json
from tests.providers.wire import Behaviour, Wire, answer, says
from tests.waiting import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"


def trickles(begin: bytes, drop: bytes, *, at_once: bool = False) -> Behaviour:
    """Return a behaviour that sends a little for ever, far more often than any limit of silence."""

    def act(wire: Wire, conn: socket.socket) -> bool:
        if not at_once:
            wire.take(conn)
        conn.sendall(begin)
        while not wire.closing.wait(0.02):
            conn.sendall(drop)
        return False

    return Behaviour("trickles", act, at_once=at_once)


def test_one_limit_covers_the_whole_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "WITHIN", 0.5)
    drawn_out = [
        trickles(HEAD, b"x: y\r\n"),
        trickles(HEAD.replace(b"length: 2", b"length: 99999") + b"\r\n", b" "),
        trickles(b"", b"", at_once=True),
    ]
    for scheme, behaviour in [*(("http:", each) for each in drawn_out), ("https:", drawn_out[-1])]:
        with Wire() as wire:
            wire.play(behaviour)
            with pytest.raises(NoDocument, match="takes too long"):
                read_json(wire.url.replace("http:", scheme))


def test_what_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "WITHIN", PATIENCE)
    with Wire() as wire:
        wire.play(answer(200, b'{"a": 1}'))
        assert read_json(wire.url) == read_json(wire.url, form={"b": "c d"}, headers={"x-a": "e"}) == {"a": 1}
        first, second = wire.requests
        assert (first.method, second.method, second.body, second.headers["x-a"]) == ("GET", "POST", b"b=c+d", "e")
        assert second.headers["content-type"].startswith("application/x-www-form-urlencoded")
        refused = [
            (answer(403, b"{}"), "answered 403", True),
            (answer(302, b"{}", {"location": wire.url}), "answered 302", False),
            (answer(500, b"secret"), "answered 500", False),
            (answer(200, b"{}", {"content-encoding": "gzip"}), "is compressed", False),
            (answer(200, b" " * (documents.MOST + 1)), "too long", False),
            (answer(200, b"{"), "not JSON", False),
            (answer(200, b"[" * 100_000), "not JSON", False),
            (says("closes", b""), "no answer: ServerDisconnectedError", False),
        ]
        for behaviour, words, wrong_request in refused:
            wire.play(behaviour)
            with pytest.raises(NoDocument, match=words) as found:
                read_json(wire.url)
            assert found.value.refused is wrong_request
    for url in ("http://198.51.100.7/", "https://10.0.0.1/", "ftp://x", "no address", "https://"):
        with pytest.raises(NoDocument, match="no answer"):
            read_json(url)

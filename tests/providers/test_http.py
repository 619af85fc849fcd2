"""The HTTP client over real sockets: NotSent needs proof, every other failure is MayBeRinging."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from providers.adapters.base import Answer, Request
from providers.adapters.errors import MayBeRinging, Misconfigured, NotSent, ProviderError, Rejected
from providers.adapters.exchange import Exchange
from providers.adapters.http import Client
from tests.providers import skipping
from tests.providers.wire import AMBIGUOUS, DRIBBLE, SILENCE, Behaviour, Wire, answer, closed_port, says
from tests.waiting import PATIENCE, eventually

SECRET = "sk_live_canary"
VERBS = ["place", "read"]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


def post(url: str, **more: Any) -> Request:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return replace(Request("POST", url, headers, json={"to": "+14165550133"}), **more)


def send(
    request: Request,
    verb: str = "place",
    *,
    deadline: float = skipping.DEADLINE,
    connect: float = PATIENCE,
    wire: Wire | None = None,
) -> Answer:
    """Send the request. Deadlines pass once `wire` hangs, if it is given."""

    async def run() -> Answer:
        async with Client(deadline=deadline, connect=connect) as client:
            return await (client.place if verb == "place" else client.read)(request)

    return skipping.run(run(), wire) if wire else asyncio.run(run())


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Yield a URL whose server neither accepts nor refuses connections."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


class TestNeverSent:
    @pytest.mark.parametrize("verb", VERBS)
    def test_a_refused_connection_was_not_sent(self, verb: str) -> None:
        with pytest.raises(NotSent):
            send(post(f"http://127.0.0.1:{closed_port()}/"), verb)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_connection_that_is_not_accepted_in_time_was_not_sent(self, verb: str) -> None:
        with full_backlog() as url, pytest.raises(NotSent):
            send(post(url), verb, connect=0.2)

    def test_a_deadline_that_passes_while_connecting_was_not_sent(self) -> None:
        with full_backlog() as url, pytest.raises(NotSent):
            send(post(url), deadline=0.2, connect=5)

    def test_a_failed_handshake_was_not_sent(self, wire: Wire) -> None:
        def answer_in_clear(_: Wire, conn: socket.socket) -> bool:
            conn.sendall(b"HTTP/1.1 400 No\r\n\r\n")
            return False

        wire.play(Behaviour("answers TLS with text", answer_in_clear))
        with pytest.raises(NotSent):
            send(post(f"https://127.0.0.1:{wire.port}/"))
        assert wire.requests == []

    def test_a_handshake_that_is_not_finished_in_time_was_not_sent(self, wire: Wire) -> None:
        wire.play(Behaviour("takes the hello and waits", lambda wire, conn: wire.closing.wait(PATIENCE)))
        with pytest.raises(NotSent):
            send(post(f"https://127.0.0.1:{wire.port}/"), connect=0.3)

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize(
        "url", ["ftp://127.0.0.1/", "127.0.0.1/", "http://", "http://[::1", "http://a:99999/", "http://" + "a" * 70]
    )
    def test_an_invalid_address_is_misconfigured(self, url: str, verb: str) -> None:
        with pytest.raises(Misconfigured):
            send(post(url), verb)

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("key", ["", "clé", "a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb", "\u4e2d", "\udc80"])
    def test_a_key_that_cannot_be_sent_is_misconfigured_and_not_shown(self, wire: Wire, key: str, verb: str) -> None:
        wire.play(answer(200))
        with pytest.raises(Misconfigured) as caught:
            send(post(wire.url, headers={"X-Key": key and f"{SECRET}{key}"}), verb)
        assert SECRET not in str(caught.value)
        assert wire.connections == 0

    @pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": "\ud800"}, {"a": object()}, {"a": float("inf")}])
    def test_data_that_cannot_be_encoded_is_rejected(self, wire: Wire, data: object) -> None:
        wire.play(answer(200))
        with pytest.raises(Rejected):
            send(post(wire.url, json=data))
        assert wire.connections == 0


class TestWhatMayHaveRung:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("behaviour", [b for b in AMBIGUOUS if "gzip" not in b.name], ids=str)
    def test_everything_else_may_be_ringing(self, wire: Wire, behaviour: Behaviour, verb: str) -> None:
        wire.play(behaviour)
        with pytest.raises(MayBeRinging):
            send(post(wire.url), verb, wire=wire)

    def test_one_placing_is_one_request_whatever_happens(self, wire: Wire) -> None:
        for behaviour in AMBIGUOUS[1:7]:
            wire.requests.clear()
            wire.play(behaviour)
            with pytest.raises(MayBeRinging):
                send(post(wire.url))
            assert len(wire.requests) == 1

    def test_the_deadline_covers_the_whole_exchange(self, wire: Wire) -> None:
        """Each single read succeeds long before it; without the deadline this would not end."""
        wire.play(DRIBBLE)
        with pytest.raises(MayBeRinging):
            send(post(wire.url), wire=wire)

    def test_a_response_that_is_too_long_keeps_its_start_as_evidence(self, wire: Wire) -> None:
        wire.play(says("long", b"HTTP/1.1 201 OK\r\n\r\nstart" + b"x" * 3_000_000))
        with pytest.raises(MayBeRinging) as caught:
            send(post(wire.url))
        assert caught.value.evidence.startswith(b"start")
        assert len(caught.value.evidence) <= 4096
        assert caught.value.status == 201


class TestAnswers:
    @pytest.mark.parametrize("verb", VERBS)
    def test_an_answer_comes_back_as_it_is(self, wire: Wire, verb: str) -> None:
        wire.play(answer(418, b'{"a": 1}', {"X-Mixed": "Case", "link": "<a>"}))
        got = send(post(wire.url), verb)
        assert (got.status, got.body) == (418, b'{"a": 1}')
        assert (got.headers["x-mixed"], got.headers["link"]) == ("Case", "<a>")

    @pytest.mark.parametrize("verb", VERBS)
    def test_an_answer_with_a_transcript_in_it_is_read_whole(self, wire: Wire, verb: str) -> None:
        body = {"transcript": "so, " * 250_000, "id": "x1"}
        wire.play(answer(201, body))
        assert json.loads(send(post(wire.url), verb).body) == body

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_redirect_is_an_answer_and_is_not_followed(self, wire: Wire, verb: str) -> None:
        wire.play(answer(307, b"", {"location": f"{wire.url}/elsewhere"}))
        assert send(post(wire.url), verb).status == 307
        assert len(wire.requests) == 1

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_compressed_body_is_not_decompressed(self, wire: Wire, verb: str) -> None:
        wire.play(answer(200, b"\x1f\x8brubbish", {"content-encoding": "gzip"}))
        assert send(post(wire.url), verb).body == b"\x1f\x8brubbish"

    def test_a_connection_for_placing_serves_one_request(self, wire: Wire) -> None:
        wire.play(answer(200))

        async def run() -> None:
            async with Client() as client:
                for _ in range(3):
                    await client.place(post(wire.url))

        asyncio.run(run())
        assert wire.connections == 3
        assert {request.headers["connection"] for request in wire.requests} == {"close"}

    def test_a_connection_for_reads_serves_several_requests(self, wire: Wire) -> None:
        wire.play(answer(200, b"{}"))

        async def run() -> None:
            async with Client() as client:
                for _ in range(3):
                    await client.read(Request("GET", wire.url))

        asyncio.run(run())
        assert (wire.connections, len(wire.requests)) == (1, 3)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_cookie_of_one_account_is_not_sent_for_another(self, wire: Wire, verb: str) -> None:
        wire.play(answer(200, b"{}", {"set-cookie": "session=1; Path=/"}))

        async def run() -> None:
            async with Client() as client:
                for _ in range(2):
                    await getattr(client, verb)(Request("GET", f"http://localhost:{wire.port}/"))

        asyncio.run(run())
        assert "cookie" not in wire.requests[1].headers

    @pytest.mark.parametrize("verb", VERBS)
    def test_proxies_in_the_environment_are_ignored(
        self, wire: Wire, verb: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
        wire.play(answer(200, b"{}"))
        assert send(post(wire.url), verb).status == 200

    @pytest.mark.parametrize("verb", VERBS)
    def test_only_the_given_request_is_sent(self, wire: Wire, verb: str) -> None:
        wire.play(answer(200))
        send(post(f"{wire.url}/prefix/a%2Fb", query={"limit": "1", "after": "a&b"}), verb)
        request = wire.requests[0]
        assert request.line == "POST /prefix/a%2Fb?limit=1&after=a%26b HTTP/1.1"
        assert request.json == {"to": "+14165550133"}
        known = {"host", "authorization", "content-type", "content-length", "accept-encoding", "user-agent"}
        assert set(request.headers) - {"connection", "accept"} == known
        assert request.headers["accept-encoding"] == "identity"

    def test_a_form_is_sent_as_fields_and_not_as_files(self, wire: Wire) -> None:
        wire.play(answer(200))
        form = {"phone_number": "tel:+16175550144;ani=6175550100", "variables": '{"a": "é\\"\\n"}', "empty": ""}
        send(Request("POST", wire.url, form=form))
        assert wire.requests[0].headers["content-type"].startswith("multipart/form-data; boundary=")
        assert wire.requests[0].parts == form


class TestLists:
    def rows(self, url: str) -> tuple[Answer | ProviderError, list[bytes]]:
        found: list[bytes] = []

        async def run() -> Answer | ProviderError:
            async with Client() as client:
                try:
                    return await client.rows(Request("GET", url), found.append)
                except ProviderError as error:
                    return error

        return asyncio.run(run()), found

    def test_a_list_of_any_length_is_read_row_by_row(self, wire: Wire) -> None:
        rows = [{"id": f"c-{number}", "note": "x" * 60_000} for number in range(100)]
        wire.play(answer(200, {"data": rows, "has_more": True}))
        envelope, found = self.rows(wire.url)
        assert [json.loads(row) for row in found] == rows
        assert isinstance(envelope, Answer)
        assert json.loads(envelope.body) == {"data": [], "has_more": True}
        assert envelope.headers["content-type"] == "application/json"

    def test_a_compressed_list_is_read_too(self, wire: Wire) -> None:
        wire.play(answer(200, gzip.compress(b'[{"id": 1}, {"id": 2}]')))
        assert self.rows(wire.url)[1] == [b'{"id": 1}', b'{"id": 2}']

    def test_a_failed_read_has_no_rows(self, wire: Wire) -> None:
        wire.play(answer(401, b'["no", "key"]'))
        envelope, found = self.rows(wire.url)
        assert isinstance(envelope, Answer)
        assert (envelope.status, envelope.body, found) == (401, b'["no", "key"]', [])

    def test_rows_before_a_broken_connection_are_taken(self, wire: Wire) -> None:
        wire.play(says("cut", b'HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n[{"id": 1}, {"id": 2'))
        error, found = self.rows(wire.url)
        assert isinstance(error, MayBeRinging)
        assert found == [b'{"id": 1}']


class TestStopping:
    def test_a_cancellation_propagates(self, wire: Wire) -> None:
        wire.play(SILENCE)

        async def run() -> None:
            async with Client() as client:
                task = asyncio.create_task(client.place(post(wire.url)))
                await asyncio.to_thread(eventually, lambda: wire.requests)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(run())

    def test_an_exit_propagates(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def leave(exchange: object, request: object) -> Answer:
            raise SystemExit(3)

        monkeypatch.setattr(Exchange, "run", leave)
        with pytest.raises(SystemExit):
            send(post("http://127.0.0.1:9/"))

    def test_an_unexpected_error_may_be_ringing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(exchange: object, request: object) -> Answer:
            raise RuntimeError(SECRET)

        monkeypatch.setattr(Exchange, "run", fail)
        with pytest.raises(MayBeRinging) as caught:
            send(post("http://127.0.0.1:9/"))
        assert SECRET not in str(caught.value)

    def test_no_error_names_the_address_or_the_key(self, wire: Wire) -> None:
        port = closed_port()
        wire.play(SILENCE)
        for url in (f"http://127.0.0.1:{port}/", wire.url):
            for verb in VERBS:
                with pytest.raises(ProviderError) as caught:
                    send(post(url), verb, deadline=0.2)
                assert not {"127.0.0.1", str(port), str(wire.port), SECRET} & set(str(caught.value).split())
                assert str(caught.value).endswith(".")
                assert "127" not in str(caught.value)

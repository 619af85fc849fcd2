"""The contract of every adapter, tested over a real socket.

A provider's test class inherits all tests and adds the responses from its provider's pages.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from providers.adapters import registry
from providers.adapters.base import AccountConfig, Answer, CallHandle, CallOrder, CallState, Provider, Reading, Request
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected
from providers.adapters.http import Client
from tenants.money import Money
from tests.providers import skipping
from tests.providers.odd_answers import SAY_NOTHING, OddAnswer, odd_bodies, odd_fields, odd_mixtures
from tests.providers.wire import AMBIGUOUS, Behaviour, Received, Wire, answer, closed_port
from tests.waiting import PATIENCE

NOW = datetime(2026, 5, 11, 14, 0, tzinfo=UTC)
PAGE = b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad gateway</body></html>"
HTML = {"content-type": "text/html"}


@dataclass(frozen=True)
class Case:
    """A response, and the error that it must raise."""

    status: int
    body: bytes
    error: type[ProviderError]
    headers: Mapping[str, str] = field(default_factory=dict)
    says: str = ""  # must be part of the error message

    def __str__(self) -> str:
        return f"{self.status} {self.body[:40].decode(errors='replace')!r} is {self.error.__name__}"


class ProviderContract:
    slug: ClassVar[str]
    credentials: ClassVar[dict[str, str]]
    options: ClassVar[dict[str, Any]] = {}
    order: ClassVar[CallOrder]
    placed: ClassVar[bytes]  # the documented response to a placing
    placed_id: ClassVar[str]
    status_body: ClassVar[bytes]  # the documented response to a read
    more_statuses: ClassVar[list[bytes]] = []  # of calls with other ends
    callback: ClassVar[bytes] = b""
    states: ClassVar[dict[str, CallState]]  # from the provider's pages
    requires_own_error_format: ClassVar[bool] = True  # a 4xx in another format proves nothing
    refusals: ClassVar[list[Case]]  # unsuccessful responses to a placing
    failures: ClassVar[list[Case]]  # unsuccessful responses to a read
    samples: ClassVar[list[bytes]] = []  # more bodies for the fuzzer
    telling: ClassVar[list[tuple[str, ...]]]  # fields without which an answer may tell nothing: the status, then the ID

    def own_error(self, words: str) -> bytes:
        return json.dumps({"error": words}).encode()

    def body_with_state(self, word: Any) -> bytes:
        raise NotImplementedError

    # The rules that all providers share.

    def common_refusals(self) -> list[Case]:
        own = self.own_error("No way")
        foreign: list[tuple[int, bytes]] = [(400, b'{"fault": 1}'), (422, b"[]"), (404, b"nope"), (400, own[:-3])]
        foreign += [
            (400, own + b"<!-- x -->"),
            (422, own.replace(b'"', b"'")),
            (400, own[:-1] + b",}"),
            (404, own + own),
        ]
        return [
            *(Case(status, own, Misconfigured, says="No way") for status in (401, 402, 403)),
            *(Case(status, b"", Misconfigured) for status in (401, 403)),
            *(Case(status, own, Rejected, says="No way") for status in (400, 422)),
            *(Case(429, body, NotSent) for body in (own, b"", PAGE)),
            *(Case(status, own, MayBeRinging) for status in (408, 500, 501, 502, 503, 504, 599)),
            *(Case(status, PAGE, MayBeRinging, HTML) for status in (400, 401, 403, 404, 405, 409, 422, 500, 502, 503)),
            *(Case(status, b"", MayBeRinging, {"location": "/elsewhere"}) for status in (301, 302, 303, 307, 308)),
            *(
                Case(200, body, MayBeRinging)
                for body in (b"", b"{}", b"[]", b"null", b'"OK"', PAGE, own, self.placed[:-9])
            ),
            Case(200, b'{"a":' * 20_000, MayBeRinging),
            Case(204, b"", MayBeRinging),
            *(Case(status, body, MayBeRinging) for status, body in foreign if self.requires_own_error_format),
        ]

    def common_failures(self) -> list[Case]:
        own = self.own_error("No way")
        return [
            Case(404, own, NotFound),
            *(Case(status, own, Misconfigured, says="No way") for status in (401, 403)),
            Case(429, own, NotSent),
            *(Case(status, own, MayBeRinging) for status in (400, 408, 409, 500, 502, 503, 504)),
            *(Case(status, PAGE, MayBeRinging, HTML) for status in (200, 404, 403, 502)),
            *(Case(200, body, MayBeRinging) for body in (b"", b"{}", b"[]", b"null", own, self.status_body[:-9])),
            Case(302, b"", MayBeRinging, {"location": "/elsewhere"}),
        ]

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        if cls is ProviderContract or metafunc.cls is None:
            return
        self = metafunc.cls()
        tables: dict[str, Callable[[], list[Any]]] = {
            "refusal": lambda: self.common_refusals() + self.refusals,
            "failure": lambda: self.common_failures() + self.failures,
            "trouble": lambda: AMBIGUOUS,
            "documented": lambda: list(self.states),
        }
        for name in tables.keys() & set(metafunc.fixturenames):
            metafunc.parametrize(name, tables[name](), ids=str)

    @pytest.fixture
    def wire(self) -> Iterator[Wire]:
        with Wire() as wire:
            yield wire

    # Helpers.

    def provider(self, base_url: str = "https://provider.example", **options: Any) -> Any:
        return registry.provider(self.slug, AccountConfig(base_url, self.credentials, {**self.options, **options}))

    def handle(self, **more: Any) -> CallHandle:
        return CallHandle(
            self.placed_id,
            to_number=self.order.to_number,
            assistant_external_id=self.order.assistant_external_id,
            assistant_options=self.order.assistant_options,
            **more,
        )

    @staticmethod
    def send(request: Request, verb: str = "place", wire: Wire | None = None) -> Answer:
        """Send the request. Its deadline passes once `wire` hangs, if it is given."""

        async def run() -> Answer:
            async with Client(deadline=skipping.DEADLINE, connect=PATIENCE) as client:
                return await (client.place if verb == "place" else client.read)(request)

        return skipping.run(run(), wire) if wire else asyncio.run(run())

    def place(self, wire: Wire, behaviour: Behaviour, **options: Any) -> Reading:
        wire.play(behaviour)
        provider = self.provider(wire.url, **options)
        found: Reading = provider.read_placing(self.send(provider.place(self.order), "place", wire))
        return found

    def sent(self, wire: Wire, request: Request, verb: str = "place") -> Received:
        """Return a request as the server receives it."""
        wire.play(answer(200, b"{}"))
        self.send(request, verb)
        return wire.requests[-1]

    def read(self, body: bytes, status: int = 200, **more: Any) -> Reading:
        found: Reading = self.provider().read_status(Answer(status, {}, body), self.handle(), more.get("now", NOW))
        return found

    # Placing.

    def test_a_placed_call_has_its_id(self, wire: Wire) -> None:
        for status in (200, 201, 202):
            placed = self.place(wire, answer(status, self.placed))
            assert placed.provider_call_id == self.placed_id
            assert not placed.state.is_terminal

    def test_an_answer_that_is_no_success_is_sorted(self, wire: Wire, refusal: Case) -> None:
        with pytest.raises(ProviderError) as caught:
            self.place(wire, answer(refusal.status, refusal.body, refusal.headers))
        assert type(caught.value) is refusal.error
        assert refusal.says in str(caught.value)
        assert caught.value.status == refusal.status
        assert caught.value.evidence == refusal.body[:4096]
        assert len(wire.requests) == 1

    def test_a_refused_connection_was_not_sent(self) -> None:
        provider = self.provider(f"http://127.0.0.1:{closed_port()}")
        with pytest.raises(NotSent):
            self.send(provider.place(self.order))

    def test_a_broken_exchange_may_be_ringing(self, wire: Wire, trouble: Behaviour) -> None:
        with pytest.raises(MayBeRinging):
            self.place(wire, trouble)
        assert len(wire.requests) <= 1

    @pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("0", 1), ("99999", 3600), ("soon", None), ("", None)])
    def test_a_429_carries_the_seconds_to_wait(self, wire: Wire, value: str, seconds: float | None) -> None:
        with pytest.raises(NotSent) as caught:
            self.place(wire, answer(429, b"", {"retry-after": value}))
        assert caught.value.retry_after == seconds
        assert caught.value.throttled

    @pytest.mark.parametrize(
        "number", ["6175550144", "+1617555014x", "+1617;ani=8", "", "+", "+1 617 555 0144", "+٣٣٣٣٣٣٣"]
    )
    def test_a_number_that_is_not_e164_is_rejected_before_sending(self, number: str) -> None:
        with pytest.raises(Rejected):
            self.provider().place(dataclasses.replace(self.order, to_number=number))

    def test_a_missing_credential_is_misconfigured(self) -> None:
        provider = registry.provider_class(self.slug)(AccountConfig("https://provider.example", {}, self.options))
        builds: list[Callable[[], Request]] = [
            lambda: provider.place(self.order),
            lambda: provider.status(self.handle()),
            provider.check,
        ]
        for build in builds:
            with pytest.raises(Misconfigured):
                build()

    def test_errors_show_neither_keys_nor_numbers(self, wire: Wire) -> None:
        secrets = list(self.credentials.values())
        words = f"key {' '.join(secrets)} may not call {self.order.to_number} or (416) 555-0133\r\nforged line"
        with pytest.raises(ProviderError) as caught:
            self.place(wire, answer(400, self.own_error(words)))
        shown = str(caught.value)
        assert not [secret for secret in secrets if secret in shown]
        assert self.order.to_number not in shown
        assert "555-0133" not in shown
        assert "\n" not in shown

    # Reading.

    def test_a_read_is_a_get_without_a_body(self, wire: Wire) -> None:
        received = self.sent(wire, self.provider(wire.url).status(self.handle()), "read")
        assert (received.method, received.body) == ("GET", b"")

    def test_an_unsuccessful_read_raises_the_right_error(self, wire: Wire, failure: Case) -> None:
        wire.play(answer(failure.status, failure.body, failure.headers))
        provider = self.provider(wire.url)
        got = self.send(provider.status(self.handle()), "read")
        with pytest.raises(ProviderError) as caught:
            provider.read_status(got, self.handle(), NOW)
        assert type(caught.value) is failure.error
        assert failure.says in str(caught.value)

    def test_a_documented_status_has_its_meaning(self, documented: str) -> None:
        word = documented
        spelled = {word, word.upper(), word.title(), word.replace("-", "_"), word.replace("_", " "), f" {word} "}
        for spelling in spelled:
            found = self.read(self.body_with_state(spelling))
            assert found.state is self.states[word]
            assert found.provider_status == spelling.strip()

    @pytest.mark.parametrize("strange", ["teleported", "completed!", "ça va", "x" * 5000, 7, "\x00", "\ud800"])
    def test_an_undocumented_status_does_not_end_the_call(self, strange: Any) -> None:
        found = self.read(self.body_with_state(strange))
        assert found.state is CallState.UNRECOGNISED
        assert 0 < len(found.provider_status) <= 200
        assert not re.search("[\x00\ud800-\udfff]", found.provider_status)

    def test_the_status_of_a_request_ends_no_call(self) -> None:
        """Public reports show errors with HTTP 200: `{"status": "failed", "message": "Too many requests"}`."""
        beside: list[dict[str, Any]] = [
            {"message": "Too many requests"},
            {"error": "temporarily unavailable", "statusCode": 503},
            {"errors": ["No such key"], "data": None},
            {"detail": "Rate limit reached"},
            {"data": None},
            {"result": {"call_status": "teleported"}},
            {"response": []},
        ]
        for word in (*self.states, "success", "error"):
            for told in beside:
                body = json.dumps({"status": word} | told).encode()
                try:
                    found = self.provider().read_status(Answer(200, {}, body), CallHandle(self.placed_id), NOW)
                except ProviderError:
                    continue
                assert not found.state.is_terminal, body
                if self.states.get(word, CallState.UNRECOGNISED).is_terminal:
                    assert "state" in {remark.field for remark in found.remarks if not remark.taken}, body

    def test_an_id_cannot_change_the_path(self, wire: Wire) -> None:
        provider = self.provider(wire.url + "/prefix")
        plain = self.sent(wire, provider.status(self.handle()), "read").target
        odd = self.sent(
            wire, provider.status(dataclasses.replace(self.handle(), provider_call_id="a/../b?c#d")), "read"
        )
        assert odd.target == plain.replace(self.placed_id, "a%2F..%2Fb%3Fc%23d")
        assert plain.startswith("/prefix/")
        for nothing in ("", ".", ".."):
            with pytest.raises(ProviderError):
                provider.status(dataclasses.replace(self.handle(), provider_call_id=nothing))

    # Checking credentials.

    def test_a_check_succeeds_when_the_key_is_accepted(self, wire: Wire) -> None:
        wire.play(self.good_check())
        provider = self.provider(wire.url)
        assert provider.check().method == "GET"
        provider.read_check(self.send(provider.check(), "read"))

    def good_check(self) -> Behaviour:
        return answer(404, self.own_error("not found"))

    def test_a_check_fails_when_the_key_is_refused(self, wire: Wire) -> None:
        for status in (401, 403):
            wire.play(answer(status, self.own_error("bad key")))
            provider = self.provider(wire.url)
            with pytest.raises(Misconfigured):
                provider.read_check(self.send(provider.check(), "read"))

    @pytest.mark.parametrize("status", [200, 404, 500])
    def test_a_web_page_proves_no_key(self, wire: Wire, status: int) -> None:
        wire.play(answer(status, PAGE, HTML))
        provider = self.provider(wire.url)
        with pytest.raises(ProviderError):
            provider.read_check(self.send(provider.check(), "read"))

    # Odd answers.

    def odd_answers(self, answer: bytes) -> Iterator[OddAnswer]:
        yield from odd_fields(json.loads(answer), other_value)
        yield from odd_bodies(json.loads(answer))

    def test_an_odd_status_changes_no_outcome_and_loses_nothing_in_silence(self) -> None:
        for body in (self.status_body, *self.more_statuses):
            assert not self.faults_of_odd(body, self.read)

    def test_several_oddities_at_once_change_no_outcome(self) -> None:
        dice, faults = random.Random(f"2026 {self.slug}"), []
        for body in (self.status_body, *self.more_statuses):
            plain = self.read(body)
            for odd, touched in odd_mixtures(json.loads(body), other_value, dice, 300):
                tells = any((name,) in self.telling for name in touched)
                try:
                    found = self.read(odd)
                except MayBeRinging as error:
                    faults += [] if tells else [f"{odd!r}: {error}"]
                    continue
                if found.state is not plain.state and (found.state.is_terminal or not tells):
                    faults.append(f"{odd!r}: {found.state}")
        assert not faults

    def test_several_oddities_at_once_never_say_that_no_call_was_placed(self) -> None:
        dice, provider, placed = random.Random(f"2027 {self.slug}"), self.provider(), 0
        for odd, _ in odd_mixtures(json.loads(self.placed), other_value, dice, 300):
            with suppress(MayBeRinging):
                assert provider.read_placing(Answer(200, {}, odd)).provider_call_id
                placed += 1
        assert placed > 20  # some still name the call

    def test_an_odd_callback_changes_no_outcome_and_loses_nothing_in_silence(self) -> None:
        if self.callback:
            assert not self.faults_of_odd(self.callback, lambda body: self.provider().parse_callback({}, body))

    def faults_of_odd(self, body: bytes, read: Callable[[bytes], Reading]) -> list[str]:
        plain, faults = read(body), []
        for odd in self.odd_answers(body):
            tells = odd.path[-1:] in self.telling
            try:
                found = read(odd.body)
            except MayBeRinging as error:
                faults += [] if tells else [f"{odd}: {error}"]
                continue
            if found.state is not plain.state and (found.state.is_terminal or not tells):
                faults.append(f"{odd}: {found.state}")
            faults += [f"{odd}: {fault}" for fault in _differences(plain, found, odd)]
        return faults

    def test_a_refusal_that_names_a_call_does_not_prove_that_no_phone_rings(self) -> None:
        placed, refused = json.loads(self.placed), json.loads(self.own_error("No way"))
        provider = self.provider()
        for status in (400, 401, 402, 403, 404, 405, 409, 422, 429):
            for body in (placed | refused, refused | {"data": placed}, refused | {"call": placed}):
                with pytest.raises(MayBeRinging):
                    provider.read_placing(Answer(status, {}, json.dumps(body).encode()))

    def test_an_answer_to_a_placing_never_ends_the_call(self) -> None:
        placed, provider = json.loads(self.placed), self.provider()
        for word in provider.statuses:
            found = provider.read_placing(Answer(201, {}, json.dumps(placed | {"status": word}).encode()))
            assert not found.state.is_terminal, word
            assert found.provider_call_id

    def test_an_odd_answer_to_a_placing_never_says_that_no_call_was_placed(self) -> None:
        provider, faults = self.provider(), []
        for odd in self.odd_answers(self.placed):
            tells = odd.path[-1:] in self.telling
            try:
                placed = provider.read_placing(Answer(200, {}, odd.body))
            except MayBeRinging as error:
                faults += [] if tells else [f"{odd}: {error}"]
                continue
            if placed.state.is_terminal or placed.state is CallState.UNRECOGNISED:
                faults.append(f"{odd}: {placed.state}")
            if placed.provider_call_id != self.placed_id and not (tells and odd.manner in ("negative", "huge")):
                faults.append(f"{odd}: another ID, {placed.provider_call_id}")
            if "different" in odd.manner and odd.path[-1:] in self.telling[1:]:
                faults.append(f"{odd}: two IDs name one call")
        assert not faults

    # Declarations.

    def test_unknown_options_are_faults(self) -> None:
        kind = registry.provider_class(self.slug)
        assert kind.check_options({"colour": "red"}) == {"colour": "This provider has no such option."}
        account = AccountConfig("https://provider.example", self.credentials, self.options)
        assert "options.colour" in kind.check_assistant("id", {"colour": "red"}, account)

    def test_the_contracts_own_account_and_assistant_have_no_faults(self) -> None:
        kind = registry.provider_class(self.slug)
        assert kind.check_options(self.options) == {}
        account = AccountConfig("https://provider.example", self.credentials, self.options)
        faults = kind.check_assistant(self.order.assistant_external_id, self.order.assistant_options, account)
        assert faults == {}
        assert set(kind.required_credentials) <= set(self.credentials)

    # Fuzzing.

    @pytest.mark.parametrize("count", [600, pytest.param(2500, marks=pytest.mark.proof)])
    def test_mutated_bodies_raise_only_provider_errors(self, count: int) -> None:
        dice = random.Random(f"2026 {self.slug}")
        bodies = [
            self.placed,
            self.status_body,
            self.callback or self.status_body,
            self.own_error("No"),
            PAGE,
            *self.samples,
        ]
        provider, read = self.provider(), 0
        for _ in range(count):
            body = _mutated(dice.choice(bodies), dice)
            headers = {dice.choice(HEADERS): _mutated(dice.choice(VALUES), dice).decode("latin-1") for _ in range(2)}
            got = Answer(dice.choice([200, 200, 201, 204, 400, 401, 404, 409, 429, 500, 302]), headers, body)
            for found in _everything(provider, got, self.handle()):
                read += 1
                _assert_storable(found)
        assert read > count / 25  # some mutated bodies are still readable


TOLD = (
    *("provider_call_id", "provider_status", "reference", "to_number", "created_at", "started_at", "answered_at"),
    *("ended_at", "duration_seconds", "billed_duration_seconds", "price", "provider_reason", "answered_by"),
    *("error_code", "error_message", "result"),
)


def _differences(plain: Reading, found: Reading, odd: OddAnswer) -> Iterator[str]:
    """Return what an odd answer says that nobody said, and what it does not say any more, without a remark."""
    lost = []
    for name in TOLD:
        before, after = getattr(plain, name), getattr(found, name)
        if after == before or (name == "provider_status" and found.state is CallState.UNRECOGNISED):
            continue
        if after in (None, ""):
            lost += [] if name == "result" and found.result_text else [name]
        elif name != "result" and not (isinstance(after, str) and after in odd.body.decode()):
            yield f"{name} is {after!r}, which nobody said"
    silent = all(remark.taken for remark in found.remarks) and odd.manner not in SAY_NOTHING
    if lost and (silent or not odd.path):
        yield f"{lost} disappeared in silence"
    if not odd.path and not found.remarks and odd.manner != "among unknown fields":
        yield "no remark"


def other_value(name: str) -> Any:
    """Return another valid value of a provider's field."""
    name = name.lower().replace("_", "")
    if name == "status":
        return "busy"
    if name.endswith(("id", "sid")):
        return "00000000-53c4-4e6d-9a18-7f20c4be9911"
    if name.endswith(("at", "updated", "timestamp")):
        return "2026-05-11T13:06:00Z"
    if "duration" in name or "amount" in name or "attempt" in name:
        return 999
    return "other"


HEADERS = ["retry-after", "content-type", "link", "callingbox-signature", "location"]
VALUES = [
    b"120",
    b"Mon, 11 May 2026 13:00:00 GMT",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"<https://fuse.plumvoice.com/api/outbound/88120457>; rel=status",
    b"t=1767225600,v1=5f797ca5ae60f24a5bcdd3879c225e236f75df2264a5b0f6d4430c1ccf5d6d91",
]
NASTY = [
    b"null", b"[]", b"{}", b"1e999", b"-1e999", b"NaN", b"-Infinity", b"9" * 5000, b"-1", b"0", b"1.5", b"true",
    b'"\\u0000"', b'"\\ud800"', b'"\xff\xfe"', b'""', b'" "',
    b"[" * 2000, b'{"a":' * 300,
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:59-12:00"', b'"2026-02-30"', b"1e308", b"253402300800", b'"99999999999999999999"', b"<a/>",
    b"\x00", b"\xed\xa0\x80", b",", b'"', b"\\", b"}", b"<item>", b"&amp;",
    b"&x;", b"[0][event]=", b"%00", b"\xf0\x9f\x98\x80",
]  # fmt: skip


def _mutated(body: bytes, dice: random.Random) -> bytes:
    """Return a damaged body: values replaced, bytes changed, truncated, doubled, or in another encoding."""
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        at = dice.randrange(len(body) + 1)
        match dice.randrange(7):
            case 0:
                body = body[:at]
            case 1:
                body = body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
            case 2:
                body = body[:at] + dice.choice(NASTY) + body[at:]
            case 3:
                end = at + dice.randrange(40)
                body = body[:end] + body[at:end] + body[end:]
            case 4 | 5:  # replace a value
                values = list(re.finditer(rb'(?<=:)\s*("[^"]*"|[^,{}\[\]"]+)|(?<=>)[^<>]+(?=<)|(?<==)[^&]+', body))
                if values:
                    found = dice.choice(values)
                    body = body[: found.start()] + dice.choice(NASTY) + body[found.end() :]
            case 6 if dice.random() < 0.1:
                body = body.decode(errors="replace").encode(dice.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"]))
    return body


def _everything(provider: Provider, got: Answer, call: CallHandle) -> list[Any]:
    """Return everything that an adapter's methods read from one response. They may raise only ProviderError."""
    verification = provider.verify_callback(got.headers, got.body, NOW)
    assert verification is provider.verify_callback(got.headers, got.body, NOW)
    ways: list[Callable[[], Any]] = [
        lambda: provider.read_placing(got),
        lambda: provider.read_status(got, call, NOW),
        lambda: provider.read_check(got),
        lambda: provider.parse_callback(got.headers, got.body),
        lambda: provider.read_list(got),
        lambda: provider.read_transcript(got),
    ]
    found: list[Any] = []
    for way in ways:
        result, error = _outcome(way)
        if error is not None:
            assert str(error).endswith((".", "!", "?"))
            assert "\n" not in str(error)
            assert len(error.evidence) <= 4096
        elif result is not None:
            found += getattr(result, "calls", result if isinstance(result, list) else [result])
    return found


def _outcome(way: Callable[[], Any]) -> tuple[Any, ProviderError | None]:
    try:
        return way(), None
    except ProviderError as error:
        return None, error


def _assert_storable(found: Any) -> None:
    """Check that a database can store the value.

    It has no NUL, no lone surrogate and no infinite number; times, texts and numbers are within limits.
    """
    for name, value in ((each.name, getattr(found, each.name)) for each in dataclasses.fields(found)):
        if isinstance(value, str):
            assert not re.search("[\x00\ud800-\udfff]", value), name
            assert len(value) <= 20_000, name
        elif isinstance(value, datetime):
            assert value.tzinfo is UTC
            assert 2000 <= value.year < 2100
        elif isinstance(value, Money):
            assert value.amount.is_finite() and re.fullmatch("[A-Z]{3}", value.currency)
        elif isinstance(value, bool):
            pass
        elif isinstance(value, int):
            assert 0 <= value < 2**31, name
        elif isinstance(value, dict):
            assert "\\u0000" not in json.dumps(value, allow_nan=False)

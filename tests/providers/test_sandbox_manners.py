"""The sandbox's manners on the wire: each is told as docs/sandbox.md says, and the journal says what was meant."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from providers.sandbox import manners, stories
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.callingbox import CallingBox
from providers.sandbox.server import Running
from providers.sandbox.settings import Settings
from providers.sandbox.world import Call, Order, World
from tests.waiting import eventually

UUID = "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e"
RETURNS = {"confirmed": "boolean", "opt_out": "boolean", "note": "string"}
http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
Body = dict[str, Any]


class Api:
    """One provider's placing request and status read."""

    def __init__(self, url: str, provider: str) -> None:
        self.url, self.provider = f"{url}/{provider}", provider
        self.headers = {
            "allomia": {"Authorization": "Bearer sandbox-allomia"},
            "polyai": {"X-PolyAi-Auth-Token": "sandbox-polyai"},
            "plumvoice": {},
            "callingbox": {"Authorization": "Bearer sk_sandbox"},
        }[provider] | {"Accept-Encoding": "identity"}
        self.auth = ("sandbox@example.org", "sandbox-plum") if provider == "plumvoice" else None

    def place(self, number: str) -> httpx.Response:
        path, sent = {
            "allomia": (
                "/api/outbound",
                {"json": {"phoneNumber": number, "assistantId": UUID, "phoneNumberId": UUID}},
            ),
            "polyai": ("/v1/outbound-calling/trigger", {"json": {"to_number": number}}),
            "plumvoice": ("/api/apps/1/2/queue", {"files": {"phone_number": (None, number)}}),
            "callingbox": (
                "/v1/calls",
                {"json": {"to": number, "prompt": "Hi", "returns": RETURNS, "context": {"ref": "r-1"}}},
            ),
        }[self.provider]
        return http.post(self.url + path, headers=self.headers, auth=self.auth, **sent)  # type: ignore[arg-type]

    def read(self, identifier: str) -> httpx.Response:
        path = {
            "allomia": f"/api/outbound/{identifier}/status",
            "polyai": f"/v1/outbound-calling/{identifier}/status",
            "plumvoice": f"/api/outbound/{identifier}",
            "callingbox": f"/v1/calls/{identifier}".rstrip("/"),
        }[self.provider]
        return http.get(self.url + path, headers=self.headers, auth=self.auth)


def read(sandbox: Running, provider: str, manner: str, ending: str = "01", *, after: str = "its end") -> bytes:
    """Return the answer about a call to a number of its own, told in this manner alone."""
    sandbox.control(manners_rate=1, manners=[manner])
    api = Api(sandbox.url, provider)
    number = f"+1415555{len(sandbox.journal()):02}{ending}"
    assert api.place(number).status_code in (200, 201)
    if after == "its end":
        eventually(lambda: sandbox.journal()[-1]["outcome"], "it never ended")
    answer = api.read(sandbox.journal()[-1]["id"])
    assert answer.status_code == 200
    return answer.content


def value(raw: bytes, name: str) -> Any:
    """Return the value of a field, of the object inside if there is one."""
    body = json.loads(raw)
    for inside in ("callDetails", "call_details"):
        if isinstance(body.get(inside), dict):
            body |= body[inside]
    return body[name]


IDS = {"allomia": "outboundCallId", "polyai": "callSid", "callingbox": "id"}
ENDS = {"allomia": "endedAt", "polyai": "last_updated", "plumvoice": "end_timestamp", "callingbox": "ended_at"}
DURATIONS = {"allomia": "duration", "plumvoice": "duration", "callingbox": "duration_seconds"}
# What a value looks like in each manner, as docs/sandbox.md describes it.
FORMS: list[tuple[str, dict[str, str], str]] = [
    ("id in capitals", IDS, r'"[0-9A-F-]{36}"'),
    ("id in braces", IDS, r'"\{[0-9a-f-]{36}\}"'),
    ("id with a prefix", IDS, r'"OUT-[0-9a-f-]{36}"'),
    ("epoch seconds", {"allomia": "endedAt", "callingbox": "ended_at"}, r"[0-9]{10}"),
    ("epoch milliseconds", ENDS, r"[0-9]{13}"),
    ("local time eight hours ahead", ENDS, r'"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}"'),
    (
        "mail date",
        {"allomia": "endedAt", "callingbox": "ended_at"},
        r'"\w{3}, [0-9]{2} \w{3} 20[0-9]{2} [0-9:]{8} GMT"',
    ),
    ("year 1999", ENDS, r'"1999-.*Z"'),
    ("duration in milliseconds", DURATIONS, "1000"),
    ("duration as a clock", DURATIONS, '"00:00:01"'),
    ("duration as text", DURATIONS, '"1"'),
    ("duration NaN", DURATIONS, "NaN"),
    ("duration twice", DURATIONS, "4001"),  # Python's own reader keeps the second
    ("status in capitals", dict.fromkeys(ENDS, "status"), r'"(COMPLETED|SUCCESS)"'),
    ("status in blanks", dict.fromkeys(ENDS, "status"), r'"  (Completed|Success)\\n"'),
    ("context as JSON text", {"callingbox": "context"}, r'"\{.*r-1.*\}"'),
    ("number without +", {"callingbox": "to_number"}, r'"1415555[0-9]{4}"'),
    ("number formatted", {"callingbox": "to_number"}, r'"\(415\) 555-[0-9]{4}"'),
]


def test_a_manner_words_its_field_as_documented(sandbox: Running, subtests: pytest.Subtests) -> None:
    for manner, fields, form in FORMS:
        for provider, name in fields.items():
            with subtests.test(manner, provider=provider):
                raw = read(sandbox, provider, manner)
                assert re.fullmatch(form, json.dumps(value(raw, name)))
                entry = sandbox.journal()[-1]
                assert entry["manners"] == [manner]
                assert entry["outcome"] == entry["meant"]["outcome"] == "completed"


def test_local_times_are_off_by_their_hours(sandbox: Running) -> None:
    for manner, hours in (("local time four hours behind", -4), ("local time eight hours ahead", 8)):
        said = datetime.fromisoformat(value(read(sandbox, "allomia", manner), "endedAt"))
        meant = datetime.fromisoformat(sandbox.journal()[-1]["ended_at"]).replace(tzinfo=None)
        assert abs(said - meant - timedelta(hours=hours)) <= timedelta(seconds=1)


def test_an_end_can_come_before_its_start(sandbox: Running) -> None:
    for provider, begin, end in (
        ("allomia", "startedAt", "endedAt"),
        ("callingbox", "answered_at", "ended_at"),
    ):
        raw = read(sandbox, provider, "end before start")
        assert value(raw, end) < value(raw, begin)
    first, *_, last = value(read(sandbox, "plumvoice", "end before start"), "events")[-2:]
    assert (first["event"], last["event"]) == ("connected", "disconnected")
    assert last["timestamp"] < first["timestamp"]


def test_a_voicemail_is_told_in_words_on_a_completed_call(sandbox: Running, subtests: pytest.Subtests) -> None:
    fields = {"allomia": "answeredBy", "polyai": "answered_by", "callingbox": "answered_by"}
    for word in ("machine_end_beep", "Answering Machine"):
        for provider, name in fields.items():
            with subtests.test(word, provider=provider):
                raw = read(sandbox, provider, f"voicemail as {word}", "05")
                assert value(raw, name) == word
                assert value(raw, "status") in ("completed", "success")
                meant = sandbox.journal()[-1]["meant"]
                assert (meant["outcome"], meant["voicemail"]) == ("completed", True)
    assert value(read(sandbox, "allomia", "voicemail as reason", "05"), "endedReason") == "voicemail"
    read(sandbox, "allomia", "gzip", "05")
    assert sandbox.journal()[-1]["meant"]["voicemail"] is None  # it was not told


def test_every_form_of_a_result_means_the_same(sandbox: Running, subtests: pytest.Subtests) -> None:
    forms: dict[str, Callable[[Any], Any]] = {
        "result as JSON text": lambda said: json.loads(said),
        "result encoded twice": lambda said: json.loads(json.loads(said)),
        "result as a list": lambda said: {row["name"]: row["value"] for row in said},
        "result as a sentence": lambda said: {
            name: {"true": True, "false": False}.get(text, text)
            for name, text in (part.split(": ") for part in said.split("; "))
        },
        "result names respelled": lambda said: {"opt_out" if n == "optOut" else n: value for n, value in said.items()},
        "result values as text": lambda said: {n: {"true": True, "false": False}.get(v, v) for n, v in said.items()},
    }
    for manner, understood in forms.items():
        with subtests.test(manner):
            raw = read(sandbox, "callingbox", manner)
            identifier = sandbox.journal()[-1]["id"]
            eventually(lambda: value(Api(sandbox.url, "callingbox").read(identifier).content, "result"))  # noqa: B023
            raw = Api(sandbox.url, "callingbox").read(identifier).content
            meant = sandbox.journal()[-1]["meant"]
            assert understood(value(raw, "result")) == meant["result"]
            assert meant["opt_out"] is meant["result"]["opt_out"]


def test_results_and_prices_can_come_late(subtests: pytest.Subtests) -> None:
    """Look at one call a moment after its end, and long after."""
    for manner, name, early in (
        ("empty result first", "result", {}),
        ("empty result first, completed", "result", {}),
        ("result after the webhook", "result", None),
        ("price settled late", "billing_amount_milli_cents", None),
        ("reserved at zero", "billing_amount_milli_cents", 0),
        ("hold as amount", "billing_amount_milli_cents", 25_000),
    ):
        with subtests.test(manner):
            voice, call = box_call(manner)
            assert call.timeline.end is not None
            end = call.timeline.end.at
            first, last = (voice.telling(call, "read").reword(voice.body(call, at), at) for at in (end + 3, end + 60))
            assert first[name] == early
            assert first["reservation_status"] == "reserved" or name == "result"
            assert last["reservation_status"] == "settled"
            meant = voice.meant(call, end + 60)
            assert meant is not None
            assert last["result"] == meant["result"] != {}
            seconds = last["billed_duration_seconds"]
            assert last["billing_amount_milli_cents"] == round(seconds * 5_000 / 60)  # 0.05 USD a minute
            assert Decimal(meant["price"]) == Decimal(last["billing_amount_milli_cents"]) / 100_000
            assert manner in call.told


def test_an_open_call_can_have_an_unknown_word() -> None:
    voice, call = box_call("unknown word before the end")
    assert call.timeline.end is not None
    end = call.timeline.end.at
    said = [voice.telling(call, "read").reword(voice.body(call, at), at)["status"] for at in (0, end / 2, end, end + 9)]
    documented = {"queued", "initiated", "ringing", "in_progress", "completed", "no_answer", "busy", "failed"}
    assert not {*said[:2]} & documented and said[2:] == ["completed", "completed"]


def test_a_free_call_costs_nothing() -> None:
    voice, call = box_call("free call")
    last = voice.body(call, 60.0)
    assert (last["reservation_status"], last["billing_amount_milli_cents"]) == ("settled", 0)
    assert last["billed_duration_seconds"] > 0
    meant = voice.meant(call, 60.0)
    assert meant is not None and Decimal(meant["price"]) == 0


def box_call(manner: str) -> tuple[CallingBox, Call]:
    """Return a call of CallingBox at speed 1 that is answered, with its voice."""
    world = World(Settings().changed({"manners_rate": 1, "manners": [manner]}))
    voice = CallingBox(world, Callbacks(world))
    order = Order("+14155550101", extra={"returns": RETURNS, "context": {}, "language": "en"})
    return voice, voice.dial(order, stories.STORIES["19"])


def test_the_bytes_are_as_documented(sandbox: Running, subtests: pytest.Subtests) -> None:
    checks: dict[str, Callable[[bytes], bool]] = {
        "NaN beside": lambda raw: b"NaN" in raw,
        "Infinity beside": lambda raw: b"Infinity" in raw and b"1e999" in raw,
        "name twice with another value": lambda raw: raw.count(b'"revision"') == 2,
        "byte order mark": lambda raw: raw.startswith(b"\xef\xbb\xbf{"),
        "gzip without its header": lambda raw: gzip.decompress(raw).startswith(b"{"),
        "trailing garbage": lambda raw: raw.rstrip().endswith(b"-->"),
        "long transcript": lambda raw: len(raw) > 256 * 1024,
        "extra fields": lambda raw: b"sentiment" in raw,
    }
    for manner, holds in checks.items():
        for provider in ENDS:
            with subtests.test(manner, provider=provider):
                assert holds(read(sandbox, provider, manner))
                assert sandbox.journal()[-1]["manners"] == [manner]
    raw = read(sandbox, "allomia", "name twice")
    assert raw.count(b'"outboundCallId"') == 2
    assert read(sandbox, "allomia", "gzip").startswith(b"{")  # this client decodes it by its header


def test_names_can_have_another_case_and_answers_be_wrapped(sandbox: Running) -> None:
    body = json.loads(read(sandbox, "allomia", "names in another case"))
    assert {"outbound_call_id", "contact_id", "status", "call_details"} == set(body)
    assert set(body["call_details"]) == {"started_at", "ended_at", "duration", "ended_reason"}
    body = json.loads(read(sandbox, "callingbox", "names in another case"))
    assert (
        body["toNumber"].startswith("+1") and body["context"] == {"ref": "r-1"} and set(body["returns"]) == set(RETURNS)
    )
    assert set(json.loads(read(sandbox, "polyai", "answer in data"))) == {"data"}


def test_a_call_is_found_by_every_form_of_its_id(sandbox: Running) -> None:
    api = Api(sandbox.url, "polyai")
    api.place("+14155550101")
    identifier = sandbox.journal()[-1]["id"]
    for form in (identifier.upper(), "{" + identifier + "}", f"OUT-{identifier}"):
        assert api.read(form).status_code == 200
    assert api.read(UUID).status_code == 404


def test_numeric_ids_can_pass_64_bits_and_ids_can_be_reused(sandbox: Running) -> None:
    sandbox.control(manners_rate=1, manners=["id beyond 64 bits"])
    said = Api(sandbox.url, "plumvoice").place("+14155550101").json()["call_id"]
    assert isinstance(said, int) and said > 2**64 and str(said) == sandbox.journal()[-1]["id"]
    sandbox.control(manners=["reused id"])
    api = Api(sandbox.url, "allomia")
    one, two = api.place("+14155550101"), api.place("+14155550201")
    assert one.json()["outboundCallId"] == two.json()["outboundCallId"]
    assert [entry["to_number"] for entry in sandbox.journal(provider="allomia")] == ["+14155550101", "+14155550201"]


def test_a_list_can_have_broken_rows_and_be_long(sandbox: Running) -> None:
    sandbox.control(manners_rate=1, manners=["broken rows beside"])
    api = Api(sandbox.url, "callingbox")
    api.place("+14155550101")
    raw = api.read("").content
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw)
    assert b'"ref": "r-1"' in raw
    sandbox.control(manners=["long list"])
    raw = api.read("").content
    assert len(raw) > 256 * 1024 and json.loads(raw)["data"][-1]["direction"] == "outbound"


def test_draws_repeat_and_follow_the_rate() -> None:
    def drawn(rate: float, seed: int = 3) -> list[frozenset[str]]:
        return [manners.of_answer(rate, manners.BY_DEFAULT, seed, "callingbox", n) for n in range(400)]

    assert drawn(0.3) == drawn(0.3) != drawn(0.3, seed=4)
    assert not any(drawn(0))
    wired = {manner.name for manner in manners.CATALOGUE if manner.kind == "wire"}
    assert all(len(names & wired) == 1 for names in drawn(1))
    assert 80 < sum(bool(names & wired) for names in drawn(0.3)) < 160
    assert "reused id" not in manners.BY_DEFAULT

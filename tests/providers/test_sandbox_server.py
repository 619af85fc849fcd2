"""The sandbox itself: start and stop of the server, journal, control, stories and timelines."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from providers.sandbox import journal, manners, server, stories, timeline, world
from providers.sandbox.allomia import AlloMia
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.server import Running
from providers.sandbox.settings import Settings
from providers.sandbox.world import Order, World
from tests.waiting import PATIENCE, eventually

SPEED = 50.0
http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
ALLOMIA = {"Authorization": "Bearer sandbox-allomia"}
_numbers = itertools.count(1000)


@pytest.fixture(scope="module")
def live() -> Iterator[Running]:
    with server.running(speed=SPEED, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(live: Running) -> Iterator[Running]:
    live.reset()
    yield live
    live.reset()


def number(digits: str) -> str:
    """Return an unused number with that story."""
    return f"+141655{next(_numbers):04d}"[:-2].ljust(10, "0") + digits


def place(sandbox: Running, to: str, **fields: Any) -> httpx.Response:
    body = {"phoneNumber": to, "assistantId": "a-1", "phoneNumberId": "n-1", **fields}
    return http.post(f"{sandbox.url}/allomia/api/outbound", json=body, headers=ALLOMIA, timeout=PATIENCE)


def status(sandbox: Running, identifier: str) -> httpx.Response:
    return http.get(f"{sandbox.url}/allomia/api/outbound/{identifier}/status", headers=ALLOMIA, timeout=PATIENCE)


def until_ended(sandbox: Running, to: str) -> dict[str, Any]:
    eventually(lambda: sandbox.journal(to_number=to)[-1]["outcome"], "it never ended")
    return sandbox.journal(to_number=to)[-1]


def test_the_index_page_describes_the_sandbox(sandbox: Running) -> None:
    assert "No phone ever rings" in http.get(sandbox.url).text


def test_a_dial_is_in_the_journal_with_all_its_fields(sandbox: Running) -> None:
    place(sandbox, "+14165551201", dynamicVariables={"ref": "att-1"}, callbackUrl="https://example.org/hook")
    entry = until_ended(sandbox, "+14165551201")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.fullmatch(stamp, entry.pop("at"))
    assert re.fullmatch(stamp, entry.pop("ended_at"))
    assert entry.pop("id")
    assert entry == {
        "index": 1,
        "provider": "allomia",
        "to_number": "+14165551201",
        "from_number": None,
        "reference": "att-1",
        "callback_url": "https://example.org/hook",
        "story": "01",
        "status": "completed",
        "outcome": "completed",
        "rings": True,
        "attempts": 1,
        "answered_with": "200",
        "meant": {
            "outcome": "completed",
            "voicemail": False,
            "duration": 1,
            "result": None,
            "price": None,
            "opt_out": False,
        },
        "manners": [],
        "callbacks_sent": 0,
        "callbacks_skipped": entry["callbacks_skipped"],
        "reads": 0,
    }


def test_all_fields_of_an_entry_describe_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's clock jumps past the end of the call with every reading."""
    everything = World(Settings())
    voice = AlloMia(everything, Callbacks(everything))
    monkeypatch.setattr(world, "time", SimpleNamespace(time=itertools.count(0.0, 1000.0).__next__))
    call = everything.dial("allomia", "c-1", Order(to_number="+14165551201"), stories.STORIES["01"])
    call.accepted_at = 1000.0
    for outcome in (None, "completed"):
        entry = journal.entry(call, voice)
        assert entry["outcome"] == outcome
        assert (entry["ended_at"] is None) == (outcome is None)
        assert (entry["meant"] is None) == (outcome is None)


def test_the_journal_can_be_filtered_and_continued_from_an_index(sandbox: Running) -> None:
    for to in ("+14165551301", "+14165551401", "+14165551301"):
        place(sandbox, to)
    url = f"{sandbox.url}/journal"
    assert [dial["index"] for dial in http.get(url).json()["dials"]] == [1, 2, 3]
    assert [dial["index"] for dial in http.get(url, params={"after": "2"}).json()["dials"]] == [3]
    assert [d["index"] for d in http.get(url, params={"to_number": "+14165551301"}).json()["dials"]] == [1, 3]
    assert http.get(url, params={"provider": "polyai"}).json()["dials"] == []
    assert http.get(url, params={"after": "x"}).status_code == 400


def test_requests_are_counted_by_kind(sandbox: Running) -> None:
    identifier = place(sandbox, number("01")).json()["outboundCallId"]
    place(sandbox, "12")
    status(sandbox, identifier)
    assert http.get(f"{sandbox.url}/journal").json()["requests"] == {"placing": 2, "reading": 1, "refused": 1}


@pytest.mark.parametrize(
    ("digits", "answer", "dialled"),
    [
        ("08", None, "dropped after dialling"),
        ("09", 500, None),
        ("10", 500, "500 after dialling"),
        ("12", 200, "2xx without id"),
        ("13", 502, "HTML 502 after dialling"),
        ("14", 200, "200 slow answer"),
        ("23", 400, None),
        ("34", 200, "truncated JSON after dialling"),
        ("35", None, None),
        ("36", 502, None),
        ("37", 409, None),
    ],
)
def test_the_journal_has_a_dial_exactly_when_the_phone_would_ring(
    sandbox: Running, digits: str, answer: int | None, dialled: str | None
) -> None:
    to = number(digits)
    if answer is None:
        with pytest.raises(httpx.TransportError):
            place(sandbox, to)
    else:
        response = place(sandbox, to)
        assert response.status_code == answer
        assert "outboundCallId" not in response.text or digits in ("14", "34")
    assert [dial["answered_with"] for dial in sandbox.journal(to_number=to)] == ([dialled] if dialled else [])


def test_a_truncated_response_is_not_json(sandbox: Running) -> None:
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        place(sandbox, number("34")).json()


def test_429_comes_first_and_the_next_request_is_accepted(sandbox: Running) -> None:
    to = number("11")
    first, second, third = (place(sandbox, to) for _ in range(3))
    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "1", 200)
    assert third.status_code == 429
    assert len(sandbox.journal(to_number=to)) == 1


@pytest.mark.parametrize(
    ("digits", "outcomes"),
    [
        ("01", ["completed", "completed"]),
        ("02", ["no_answer", "no_answer"]),
        ("03", ["busy", "busy"]),
        ("04", ["failed", "failed"]),
        ("05", ["completed"]),
        ("26", ["failed"]),
        ("30", ["busy", "completed", "completed"]),
        ("31", ["no_answer", "no_answer", "completed"]),
    ],
)
def test_a_scripted_number_ends_by_its_story_each_time(sandbox: Running, digits: str, outcomes: list[str]) -> None:
    to = number(digits)
    for outcome in outcomes:
        place(sandbox, to)
        assert until_ended(sandbox, to)["outcome"] == outcome


def test_calls_that_never_end_stay_open(sandbox: Running) -> None:
    for digits in ("07", "28"):
        place(sandbox, number(digits))
    time.sleep(0.3)
    assert [(dial["outcome"], dial["rings"]) for dial in sandbox.journal()] == [(None, True), (None, False)]


def test_a_hidden_call_is_404_for_three_reads(sandbox: Running) -> None:
    identifier = place(sandbox, number("18")).json()["outboundCallId"]
    assert [status(sandbox, identifier).status_code for _ in range(4)] == [404, 404, 404, 200]


def test_flapping_reads_succeed_every_other_time(sandbox: Running) -> None:
    identifier = place(sandbox, number("17")).json()["outboundCallId"]
    until_ended(sandbox, sandbox.journal()[-1]["to_number"])
    answers = [status(sandbox, identifier) for _ in range(10)]
    assert [answer.json()["status"] for answer in answers[1::2]] == ["completed"] * 5
    assert [answer.status_code for answer in answers[::2]] == [500, 200, 200, 200, 502]
    assert "<html>" in answers[2].text and answers[6].content == b""


def test_a_forgotten_call_is_404_after_its_end(sandbox: Running) -> None:
    sandbox.control(speed=10)
    to = number("27")
    identifier = place(sandbox, to).json()["outboundCallId"]
    assert status(sandbox, identifier).status_code == 200
    until_ended(sandbox, to)
    assert status(sandbox, identifier).status_code == 404


def test_an_undocumented_status_lasts_until_the_end(sandbox: Running) -> None:
    sandbox.control(speed=10)
    to = number("15")
    identifier = place(sandbox, to).json()["outboundCallId"]
    assert status(sandbox, identifier).json()["status"] == "transferring"
    until_ended(sandbox, to)
    assert status(sandbox, identifier).json()["status"] == "completed"


def test_every_story_has_its_own_digits_and_a_summary() -> None:
    assert sorted(stories.STORIES) == [f"{digits:02d}" for digits in range(1, 40)]
    assert len({story.summary for story in stories.STORIES.values()}) == len(stories.STORIES)


def test_the_page_for_developers_lists_every_story() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    for story in stories.STORIES.values():
        assert f"| {story.digits} | {story.summary} |" in page
    for setting in asdict(Settings()):
        assert f"`{setting}`" in page
    for manner in manners.CATALOGUE:
        assert f"*{manner.name}*" in page


def test_the_same_seed_draws_the_same_endings() -> None:
    def endings(seed: int) -> list[str]:
        return [stories.choose(seed, "polyai", f"+1416555{n:02d}77", 1).ending(1) for n in range(100)]

    assert endings(3) == endings(3)
    assert endings(3) != endings(4)


def test_the_mix_is_close_to_its_shares_and_each_dial_draws_anew() -> None:
    drawn = Counter(stories.choose(1, "allomia", f"+1416{n:05d}50", 1).ending(1) for n in range(4000))
    for ending, percent in stories.MIX:
        assert drawn[ending] / 40 == pytest.approx(percent, abs=3)
    dials = {stories.choose(1, "allomia", "+14165550150", dial).ending(1) for dial in range(1, 30)}
    assert len(dials) > 2


def test_a_timeline_has_all_phases_and_stops_at_its_end() -> None:
    line = timeline.build(["answered"], key=("k",), speed=1.0)
    assert [point.state for point in line.points] == ["queued", "dialing", "ringing", "talking", "answered"]
    assert line.end is not None and 3.5 <= line.end.at <= 8.5
    assert line.at(0).state == "queued" and line.at(1e9).state == "answered"
    assert timeline.build(["answered"], key=("k",), speed=10.0).end.at == pytest.approx(line.end.at / 10)  # type: ignore[union-attr]


def test_a_providers_own_attempts_happen_in_sequence() -> None:
    line = timeline.build(["busy", "answered", "busy"], key=("k",), speed=1.0, wait=60.0)
    states = [(point.state, point.attempt) for point in line.points if point.state != "ringing"]
    expected = [("queued", 1), ("dialing", 1), ("queued", 1), ("dialing", 2), ("talking", 2), ("answered", 2)]
    assert states == expected


def test_placing_faults_are_drawn_counted_and_repeatable(sandbox: Running) -> None:
    def run() -> tuple[list[str], dict[str, int]]:
        sandbox.reset()
        sandbox.control(placing_fault_rate=0.6, speed=500)
        for n in range(40):
            with suppress(httpx.TransportError):
                place(sandbox, f"+1416555{n:02d}01")
        return [dial["answered_with"] for dial in sandbox.journal()], sandbox.control()["faults"]["placing"]

    first, second = run(), run()
    assert first == second
    dials, faults = first
    assert 12 <= sum(faults.values()) <= 36 and len(faults) >= 6
    silent = sum(faults.get(kind, 0) for kind in ("500 before dialling", "dropped before dialling", "429"))
    assert len(dials) == 40 - silent


def test_reading_faults_are_drawn_and_counted(sandbox: Running) -> None:
    identifier = place(sandbox, number("01")).json()["outboundCallId"]
    sandbox.control(reading_fault_rate=1)
    spoilt = 0
    for _ in range(20):
        try:
            spoilt += status(sandbox, identifier).status_code != 200
        except httpx.TransportError:
            spoilt += 1
    assert spoilt > 3
    assert sum(sandbox.control()["faults"]["reading"].values()) == 20


def test_an_outage_closes_connections_and_places_no_call(sandbox: Running) -> None:
    sandbox.control(outage=["allomia"])
    with pytest.raises(httpx.TransportError):
        place(sandbox, number("01"))
    assert sandbox.journal() == []
    sandbox.control(outage=[])
    assert place(sandbox, number("01")).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"nonsense": 1},
        {"speed": 0},
        {"manners_rate": 1.5},
        {"manners": ["nonsense"]},
        {"placing_fault_rate": 2},
        {"outage": ["nobody"]},
        {"outage": "allomia"},
        {"callingbox_list_shape": "tree"},
        {"seed": "x"},
        [1],
    ],
)
def test_control_refuses_unknown_and_invalid_settings(sandbox: Running, wanted: Any) -> None:
    response = http.post(f"{sandbox.url}/control", json=wanted)
    assert response.status_code == 400 and response.json()["error"]


def test_reset_forgets_calls_counts_and_settings(sandbox: Running) -> None:
    place(sandbox, number("01"))
    http.post(f"{sandbox.url}/control", json={"placing_fault_rate": 1, "speed": 3})
    http.post(f"{sandbox.url}/reset")
    assert sandbox.journal() == []
    assert sandbox.requests() == {"placing": 0, "reading": 0, "refused": 0}
    settings = http.get(f"{sandbox.url}/control").json()["settings"]
    assert settings["placing_fault_rate"] == 0 and settings["speed"] == SPEED


def test_a_port_in_use_is_an_error(sandbox: Running) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), server.running(port=port):
        pass


@pytest.mark.parametrize("number_of_signal", [signal.SIGTERM, signal.SIGINT])
def test_the_server_announces_its_url_and_stops_cleanly_on_a_signal(number_of_signal: int) -> None:
    program = (
        "import asyncio; from providers.sandbox.server import Sandbox, serve; "
        "from providers.sandbox.settings import Settings; "
        "asyncio.run(serve(Sandbox(Settings()), '127.0.0.1', 0, lambda url: print(url, flush=True)))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().strip()
        assert http.get(url).status_code == 200
        process.send_signal(number_of_signal)
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""


def test_the_initial_settings_are_as_documented() -> None:
    settings = Settings()
    assert (settings.retention_seconds, settings.callingbox_generations) == (7200, ("prompt", "agent"))

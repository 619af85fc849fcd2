"""A tiny chaos run on PostgreSQL, and tests of its judge."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from tests.chaos.judging import Dial, Evidence, Row, Rules, Silence, judge
from tests.chaos.meaning import Meant, Stored

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER = "+12125550140"
POSTGRESQL = "postgresql" in settings.DATABASES["default"]["ENGINE"]
RETRYING = Rules(2, frozenset({"busy"}))


@pytest.mark.slow
@pytest.mark.skipif(not POSTGRESQL, reason="once is enough: in the PostgreSQL run")
def test_no_promise_is_broken_in_a_tiny_chaos() -> None:
    """Each kind of process is killed once or twice. `make proof` runs a larger one."""
    command = [sys.executable, "-m", "tests.chaos", "--size", "tiny", "--seed", "20260301"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}"


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def dial(n: int, at: float, **fields: Any) -> Dial:
    given: dict[str, Any] = {"ended_at": moment(at + 5), "outcome": "completed", "reference": f"ref-{n}", "token": ""}
    return Dial(id=f"id-{n}", to_number=NUMBER, at=moment(at), **(given | fields))


def row(n: int, at: float, **fields: Any) -> Row:
    """Return the correctly stored call of dial `n`."""
    made = Row(
        pk=n,
        to_number=NUMBER,
        status="completed",
        reference=f"ref-{n}",
        token=f"token-{n}",
        provider_call_id=f"id-{n}",
        dialed_at=moment(at - 0.1),
        terminal_at=moment(at + 6),
        callback_url="http://127.0.0.1/ended",
        outbox=1,
    )
    return replace(made, **fields)


def evidence(dials: list[Dial], rows: list[Row], **fields: Any) -> Evidence:
    given: dict[str, Any] = {
        "rules": {NUMBER: Rules()},
        "silences": [],
        "recipients": Counter(done=1),
        "ambiguous_faults": 0,
        "stranded": set(),
    }
    return Evidence(dials=dials, rows=rows, **(given | fields))


BUSY: dict[str, Any] = {"outcome": "busy"}
DOUBTED: dict[str, Any] = {"status": "unconfirmed", "provider_call_id": "", "terminal_at": None, "outbox": 0}
KEPT = {
    "one call": evidence([dial(1, 0)], [row(1, 0)]),
    "a call that was not dialled": evidence([], [row(1, 0, status="canceled", dialed_at=None)]),
    "called again by the rules": evidence(
        [dial(1, 0, **BUSY), dial(2, 10)], [row(1, 0, status="busy"), row(2, 10)], rules={NUMBER: RETRYING}
    ),
    "a doubt with its cause": evidence(
        [dial(1, 0, reference=None)], [row(1, 0, **DOUBTED, doubted={"response"})], ambiguous_faults=1
    ),
    "a doubt about nothing": evidence([], [row(1, 0, **DOUBTED, doubted={"engine"})], stranded={1}),
    "found by its callback address": evidence(
        [dial(1, 0, reference=None, token="token-1")], [row(1, 0, provider_call_id="")]
    ),
}
AGAIN = {NUMBER: RETRYING}
MEANT = Meant(False, 42, Decimal("0.035"), {"opt_out": True, "note": "Tuesday"}, opt_out=True)
RIGHT = Stored(False, 42, Decimal("0.035000"), {"optOut": "true", "note": "Tuesday"})
HELD = Stored(held={"duration_seconds", "price", "result"})
TOLD: dict[str, Any] = {"meant": MEANT, "answer": "201", "provider": "callingbox"}


def told(stored: Stored, meant: Meant = MEANT, *, opted_out: bool = True) -> Evidence:
    return evidence([dial(1, 0, **{**TOLD, "meant": meant})], [row(1, 0, stored=stored, opted_out=opted_out)])


KEPT |= {
    "what was meant": told(RIGHT),
    "what was meant, held as doubtful": told(HELD),
    "a result kept as text": told(replace(RIGHT, result=None, result_text="opt_out: true, note: Tuesday")),
    "nothing told": told(Stored(), Meant(), opted_out=False),
    "a voicemail that the provider does not tell": told(Stored(voicemail=True), Meant(), opted_out=False),
    "an id in another form": evidence([dial(1, 0)], [row(1, 0, provider_call_id="OUT-ID-1")]),
}
BROKEN = [
    ("wrong outcome", told(replace(RIGHT, voicemail=True))),
    ("wrong outcome", told(RIGHT, replace(MEANT, voicemail=True))),
    ("wrong cost", told(replace(RIGHT, price=Decimal("0.25")))),
    ("wrong cost", told(replace(RIGHT, price=None))),
    ("wrong cost", told(replace(RIGHT, price=Decimal(0)))),
    ("wrong cost", told(Stored(price=Decimal(1)), Meant(), opted_out=False)),
    ("wrong figure", told(replace(RIGHT, duration=42_000))),
    ("wrong figure", told(replace(RIGHT, duration=None))),
    ("wrong result", told(replace(RIGHT, result={"opt_out": False, "note": "Tuesday"}))),
    ("wrong result", told(replace(RIGHT, result=None))),
    ("wrong result", told(replace(RIGHT, result={}))),
    ("opt-outs missed", told(RIGHT, opted_out=False)),
    ("opt-outs invented", told(Stored(), Meant())),
    (
        "doubts without a cause",
        evidence([dial(1, 0, answer="200")], [row(1, 0, **DOUBTED, doubted={"response"})], ambiguous_faults=9),
    ),
    (
        "in a list, but not found",
        evidence([dial(1, 0, provider="callingbox")], [row(1, 0, **DOUBTED, doubted={"response"})], ambiguous_faults=9),
    ),
    ("double dials", evidence([dial(1, 0), dial(2, 10)], [row(1, 0), row(2, 10)])),
    ("double dials", evidence([dial(1, 0), dial(2, 10, reference="ref-1")], [row(1, 0)], rules=AGAIN)),
    ("double dials", evidence([dial(1, 0), dial(2, 10)], [row(1, 0), row(2, 10)], rules=AGAIN)),
    (
        "double dials",
        evidence([dial(1, 0, **BUSY), dial(2, 4)], [row(1, 0, status="busy"), row(2, 4)], rules=AGAIN),
    ),
    (
        "double dials",
        evidence([dial(1, 0, **BUSY), dial(2, 5.5)], [row(1, 0, status="busy"), row(2, 5.5)], rules=AGAIN),
    ),
    (
        "double dials",
        evidence(
            [dial(1, 0, **BUSY), dial(2, 10)],
            [row(1, 0, **DOUBTED, doubted={"response"}), row(2, 10)],
            rules=AGAIN,
            ambiguous_faults=1,
        ),
    ),
    ("lost", evidence([dial(1, 0, reference=None)], [])),
    ("lost", evidence([dial(1, 0)], [row(1, 0, status="queued", outbox=0, dialed_at=None, provider_call_id="")])),
    ("wrong", evidence([dial(1, 0)], [row(1, 0, status="no_answer")])),
    ("wrong", evidence([dial(1, 0)], [row(1, 0, status="canceled")])),
    ("wrong", evidence([dial(1, 0)], [row(1, 0, provider_call_id="id-9")])),
    ("wrong", evidence([], [row(1, 0)])),
    (
        "do-not-call dialled",
        evidence([dial(1, 0)], [row(1, 0)], silences=[Silence("do_not_call", [NUMBER], moment(-1))]),
    ),
    (
        "dialled while paused",
        evidence([dial(1, 0)], [row(1, 0)], silences=[Silence("paused", [NUMBER], moment(-1), moment(1))]),
    ),
    ("out-of-window dialled", evidence([dial(1, 0)], [row(1, 0)], rules={NUMBER: Rules(closed=True)})),
    ("stuck", evidence([dial(1, 0)], [row(1, 0, status="ringing", terminal_at=None, outbox=0)])),
    ("stuck", evidence([], [], recipients=Counter(waiting=1))),
    ("doubts without a cause", evidence([], [row(1, 0, **DOUBTED, doubted={"response"})])),
    ("doubts without a cause", evidence([], [row(1, 0, **DOUBTED, doubted={"engine"})])),
    ("doubts without a cause", evidence([], [row(1, 0, **DOUBTED)])),
    ("webhook rows missing or too many", evidence([dial(1, 0)], [row(1, 0, outbox=0)])),
    ("webhook rows missing or too many", evidence([dial(1, 0)], [row(1, 0, outbox=2)])),
    ("left behind by a dead watcher", evidence([], [], left_behind=3)),
]


def test_the_judge_finds_nothing_where_all_is_well(subtests: pytest.Subtests) -> None:
    for name, found in KEPT.items():
        with subtests.test(name):
            assert judge(found).findings == []


def test_the_judge_sees_each_broken_promise(subtests: pytest.Subtests) -> None:
    for number, (promise, found) in enumerate(BROKEN):
        with subtests.test(promise, number=number):
            assert promise in judge(found).broken

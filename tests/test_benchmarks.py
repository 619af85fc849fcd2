"""The benchmarks run, and what they share counts and judges rightly. No time is asserted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import phonenumbers
import pytest

from benchmarks import statements
from benchmarks.__main__ import NAMES
from benchmarks.shared import clocks, database, people_file, provider
from benchmarks.shared.figure import Found, Mark, alternate, load, table
from providers.adapters.base import AccountConfig, Answer, CallHandle, CallState
from providers.adapters.registry import provider as adapter_of
from tests.postgresql import Unavailable, copy_of_the_template
from tests.suite import ROOT

LESS = Mark("B0", "work", "baseline", 2, 1.2, "ms", less=True)
MORE = Mark("B0", "work", "baseline", 0.35, 0.7, "a second")


def run(*arguments: str, **more: str) -> str:
    """Run a module in a process with an environment of its own, as `make bench` does."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DEBUG")}
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=kept | more, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_figures_of_each_kind_run_small(tmp_path: Path) -> None:
    """One in SQL, one in a process whose memory is measured. `make proof` runs them all, on a server of their own."""
    with ExitStack() as stack:
        lent = {}
        with suppress(Unavailable):
            lent[database.SERVER] = stack.enter_context(copy_of_the_template(database.TEMPLATE))
        assert _measured(tmp_path, ["B6", "B12"], **lent) == {"B6", "B12"}


@pytest.mark.proof
def test_every_figure_runs_small(tmp_path: Path) -> None:
    assert _measured(tmp_path, list(NAMES)) == set(NAMES)


@pytest.mark.proof
def test_growth_and_statements_run_small() -> None:
    assert "CPU seconds" in run("benchmarks.growth", "--scale", "0.002", "--seconds", "2")
    found = run("benchmarks.statements", "--scale", "0.0002", "--calls", "5")
    assert "claim:" in found and "store ends:" in found


@pytest.mark.long
def test_forecast_webhooks_and_the_month_make_their_databases() -> None:
    """Django's own way to make one reads every row, secrets as well, unless it is told not to."""
    assert "ratio" in run("benchmarks.forecast", "--people", "200", DEBUG="true")
    assert run("benchmarks.webhooks", "--deliveries", "20", "--endpoints", "2", "--rounds", "1", DEBUG="true")
    month = run("tests.simulation", "--contacts", "40", "--only", "promises", DEBUG="true")
    assert "Every promise was kept." in month


def _measured(directory: Path, names: list[str], **more: str) -> set[str]:
    file = directory / "figures.json"
    sizes = ("--scale", "0.0003", "--rounds", "1", "--seconds", "2")
    run("benchmarks", *sizes, "--only", ",".join(names), "--json", str(file), **more)
    found = json.loads(file.read_text())
    assert all(figure["ratio"] > 0 for figure in found.values())
    return set(found)


def test_every_figure_has_a_mark_of_its_name() -> None:
    for name in NAMES:
        mark = load(name).MARK
        assert mark.name == name
        assert mark.moonshot < mark.good if mark.less else mark.moonshot > mark.good


@pytest.mark.parametrize(
    ("mark", "ratio", "verdict"),
    [
        (LESS, 1.2, "moonshot"), (LESS, 2.0, "good"), (LESS, 2.01, "missed"),
        (MORE, 0.7, "moonshot"), (MORE, 0.35, "good"), (MORE, 0.34, "missed"),
    ],
)  # fmt: skip
def test_a_ratio_is_judged_by_its_mark(mark: Mark, ratio: float, verdict: str) -> None:
    assert mark.verdict(ratio) == verdict


def test_rounds_alternate_and_their_median_counts() -> None:
    order: list[str] = []
    speeds = {"ours": iter([10.0, 2.0, 9.0]), "bare": iter([20.0, 20.0, 10.0])}

    def one(name: str) -> float:
        order.append(name)
        return next(speeds[name])

    found = alternate(3, lambda: one("ours"), lambda: one("bare"))
    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]
    assert found.ratios == [0.5, 0.1, 0.9] and found.ratio == 0.5
    assert "good" in "".join(table([(MORE, found)]))


def test_many_pages_are_judged_by_the_slowest_but_a_few() -> None:
    found = Found([float(number) for number in range(1, 101)], [1.0] * 100, quantile=0.95)
    assert found.ratio == 96


def test_the_fast_provider_answers_as_the_adapter_expects() -> None:
    """The adapter is the oracle: it reads an open call, an ended call and a new call's ID."""
    with provider.running() as server:
        config = AccountConfig(server.address(provider.ENDS), {"api_key": "k"}, {}, "")
        adapter = adapter_of("allomia", config)
        placed = adapter.read_placing(_ask(f"{server.url}/ends/api/outbound", b"{}"))
        states = {}
        for call_id in (placed.provider_call_id, f"{provider.CALLING}-1"):
            handle = CallHandle(call_id)
            request = adapter.status(handle)
            states[call_id] = adapter.read_status(_ask(request.url), handle, datetime.now(UTC)).state
        _ask(f"{server.url}/watched/api/outbound", json.dumps({"phoneNumber": "+12125550100"}).encode())
        arrived = json.loads(_ask(f"{server.url}/arrivals").body)
    assert list(states.values()) == [CallState.COMPLETED, CallState.DIALING]
    assert placed.provider_call_id.startswith(provider.ENDS)
    assert list(arrived) == ["+12125550100"]


def _ask(url: str, body: bytes | None = None) -> Answer:
    with urllib.request.urlopen(url, body) as answer:  # noqa: S310
        found = answer.read()
        assert len(found) == provider.BODY or "arrivals" in url
        return Answer(answer.status, {"content-type": "application/json"}, found)


def test_the_file_of_people_has_as_many_valid_numbers_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    valid = people_file.write(file, 700)
    numbers = [line.split(",")[0] for line in file.read_text().splitlines()[1:]]
    parsed = {phone for phone in map(_parsed, numbers) if phone}
    assert len(numbers) == 700 and len(parsed) == valid == 686  # 2 % are wrong, and none is there twice


def _parsed(written: str) -> str:
    try:
        number = phonenumbers.parse(written, "US")
    except phonenumbers.NumberParseException:
        return ""
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else ""


def test_processor_time_and_memory_of_this_process_are_read() -> None:
    watch = clocks.Stopwatch({"this": os.getpid()})
    total = sum(math.sqrt(number) for number in range(2_000_000))
    use = watch.stop()
    assert total > 0 and use.cpu["this"] > 0
    assert clocks.memory_of(os.getpid()) > 10


@pytest.mark.parametrize(
    ("cpu", "limit"),
    [
        ({"worker": 9.5, "database": 4.0, "others": 1.0}, "worker full"),
        ({"worker": 2.0, "database": 1.0, "others": 0.0}, "waiting"),
        ({"worker": 2.0, "database": 1.0, "others": 1_000.0}, "all cores full"),
    ],
)
def test_what_was_full_is_named(cpu: dict[str, float], limit: str) -> None:
    assert clocks.Use(10.0, cpu).limit.startswith(limit)


def test_a_statement_is_named_by_its_verb_and_table() -> None:
    assert statements.shape('SELECT "a"."x" FROM "calls_call" "a" WHERE 1 FOR UPDATE') == (
        "SELECT calls_call … FOR UPDATE"
    )
    assert statements.shape("UPDATE calls_call SET x = 1") == "UPDATE calls_call"

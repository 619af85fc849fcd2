"""A figure: our work and its baseline in alternating rounds, and their ratio."""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.shared import apart, database


@dataclass(frozen=True)
class Mark:
    """What a figure measures. `good` and `moonshot` are ratios; with `less`, a smaller ratio is better."""

    name: str
    work: str
    baseline: str
    good: float
    moonshot: float
    unit: str
    less: bool = False

    def verdict(self, ratio: float) -> str:
        for word, goal in (("moonshot", self.moonshot), ("good", self.good)):
            if ratio <= goal if self.less else ratio >= goal:
                return word
        return "missed"


@dataclass(frozen=True)
class Setting:
    """How big a figure is measured, and where."""

    scale: float
    rounds: int
    seconds: float  # at most, for one run of a worker
    server: database.Server
    name: str
    count: int = 0  # pieces of work that are timed one by one, instead of as many as the scale says

    def size(self, at_full_scale: int, least: int = 20) -> int:
        """Return a number of rows or requests: that of the full scale, made smaller."""
        return max(least, round(at_full_scale * self.scale))

    def database(self, suffix: str = "") -> str:
        """Create the figure's own database and let this process use it. Return its address."""
        url = self.server.create(f"bench_{self.name}{suffix}".lower())
        self.use(url)
        return url

    def use(self, url: str) -> None:
        """Let Django in this process use a database, instead of another if it used one before."""
        apart.use(url)


@dataclass
class Found:
    """What the rounds found: `ours` and `bare` in the unit of the mark. `notes` are printed below the table."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    limit: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    quantile: float = 0.5  # of the ratios, which the mark judges

    @property
    def ratios(self) -> list[float]:
        return [mine / theirs for mine, theirs in zip(self.ours, self.bare, strict=True)]

    @property
    def ratio(self) -> float:
        found = sorted(self.ratios)
        return statistics.median(found) if self.quantile == 0.5 else found[int(len(found) * self.quantile)]


Run = Callable[[], float]


def alternate(rounds: int, ours: Run, bare: Run, found: Found | None = None) -> Found:
    """Run both `rounds` times, each first in turns, so that the machine's other work falls on both."""
    found = found or Found()
    for number in range(rounds):
        for run in (ours, bare) if number % 2 == 0 else (bare, ours):
            (found.ours if run is ours else found.bare).append(run())
    return found


def main(mark: Mark, measure: Callable[[Setting], Found]) -> int:
    """Measure one figure from the command line. Print its line, or write it where the run of all figures reads it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with database.server() as server:
        found = measure(Setting(given.scale, given.rounds, given.seconds, server, mark.name, given.count))
    if given.json:
        given.json.write_text(json.dumps(asdict(found)))
    else:
        for line in table([(mark, found)]):
            say(line)
    return 0


def table(figures: list[tuple[Mark, Found]]) -> Iterator[str]:
    """Yield the lines of a table, and below it what limited each figure."""
    head = f"{'ours':>10} {'bare':>10} {'unit':10} {'ratio':>8} {'from':>7} {'to':>7} {'good':>7} {'moonshot':>8}"
    yield f"     {head}  verdict"
    for mark, found in figures:
        ours, bare = statistics.median(found.ours), statistics.median(found.bare)
        sign = "≤" if mark.less else "≥"
        yield (
            f"{mark.name:4} {short(ours):>10} {short(bare):>10} {mark.unit:10} {short(found.ratio):>8}"
            f" {short(min(found.ratios)):>7} {short(max(found.ratios)):>7} {sign}{short(mark.good):>6}"
            f" {sign}{short(mark.moonshot):>7}  {mark.verdict(found.ratio)}"
        )
    for mark, found in figures:
        yield f"{mark.name}: {mark.work}, against {mark.baseline}"
        if found.limit:
            yield f"    limit: {found.limit}"
        for name, value in found.notes.items():
            yield f"    {name}: {said(value)}"


def said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(each)}" for name, each in value.items())
    return short(value) if isinstance(value, float) else str(value)


def short(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 100 else 2 if value >= 1 else 3}f}"


def load(name: str) -> Any:
    """Return the module of a figure, like "B1"."""
    return importlib.import_module(f"benchmarks.figures.{name.lower()}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

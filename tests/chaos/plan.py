"""The sizes of a run, and the seeded list of its injections."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["engine", "tasks", "watcher"]
# A kill of the watcher ends the whole tree. Restarting a tree takes most of the machine's time, so it is rarer.
KINDS: tuple[Kind, ...] = ("engine", "tasks", "watcher")
SHARES = {"engine": 5, "tasks": 4, "watcher": 2}
What = Literal["kill", "pause", "stop", "list", "crash"]


@dataclass(frozen=True)
class Size:
    """The size of a run."""

    contacts: int
    kills: int
    seconds: float  # the time in which all injections happen
    do_not_call: int
    pauses: int
    crashes: int
    deadline: float  # seconds for all campaigns to finish afterwards
    workers: int = 3
    accounts: int = 1  # at each provider, with a campaign each
    faults: float = 0.2  # share of placings, polls and callbacks
    manners: float = 0.3  # share of answers, and of calls, that are worded in an odd manner of each kind
    out_of_hours: int = 20  # contacts of a campaign whose window is closed


SIZES = {
    "tiny": Size(contacts=90, kills=7, seconds=7, do_not_call=4, pauses=2, crashes=0, deadline=360, workers=2),
    "small": Size(contacts=1_000, kills=40, seconds=40, do_not_call=20, pauses=6, crashes=0, deadline=360, accounts=2),
    "large": Size(
        contacts=10_000, kills=200, seconds=400, do_not_call=60, pauses=30, crashes=5, deadline=1_200, accounts=3
    ),
}


@dataclass(frozen=True, order=True)
class Injection:
    at: float  # seconds after the launch
    what: What
    kind: Kind = "engine"


def injections(size: Size, chance: random.Random) -> list[Injection]:
    """Return the injections in the order of their time."""
    pack = [kind for kind in KINDS for _ in range(SHARES[kind])]
    kinds = [pack[turn % len(pack)] for turn in range(size.kills)]
    chance.shuffle(kinds)
    found = [Injection(at, "kill", kind) for at, kind in zip(_spread(size.kills, size, chance), kinds, strict=True)]
    wanted: list[tuple[What, int]] = [
        ("pause", size.pauses),
        ("list", size.do_not_call),
        ("crash", size.crashes),
        ("stop", max(1, size.pauses // 6)),
    ]
    for what, count in wanted:
        found += [Injection(at, what) for at in _spread(count, size, chance)]
    return sorted(found)


def _spread(count: int, size: Size, chance: random.Random) -> list[float]:
    """Return one random moment in each of `count` equal parts of the time."""
    return [size.seconds * (turn + chance.random()) / count for turn in range(count)]

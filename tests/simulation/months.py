"""The plans of a simulation: a month, and a year of closures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from tests.simulation import homes, kinds
from tests.simulation.plan import Organization, Plan

# In spring clocks go forward in America on 8 March and in Europe on the 29th, back in Australia on 5 April. In autumn
# the reverse.
SEASONS = {"spring": datetime(2026, 3, 6, 13, tzinfo=UTC), "autumn": datetime(2026, 10, 2, 13, tzinfo=UTC)}
LASTS, YEAR = timedelta(days=33), timedelta(days=425)
PARTS = ("crowded", "quiet", "world", "edits", "promises", "closures")


def plans(contacts: int, seed: int, season: str = "spring", only: str | None = None) -> Iterator[Plan]:
    """Yield the month, and the year of closures. The parts share nothing, so each can run by itself."""
    if only != "closures":
        yield month(contacts, seed, season, only)
    if only in (None, "closures"):
        yield year(max(60, min(1_000, contacts // 20)), seed, season)


def month(contacts: int, seed: int, season: str = "spring", only: str | None = None) -> Plan:
    begin = SEASONS[season]
    small, medium = max(20, min(2_500, contacts // 10)), max(60, min(1_500, contacts // 20))
    parts: dict[str, Callable[[random.Random], tuple[Organization, ...]]] = {
        "crowded": lambda rng: (homes.crowded(max(100, contacts - 6 * small), begin, rng),),
        "quiet": lambda rng: homes.quiet(small, begin, rng),
        "world": lambda rng: (kinds.world(medium, begin, rng),),
        "edits": lambda rng: (kinds.edits(medium, begin, rng),),
        "promises": lambda rng: (kinds.promises(medium, begin, rng),),
    }
    chosen = [make(random.Random(f"{seed} {name}")) for name, make in parts.items() if only in (None, name)]
    return Plan(begin, begin + LASTS, tuple(home for found in chosen for home in found))


def year(people: int, seed: int, season: str = "spring") -> Plan:
    """Return closures of 1 to 400 days, and weekly windows among holidays."""
    begin = SEASONS[season]
    return Plan(begin, begin + YEAR, kinds.closures(people, begin, random.Random(f"{seed} closures")))
